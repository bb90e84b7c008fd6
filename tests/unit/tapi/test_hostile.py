"""Whatever a connection sends, the gateway cuts that connection and nothing else."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence

import pytest
import trio
from trio.testing import lockstep_stream_pair

from acd.tapi import server
from acd.tapi.client import LineError
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineErr
from acd.tapi.wire import MOST_BYTES, Message, MessageReader, decode, sign
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
        b'{"t":"auth","proto":1,"client":"x","inst":"\\ud800","hmac":"a"}\n',
        b'{"t":"auth","proto":1,"client":"x","inst":"x","hmac":"\\udfff"}\n',
        b'{"t":"auth","proto":1,"client":"x","inst":"\\u0000","hmac":"a"}\n',
        b'{"t":"call.drop","id":1,"call":"\xed\xa0\x80"}\n',
    ],
    ids=[
        "text",
        "list",
        "no t",
        "t a number",
        "deep",
        "no UTF-8",
        "long",
        "surrogate",
        "surrogate in hmac",
        "NUL",
        "surrogate in bytes",
    ],
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
        {"t": "call.make", "id": 1, "line": 1, "call": "c", "dest": "1", "noanswer_s": 10**400},
        {"t": "call.make", "id": 1, "line": 1, "call": "c", "dest": "1", "params": 2**32},
    ],
)
async def test_a_field_of_another_type_is_an_answer_and_no_crash(request_: object) -> None:
    async with stage() as on:
        stream = await signed_in(on)
        async with stream:
            await stream.send_all(json.dumps(request_).encode() + b"\n")
            reply = json.loads(await stream.receive_some(1000))
            assert reply["name"] == "LINEERR_INVALPARAM"


@pytest.mark.parametrize(
    "text", ["\\\\u0000", "\\ud83d\\ude00"], ids=["a backslash before it", "a pair"]
)
async def test_an_escape_that_only_looks_bad_is_taken(text: str) -> None:
    assert decode(f'{{"t":"x","text":"{text}"}}'.encode())["t"] == "x"


@pytest.mark.parametrize(
    "field",
    [{"params": 1 << 30}, {"auto": {"states": 1 << 30 | 0x100, "target": "7001"}}],
    ids=["params", "states"],
)
async def test_a_flag_that_tapi_has_not_is_refused(field: dict[str, object]) -> None:
    async with stage() as on:
        await on.app.line_open(1)
        with pytest.raises(LineError) as refused:
            await on.app._ask("call.make", line=1, call="c", dest=NUMBER, **field)
        assert refused.value.code is LineErr.INVALCALLPARAMS


async def test_what_follows_a_subaddress_sign_is_written_down_nowhere() -> None:
    async with stage() as on:
        call = await on.connected()
        await on.app.line_blind_transfer(call, "7001|\u2028^whatever")
        await call.wait_states(S.IDLE)
    assert [closed.transfer_target for closed in on.books.closed] == ["7001"]


async def test_a_fault_of_ours_costs_its_connection_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stage() as on:
        with monkeypatch.context() as patched:
            patched.setattr(server, "signed_by", lambda *_, **__: 1 / 0)
            stream = await trio.open_tcp_stream(on.address.host, on.address.port)
            async with stream:
                await stream.send_all(
                    b'{"t":"auth","proto":1,"client":"x","inst":"x","hmac":"a"}\n'
                )
                assert await cut_off(stream)
        await on.connected()
    assert "tapi.fault" in capsys.readouterr().out


async def test_a_client_that_reads_nothing_is_taken_for_gone() -> None:
    # wait_limit 0: as long as the client counts as there, its person waits.
    async with stage(gateway={"heartbeat_seconds": 0.1}, connect=False) as on:
        ours, theirs = lockstep_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.gateway.serve, theirs)
            hello = json.loads(await ours.receive_some(1000))
            signature = sign(TOKEN, nonce=hello["nonce"], inst="x")
            auth = {"t": "auth", "proto": 1, "client": "overdialer", "inst": "x", "hmac": signature}
            await ours.send_all(json.dumps(auth).encode() + b"\n")
            await until(lambda: on.gateway.counts()["overdialer"].connected == 1)
            await until(lambda: on.gateway.counts()["overdialer"].lost == 1)


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
