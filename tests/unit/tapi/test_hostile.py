"""Whatever a connection sends, the gateway cuts that connection and nothing else."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence

import pytest
import trio

from acd.tapi.constants import LineCallState as S
from acd.tapi.wire import MOST_BYTES, Message, MessageReader, sign
from tests.fakes.lines import Script
from tests.unit.tapi.stage import NUMBER, TOKEN, Stage, stage, until


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


async def send(stream: trio.SocketStream, *messages: Message) -> None:
    """All in one segment."""
    await stream.send_all(b"".join(json.dumps(each).encode() + b"\n" for each in messages))


async def heard_until(reader: MessageReader, state: S) -> Sequence[Message]:
    """Every message up to the `call.state` that tells of this state."""
    heard: list[Message] = []
    while not heard or heard[-1].get("state") != state:
        message = await reader.next()
        assert message is not None
        heard.append(message)
    return heard


def answers(heard: Sequence[Message], request: int) -> list[str]:
    """What a request was answered, each time: a LINEERR's name, or nothing where it succeeded."""
    return [
        str(each.get("name", ""))
        for each in heard
        if each["t"] == "reply" and each["id"] == request
    ]


async def test_of_two_transfers_in_one_segment_the_second_is_refused() -> None:
    script = Script(transfers=deque([0.6]))
    async with stage(script, client={"wait_limit_seconds": 0.2}) as on:
        stream = await signed_in(on)
        async with stream:
            reader = MessageReader(stream)
            await send(
                stream,
                {"t": "line.open", "id": 1, "n": 1},
                {"t": "call.make", "id": 2, "line": 1, "call": "c", "dest": NUMBER},
            )
            await heard_until(reader, S.CONNECTED)
            await send(
                stream,
                {"t": "call.transfer", "id": 3, "call": "c", "dest": "7001"},
                {"t": "call.transfer", "id": 4, "call": "c", "dest": "7002"},
            )
            heard = await heard_until(reader, S.IDLE)
            assert answers(heard, 3) == [""]
            assert answers(heard, 4) == ["LINEERR_INVALCALLSTATE"]
        assert [each.user for each in on.pool.used[0].targets] == ["7001"]
        await until(lambda: bool(on.books.closed))
    # The agent took longer than the limit, and the person was in transfer all the while.
    assert on.books.closed[0].transfer_result == "answered"
