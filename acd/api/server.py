"""One ASGI application on one address: on loopback by default, behind a token or TLS elsewhere."""

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
from starlette.types import ASGIApp

from acd.errors import AddressInUse
from acd.settings import AddressSettings, ApiSettings, ListenSettings

STOP_SECONDS = 2.0
STUCK_MILLISECONDS = 10_000
"""How long a client may leave what was sent to it unread or unacknowledged."""


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
    app: ASGIFramework | ASGIApp, settings: ListenSettings | ApiSettings, *, name: str
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
    served = cast("ASGIFramework", app)
    if isinstance(settings, ApiSettings):
        _encrypt(config, settings)
    elif token := settings.token.get_secret_value():
        served = with_token(served, token)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(
            lambda *, task_status: serve(
                served,
                config,
                shutdown_trigger=cast("Callable[..., Awaitable[None]]", stop.wait),
                task_status=task_status,
            )
        )
        try:
            scheme = "https" if config.ssl_enabled else "http"
            yield f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        finally:
            stop.set()


def _encrypt(config: Config, settings: ApiSettings) -> None:
    if settings.tls_certificate_file is not None and settings.tls_key_file is not None:
        config.certfile = str(settings.tls_certificate_file)
        config.keyfile = str(settings.tls_key_file)


def _listen(settings: AddressSettings, name: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.bind_address else socket.AF_INET
    try:
        listener = socket.create_server((settings.bind_address, settings.port), family=family)
    except OSError as error:
        raise AddressInUse(
            f"[{name}] cannot listen on {settings.bind_address} port {settings.port}: "
            f"{error.strerror or error}; set another port in [{name}] or end the program that "
            f"holds this one"
        ) from error
    # Connections inherit it: hypercorn waits for ever for somebody who has stopped reading.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MILLISECONDS)
    return listener
