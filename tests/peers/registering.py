"""A phone's registration at a PBX that knows it by its user alone, and the end of it."""

from __future__ import annotations

import socket
from uuid import uuid4

import trio


async def register(pbx: str, extension: str, phone: str, *, expires_seconds: int = 3600) -> None:
    """Say where a phone is; with 0 seconds, that it is there no more.

    Args:
        pbx: its address.
        extension: the user.
        phone: the address at whose port 5060 the phone takes calls.
        expires_seconds: how long that holds.

    Raises:
        AssertionError: the PBX did not say 200.
    """
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        await sender.bind((phone, 0))
        port = sender.getsockname()[1]
        request = _register(pbx, extension, phone, port, expires_seconds)
        answer = b""
        with trio.move_on_after(10):
            while not answer:
                await sender.sendto(request, (pbx, 5060))
                with trio.move_on_after(0.5):
                    answer, _ = await sender.recvfrom(4096)
    assert answer.startswith(b"SIP/2.0 200"), f"{extension}: {answer.decode()}"


def _register(pbx: str, extension: str, phone: str, port: int, expires_seconds: int) -> bytes:
    identifier = uuid4().hex
    lines = (
        f"REGISTER sip:{pbx} SIP/2.0",
        f"Via: SIP/2.0/UDP {phone}:{port};branch=z9hG4bK{identifier};rport",
        "Max-Forwards: 70",
        f"From: <sip:{extension}@{pbx}>;tag={identifier[:8]}",
        f"To: <sip:{extension}@{pbx}>",
        f"Call-ID: {identifier}",
        "CSeq: 1 REGISTER",
        f"Contact: <sip:{extension}@{phone}:5060>",
        f"Expires: {expires_seconds}",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()
