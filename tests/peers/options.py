"""Ask a SIP server that was just started until it answers."""

from __future__ import annotations

import socket
from uuid import uuid4

import trio


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
