"""One ASGI application on one address: on loopback by default, behind a token elsewhere."""

from __future__ import annotations

import hmac
import socket
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

    async def guarded(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
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
    listener = _listen(settings, name)
    host, port = listener.getsockname()[:2]
    config = Config()
    # hypercorn takes the descriptor over and closes it.
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = STOP_SECONDS
    config.errorlog = None
    config.accesslog = None
    token = settings.token.get_secret_value()
    guarded = with_token(app, token) if token else app
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(
            lambda *, task_status: serve(
                guarded,
                config,
                shutdown_trigger=cast("Callable[..., Awaitable[None]]", stop.wait),
                task_status=task_status,
            )
        )
        try:
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        finally:
            stop.set()


def _listen(settings: ListenSettings, name: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.bind_address else socket.AF_INET
    try:
        return socket.create_server((settings.bind_address, settings.port), family=family)
    except OSError as error:
        raise AddressInUse(
            f"[{name}] cannot listen on {settings.bind_address} port {settings.port}: "
            f"{error.strerror or error}; set another port in [{name}] or end the program that "
            f"holds this one"
        ) from error
