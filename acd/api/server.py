"""One ASGI application on one address: on loopback by default, behind a token elsewhere."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope
from prometheus_client import CollectorRegistry, make_asgi_app

from acd.errors import AddressInUse
from acd.settings import ListenSettings

STOP_SECONDS = 2.0


def with_token(app: ASGIFramework, token: str) -> ASGIFramework:
    """Answer 401 to every HTTP request without `Authorization: Bearer <token>` (RFC 6750)."""
    expected = f"Bearer {token}".encode()

    async def guarded(
        scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, expected):
                await _refuse(send)
                return
        await app(scope, receive, send)

    return guarded


async def _refuse(send: ASGISendCallable) -> None:
    headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send(
        {"type": "http.response.body", "body": b"a bearer token is needed\n", "more_body": False}
    )


def metrics_app(registry: CollectorRegistry) -> ASGIFramework:
    """`/metrics` of this registry; everything else is 404."""
    page = cast("ASGIFramework", make_asgi_app(registry))

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http" and scope["path"] == "/metrics":
            await page(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


async def _lifespan(receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return


@asynccontextmanager
async def open_server(
    app: ASGIFramework, settings: ListenSettings, *, name: str
) -> AsyncIterator[str]:
    """Serve `app` while the block lasts.

    Args:
        app: what answers.
        settings: where to listen; port 0 takes any free one.
        name: the settings table, for messages.

    Yields:
        The address that is listened on, as `http://host:port`.

    Raises:
        AddressInUse: another program holds the port.
    """
    config = Config()
    config.bind = [f"{settings.bind_address}:{settings.port}"]
    config.graceful_timeout = STOP_SECONDS
    config.errorlog = None
    config.accesslog = None
    token = settings.token.get_secret_value()
    guarded = with_token(app, token) if token else app
    stop = trio.Event()
    wait_stop = cast("Callable[..., Awaitable[None]]", stop.wait)
    async with trio.open_nursery() as nursery:
        try:
            binds = await nursery.start(
                lambda *, task_status: serve(
                    guarded, config, shutdown_trigger=wait_stop, task_status=task_status
                )
            )
        except* OSError as group:
            raise AddressInUse(
                f"[{name}] cannot listen on {settings.bind_address} port {settings.port}: "
                f"{group.exceptions[0]}; set another port in [{name}] port, or end the "
                f"program that holds it"
            ) from None
        try:
            yield binds[0]
        finally:
            stop.set()
