"""A TLS port that answers every SIP request with 200, for what Debian's SIPp cannot do."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

_SHARED = (b"Via", b"From", b"To", b"Call-ID", b"CSeq")


@contextmanager
def tls_pbx(
    host: str, certificate: Path, key: Path, *, client_authority: Path | None = None
) -> Iterator[int]:
    """Listens on `host` while the block lasts; gives the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_authority is not None:
        context.load_verify_locations(client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    ready, ports = threading.Event(), list[int]()
    stop: list[trio.CancelScope] = []
    token: list[trio.lowlevel.TrioToken] = []

    async def serve() -> None:
        token.append(trio.lowlevel.current_trio_token())
        (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host=host)
        socket = listener.transport_listener.socket  # type: ignore[attr-defined] # a SocketListener
        ports.append(socket.getsockname()[1])
        with trio.CancelScope() as scope:
            stop.append(scope)
            ready.set()
            await trio.serve_listeners(_answer, [listener])

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    try:
        assert ready.wait(10)
        yield ports[0]
    finally:
        token[0].run_sync_soon(stop[0].cancel)
        thread.join()


async def _answer(stream: trio.abc.Stream) -> None:
    received = b""
    try:
        while more := await stream.receive_some():
            received += bytes(more)
            while b"\r\n\r\n" in received:
                request, _, received = received.partition(b"\r\n\r\n")
                lines = [b"SIP/2.0 200 OK", b"Server: a TLS peer", b"Allow: INVITE, REFER"]
                lines += [h for h in request.split(b"\r\n")[1:] if h.partition(b":")[0] in _SHARED]
                await stream.send_all(b"\r\n".join([*lines, b"Content-Length: 3", b"", b"abc"]))
    except trio.BrokenResourceError:
        pass  # the doctor did not like our certificate
