"""Whatever a connection sends, the gateway cuts that connection and nothing else."""

from __future__ import annotations

import json

import pytest
import trio

from acd.tapi.wire import MOST_BYTES, sign
from tests.unit.tapi.stage import NUMBER, TOKEN, Stage, stage


async def signed_in(on: Stage) -> trio.SocketStream:
    stream = await trio.open_tcp_stream(on.address.host, on.address.port)
    hello = json.loads(await stream.receive_some(1000))
    signature = sign(TOKEN, nonce=hello["nonce"], inst="x")
    auth = {"t": "auth", "proto": 1, "client": "overdialer", "inst": "x", "hmac": signature}
    await stream.send_all(json.dumps(auth).encode() + b"\n")
    assert b"ready" in await stream.receive_some(10_000)
    return stream


async def cut_off(stream: trio.SocketStream) -> bool:
    try:
        while await stream.receive_some(10_000):
            pass
    except trio.BrokenResourceError:
        pass
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"not json\n",
        b"[1, 2]\n",
        b'{"id": 1}\n',
        b'{"t": 5}\n',
        b"[" * 50_000 + b"\n",
        b"\xff\xfe\n",
        b"x" * (2 * MOST_BYTES),
    ],
    ids=["text", "list", "no t", "t a number", "deep", "no UTF-8", "long"],
)
@pytest.mark.parametrize("before", [True, False], ids=["before auth", "after auth"])
async def test_nonsense_ends_its_own_connection_only(sent: bytes, before: bool) -> None:
    async with stage() as on:
        if before:
            stream = await trio.open_tcp_stream(on.address.host, on.address.port)
        else:
            stream = await signed_in(on)
        async with stream:
            await stream.send_all(sent)
            assert await cut_off(stream)
        line = await on.app.line_open(1)
        assert await on.app.wait_connected(await on.app.line_make_call(line, NUMBER))


@pytest.mark.parametrize(
    "request_",
    [
        {"t": "call.make", "id": 1, "line": True, "call": "c", "dest": "1"},
        {"t": "call.make", "id": 1, "line": 1, "call": ["c"], "dest": "1"},
        {"t": "call.make", "id": 1, "line": 1, "call": "c", "dest": {"a": 1}},
        {"t": "line.open", "id": 1, "n": 1e300},
        {"t": "line.open", "id": 1, "n": -1},
    ],
)
async def test_a_field_of_another_type_is_an_answer_and_no_crash(request_: object) -> None:
    async with stage() as on:
        stream = await signed_in(on)
        async with stream:
            await stream.send_all(json.dumps(request_).encode() + b"\n")
            reply = json.loads(await stream.receive_some(1000))
            assert reply["name"] == "LINEERR_INVALPARAM"
