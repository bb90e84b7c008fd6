"""Ask a SIP server that was just started until it answers."""

from __future__ import annotations

import socket
from uuid import uuid4

import trio


async def options_answered(
    process: trio.Process, address: str, port: int, *, timeout_seconds: float
) -> bool:
    """Whether a server that was just started answers in time; one that ends will not."""
    with trio.move_on_after(timeout_seconds):
        async with trio.open_nursery() as nursery:

            async def end_with_it() -> None:
                await process.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(end_with_it)
            await wait_options_answered(address, port)
            nursery.cancel_scope.cancel()
        return process.poll() is None
    return False


async def wait_options_answered(address: str, port: int) -> None:
    """Any answer will do: it shows that the SIP side reads its socket."""
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        await probe.bind((address, 0))
        own_host, own_port = probe.getsockname()
        while True:
            await probe.sendto(_options(address, port, f"{own_host}:{own_port}"), (address, port))
            with trio.move_on_after(0.2):
                await probe.recvfrom(4096)
                return


def _options(address: str, port: int, own: str) -> bytes:
    identifier = uuid4().hex
    lines = (
        f"OPTIONS sip:{address}:{port} SIP/2.0",
        f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{identifier};rport",
        "Max-Forwards: 70",
        f"From: <sip:probe@{own}>;tag={identifier[:8]}",
        f"To: <sip:{address}:{port}>",
        f"Call-ID: {identifier}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:probe@{own}>",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()
