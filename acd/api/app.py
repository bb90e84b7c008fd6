"""The API as an ASGI application: its routes under /v1, its errors, its OpenAPI page."""

from __future__ import annotations

import html
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import structlog
from fastapi import FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acd import __version__
from acd.api import agent_times, agents, campaigns, leads, previews
from acd.api.access import Client
from acd.api.office import Office
from acd.api.stream import Bulletin, Event, EventStream
from acd.api.words import REFUSALS
from acd.errors import AcdError, BadInput, StoreError, UnknownName
from acd.settings import ApiClientSettings, ApiRole

log: structlog.stdlib.BoundLogger = structlog.get_logger()

MOST_BYTES = 8 << 20
"""Of a request's body."""


def api_app(office: Office, bulletin: Bulletin, clients: Sequence[ApiClientSettings]) -> ASGIApp:
    """The whole API.

    Args:
        office: does what is asked.
        bulletin: what `/v1/events` tells.
        clients: who may ask.
    """
    app = _Api(
        title="acd",
        version=__version__,
        description="Agents, campaigns, leads and do-not-call of a running engine.",
        openapi_url="/v1/openapi.json",
        # FastAPI's own pages load their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.office, app.state.bulletin, app.state.clients = office, bulletin, tuple(clients)
    for router in (
        agents.router,
        agent_times.router,
        previews.router,
        campaigns.router,
        leads.router,
    ):
        app.include_router(router, prefix="/v1", responses=REFUSALS)
    app.get(
        "/v1/events",
        tags=["events"],
        status_code=200,
        response_class=EventStream,
        responses={**REFUSALS, 200: {"content": {"text/event-stream": {}}}},
    )(events)
    app.get("/v1/docs", include_in_schema=False, response_class=HTMLResponse)(page)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(AcdError, _sentence)
    app.add_exception_handler(Exception, _broken)
    return _Limited(app)


async def events(
    request: Request, client: Client, last_event_id: str = Header(default="", max_length=64)
) -> EventStream:
    """States of agents, calls and campaigns as they change (server-sent events).

    With Last-Event-ID it goes on from there; `resync` says that too much has happened since.
    A desktop of one agent is told of that agent, their calls, and campaigns.
    """

    def wanted(event: Event) -> bool:
        of_agents = client.role is not ApiRole.INTEGRATOR or event.kind != "agent"
        theirs = not client.agent or event.kind == "campaign" or event.agent == client.agent
        return of_agents and theirs

    state = request.app.state
    listening = state.office.listening(client.agent) if client.agent else nullcontext()
    return EventStream(state.bulletin, after=last_event_id, wanted=wanted, listening=listening)


async def page(request: Request) -> str:
    """What there is, for a person with a browser and no internet."""
    rows = [
        f"<tr><td>{method.upper()}</td><td>{html.escape(path)}</td>"
        f"<td>{html.escape(operation.get('description', ''))}</td></tr>"
        for path, methods in request.app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    return (
        f"<!doctype html><title>acd {__version__}</title><h1>acd {__version__}</h1>"
        "<p>As OpenAPI: <a href='openapi.json'>openapi.json</a></p>"
        f"<table>{''.join(rows)}</table>"
    )


def _body(status: int, error: str, problems: Sequence[str] = (), **more: Any) -> JSONResponse:
    # What the client sent comes back to it: whatever is no text in it must not break the answer.
    said = [text.encode("utf-8", "replace").decode() for text in (error, *problems)]
    return JSONResponse({"error": said[0], "problems": said[1:]}, status_code=status, **more)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    problems = [
        f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"
        for detail in error.errors()
    ]
    return _body(422, problems[0], problems)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    return _body(error.status_code, str(error.detail), headers=error.headers)


async def _sentence(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, BadInput):
        problems = [str(problem) for problem in error.problems]
        first = problems[0] if problems else str(error)
        return _body(404 if isinstance(error, UnknownName) else 422, first, problems)
    if isinstance(error, StoreError):
        return _body(503, "the database does not answer; try again later")
    return _body(500, str(error))


async def _broken(request: Request, error: Exception) -> JSONResponse:
    # The error's text may repeat what was sent; its place in our code does not.
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error(
        "a request failed by a fault of ours",
        action="api.failed",
        error=type(error).__name__,
        place=f"{place.filename}:{place.lineno}",
    )
    return _body(500, "a fault of acd's own; its log says where")


class _Api(FastAPI):
    """FastAPI that describes a campaign's definition too: it reads that itself, as JSON or TOML."""

    def openapi(self) -> dict[str, Any]:
        schema = super().openapi()
        schema["components"]["schemas"] |= campaigns.definition_schemas()
        return schema


class _Limited:
    """Refuses bodies beyond `MOST_BYTES` before they are held in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BYTES:
                raise HTTPException(413, f"the body is larger than {MOST_BYTES} bytes")
            return message

        await self._app(scope, counted, send)
