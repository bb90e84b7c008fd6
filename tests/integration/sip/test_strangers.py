"""Requests that somebody sends to acd outside any call of ours: each has a sensible answer."""

from __future__ import annotations

import socket

import pytest
import trio

from tests.integration.sip.conftest import PBX_HOST, Bench
from tests.peers.sipp.steps import invite, pause

pytestmark = pytest.mark.real

_SDP = (
    "v=0\r\no=x 1 1 IN IP4 127.3.0.2\r\ns=-\r\nc=IN IP4 127.3.0.2\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 8\r\n"
)


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("INVITE", ("Content-Type: application/sdp",), _SDP, 480),
        ("MESSAGE", ("Content-Type: text/plain",), "hello", 405),
        ("SUBSCRIBE", ("Event: presence", "Expires: 60"), "", 403),
        ("SUBSCRIBE", ("Event: dialog", "Expires: 60"), "", 489),
        ("NOTIFY", ("Event: dialog", "Subscription-State: active"), "", 405),
        ("REFER", ("Refer-To: <sip:112@127.3.0.9>",), "", 405),
        ("PUBLISH", ("Event: presence",), "", 405),
        ("INFO", (), "", 405),
        ("BYE", (), "", 405),
        ("UPDATE", (), "", 405),
        ("REGISTER", (), "", 405),
        ("FROBNICATE", (), "", 405),
    ],
)
@pytest.mark.parametrize("to_tag", ["", ";tag=gone"], ids=["outside", "of a dialog that is gone"])
async def test_a_request_of_a_stranger_is_answered(
    bench: Bench, method: str, headers: tuple[str, ...], body: str, status: int, to_tag: str
) -> None:
    pbx = bench.pbx(invite(), pause(1))
    trunk = await bench.trunk(str(pbx.bind))
    reply = await _ask(trunk.sip_address, method, headers, body, to_tag)
    expected = 481 if to_tag else status
    assert reply.startswith(f"SIP/2.0 {expected} "), reply
    if expected == 405:
        assert "\r\nAllow: " in reply


async def _ask(there: str, method: str, headers: tuple[str, ...], body: str, to_tag: str) -> str:
    """Send a request from a port of its own; the final response."""
    host, _, port = there.partition(":")
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        await stranger.bind((PBX_HOST, 0))
        own = "{}:{}".format(*stranger.getsockname())
        lines = (
            f"{method} sip:acd@{there} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bKstranger",
            "Max-Forwards: 70",
            f"From: <sip:stranger@{own}>;tag=stranger",
            f"To: <sip:acd@{there}>{to_tag}",
            f"Call-ID: stranger@{own}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:stranger@{own}>",
            *headers,
            f"Content-Length: {len(body)}",
        )
        request = "\r\n".join((*lines, "", body)).encode()
        while True:
            await stranger.sendto(request, (host, int(port)))
            with trio.move_on_after(2):
                while True:
                    reply = (await stranger.recv(8192)).decode()
                    if not reply.startswith("SIP/2.0 1"):
                        return reply
