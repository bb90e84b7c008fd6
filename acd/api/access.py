"""Who asks, and whether they may: tokens and roles."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Annotated, NoReturn

import structlog
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from acd.settings import ApiClientSettings, ApiRole

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_bearer = HTTPBearer(auto_error=False, description="the token of an [[api_client]]")


def client_of(clients: Sequence[ApiClientSettings], token: str) -> ApiClientSettings | None:
    """Whose token it is; every token is compared, in constant time."""
    found = None
    for client in clients:
        if hmac.compare_digest(client.token.get_secret_value().encode(), token.encode()):
            found = client
    return found


def refuse(status: int, sentence: str) -> NoReturn:
    """Answer with an error instead."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    raise HTTPException(status, sentence, headers)


def _known(
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> ApiClientSettings:
    client = client_of(request.app.state.clients, given.credentials) if given else None
    if client is None:
        log.warning("unknown token", action="api.denied", path=_route(request))
        refuse(401, "a bearer token of an [[api_client]] is needed")
    if request.method != "GET":
        log.info("asked", action="api.asked", client=client.name, path=_route(request))
    return client


def _route(request: Request) -> str:
    """The route, not the path: that may hold a phone number."""
    return str(getattr(request.scope.get("route"), "path", ""))


Client = Annotated[ApiClientSettings, Depends(_known)]


def _only(*roles: ApiRole) -> Callable[[ApiClientSettings], ApiClientSettings]:
    def allowed(client: Client) -> ApiClientSettings:
        if client.role not in roles:
            refuse(403, f"a client of role {client.role} may not do this")
        return client

    return allowed


AgentsClient = Annotated[ApiClientSettings, Depends(_only(ApiRole.AGENT, ApiRole.SUPERVISOR))]
LeadsClient = Annotated[ApiClientSettings, Depends(_only(ApiRole.INTEGRATOR, ApiRole.SUPERVISOR))]


def speaks_for(client: ApiClientSettings, agent: str) -> None:
    """Refuse a desktop of one agent what concerns another."""
    if client.agent and client.agent != agent:
        refuse(403, f"this token speaks for agent {client.agent} alone, by name")
