"""One call against SIPp: every way it can begin, go on and end, checked on the wire."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio

from acd.calls import CallState, DisconnectCause
from acd.errors import IllegalTransition, LineInUse
from acd.lines import Alerting, Answered, CallerId, Ended, Proceeding, Released
from tests.integration.sip.conftest import (
    ENGINE_HOST,
    Bench,
    agent,
    answered,
    released,
    request,
    until,
)
from tests.peers.sipp.steps import (
    ack,
    answer,
    answer_cancelled,
    bye,
    cancel,
    early_media,
    hang_up,
    invite,
    pause,
    reject,
    ring,
    terminate_cancelled,
    trying,
)
from tests.peers.wire import first, select

pytestmark = pytest.mark.real

SILENCE_SECONDS = 8.0
"""Promised: a silent PBX is known by then."""


async def test_a_call_is_told_from_trying_to_answer_with_the_times_of_the_wire(
    bench: Bench,
) -> None:
    pbx = bench.pbx(
        invite(), trying(), ring(), early_media(), pause(1000), answer(), ack(), hang_up()
    )
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    states = [line.state]
    # Events that are taken late still say when they happened.
    while not select(bench.messages(), 200, cseq="BYE"):
        await bench.breathe()
    events = await released(line)
    assert [type(event) for event in events] == [
        Proceeding,
        Alerting,
        Proceeding,
        Answered,
        Ended,
        Released,
    ]
    messages = bench.messages()
    on_wire = first(messages, 200, cseq="INVITE").at_seconds - first(messages, 180).at_seconds
    told = events[3].at_seconds - events[1].at_seconds
    # Margin: the SIP thread of a loaded two-core machine may take the packet up late.
    assert abs(told - on_wire) < 0.5
    assert [*states, line.state] == [CallState.DIALING, CallState.IDLE]


async def test_the_other_side_hanging_up_is_a_normal_end_at_once(bench: Bench) -> None:
    pbx = bench.pbx(
        invite(), ring(), answer(), ack(), hang_up('Reason: Q.850;cause=16;text="Normal"')
    )
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    ended, gone = await released(line)
    assert isinstance(ended, Ended)
    assert (ended.cause, ended.q850_cause) == (DisconnectCause.NORMAL, 16)
    assert gone.at_seconds - ended.at_seconds < 1
    assert first(bench.messages(), 200, cseq="BYE")


async def test_hanging_up_an_answered_call_sends_bye_and_frees_the_line_with_its_answer(
    bench: Bench,
) -> None:
    pbx = bench.pbx(invite(), answer(), ack(), bye())
    trunk = await bench.trunk(str(pbx.bind))
    line = await bench.line(trunk)
    await answered(line)
    await line.hang_up()
    ended, gone = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.HUNG_UP
    messages = bench.messages()
    assert first(messages, 200, cseq="BYE").at_seconds > first(messages, "BYE").at_seconds
    assert gone.at_seconds >= ended.at_seconds


async def test_busy_is_a_cause_and_not_an_error(bench: Bench) -> None:
    pbx = bench.pbx(invite(), ring(), reject("486 Busy Here"))
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert (ended.cause, ended.sip_status) == (DisconnectCause.BUSY, 486)


async def test_a_line_carries_a_second_call_after_the_first(bench: Bench) -> None:
    pbx = bench.pbx(invite(), reject("486 Busy Here"))
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    for _ in range(3):
        await line.originate(request())
        await released(line)
    assert len({message.call_id for message in select(bench.messages(), "INVITE")}) == 3


async def test_a_call_on_a_line_that_carries_one_is_refused(bench: Bench) -> None:
    pbx = bench.pbx(invite(), ring(), cancel(), terminate_cancelled())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    with pytest.raises(LineInUse):
        await line.originate(request())


async def test_a_phone_that_rings_out_is_cancelled_as_no_answer(bench: Bench) -> None:
    pbx = bench.pbx(invite(), ring(), cancel(), terminate_cancelled())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request(ring_timeout_seconds=0.5))
    _, ended, gone = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.NO_ANSWER
    messages = bench.messages()
    waited = first(messages, "CANCEL").at_seconds - first(messages, "INVITE").at_seconds
    # Margin: as above; the request's own limit would be 20 s.
    assert 0.5 <= waited < 1.5
    assert len(select(messages, 487, cseq="INVITE")) == 1
    assert gone.at_seconds >= ended.at_seconds


async def test_hanging_up_a_ringing_call_sends_one_cancel(bench: Bench) -> None:
    pbx = bench.pbx(invite(), ring(), cancel(), terminate_cancelled())
    trunk = await bench.trunk(str(pbx.bind))
    line = await bench.line(trunk)
    await line.originate(request())
    await until(line, Alerting)
    await line.hang_up()
    await line.hang_up()
    ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.HUNG_UP
    assert len(select(bench.messages(), "CANCEL")) == 1


async def test_a_call_hung_up_before_any_response_is_cancelled_when_it_rings_after_all(
    bench: Bench,
) -> None:
    pbx = bench.pbx(invite(), pause(1200), ring(), cancel(), terminate_cancelled())
    trunk = await bench.trunk(str(pbx.bind))
    line = await bench.line(trunk)
    await line.originate(request())
    await line.hang_up()
    ended = await line.next_event()
    assert isinstance(ended, Ended)
    with trio.move_on_after(0.5) as waiting:
        await line.next_event()
    assert waiting.cancelled_caught, "the line was free while its INVITE was still out"
    assert isinstance(await line.next_event(), Released)
    messages = bench.messages()
    # RFC 3261 9.1: no CANCEL before a provisional response.
    ringing = first(messages, 180).at_seconds
    assert 0 < first(messages, "CANCEL").at_seconds - ringing < 0.5
    assert first(messages, 487, cseq="INVITE")


async def test_a_call_hung_up_before_any_response_and_answered_is_acked_and_byed(
    bench: Bench,
) -> None:
    pbx = bench.pbx(invite(), pause(700), answer(), ack(), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    await line.hang_up()
    ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.HUNG_UP
    messages = bench.messages()
    assert not select(messages, "CANCEL")
    assert first(messages, "ACK").at_seconds <= first(messages, "BYE").at_seconds


async def test_answer_crossing_cancel_is_hung_up_and_not_offered(bench: Bench) -> None:
    pbx = bench.pbx(invite(), ring(), cancel(), answer_cancelled(), ack(), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    await until(line, Alerting)
    await line.hang_up()
    events = await released(line)
    assert [type(event) for event in events] == [Ended, Released]
    messages = bench.messages()
    assert first(messages, 200, cseq="INVITE").at_seconds > first(messages, "CANCEL").at_seconds
    assert first(messages, 200, cseq="BYE").at_seconds > first(messages, "ACK").at_seconds


async def test_a_silent_pbx_ends_the_call_and_takes_the_trunk_down(bench: Bench) -> None:
    pbx = bench.pbx(invite(), pause(60_000))
    trunk = await bench.trunk(str(pbx.bind))
    line = await bench.line(trunk)
    asked_at = trio.current_time()
    await line.originate(request())
    ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.UNREACHABLE
    # Compiled to 6 s; pjsip's own is 32 s.
    assert ended.at_seconds - asked_at <= SILENCE_SECONDS
    messages = bench.messages()
    assert len(select(messages, "INVITE")) >= 3
    assert not trunk.health.may_dial


async def test_leaving_a_lease_hangs_up_and_gives_the_line_back_when_its_dialog_is_over(
    bench: Bench,
) -> None:
    pbx = bench.pbx(invite(), answer(), ack(), bye())
    trunk = await bench.trunk(str(pbx.bind), lines=1)
    async with trunk.lines.lease(holder="test", deadline_seconds=60) as line:
        await answered(line)
        assert trunk.lines.free == 0
    async with trunk.lines.lease(holder="test", deadline_seconds=60):
        messages = bench.messages()
    assert first(messages, 200, cseq="BYE")


async def test_a_lease_past_its_deadline_is_hung_up_and_its_line_goes_back(bench: Bench) -> None:
    pbx = bench.pbx(invite(), answer(), ack(), bye())
    trunk = await bench.trunk(str(pbx.bind), lines=1)
    async with trunk.lines.lease(holder="test", deadline_seconds=0.5) as line:
        await answered(line)
        *_, ended, _ = await released(line)
        assert isinstance(ended, Ended)
        assert ended.cause is DisconnectCause.HUNG_UP
        assert trunk.lines.free == 1
        assert trunk.lines.expired_leases == 1
        with pytest.raises(LineInUse):
            await line.originate(request())


async def test_the_caller_id_is_shown_and_asserted_where_configured(bench: Bench) -> None:
    pbx = bench.pbx(invite(), reject("486 Busy Here"))
    line = await bench.line(await bench.trunk(str(pbx.bind), assert_identity=True))
    await line.originate(
        request(
            caller_id=CallerId(number="+4315056416", display_name='Acme "Sales"'),
            headers=(("X-Campaign", "spring"),),
        )
    )
    await released(line)
    sent = first(bench.messages(), "INVITE")
    shown = '"Acme \\"Sales\\"" <sip:+4315056416@'
    # RFC 3261 19.1.1: no port in From.
    assert sent.get("From").startswith(f"{shown}{pbx.bind.host}>;tag=")
    assert sent.get("P-Asserted-Identity") == f"{shown}{pbx.bind}>"
    assert sent.get("X-Campaign") == "spring"
    assert sent.get("User-Agent").startswith("acd/")


async def test_the_offer_is_one_audio_stream_with_only_the_configured_codecs_in_order(
    bench: Bench,
) -> None:
    pbx = bench.pbx(invite(), reject("486 Busy Here"))
    trunk = await bench.trunk(str(pbx.bind), codecs=["PCMU", "PCMA"])
    line = await bench.line(trunk)
    await line.originate(request())
    await released(line)
    body = first(bench.messages(), "INVITE").body.decode()
    media = [sdp.split() for sdp in body.split("\r\n") if sdp.startswith("m=")]
    assert [(stream[0], stream[3:5]) for stream in media] == [("m=audio", ["0", "8"])]
    assert f"c=IN IP4 {ENGINE_HOST}" in body


async def test_a_transfer_without_an_answered_call_is_a_broken_promise(bench: Bench) -> None:
    pbx = bench.pbx(invite(), ring(), cancel(), terminate_cancelled())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    await until(line, Alerting)
    with pytest.raises(IllegalTransition):
        await line.blind_transfer(agent(), timeout_seconds=5)()


async def test_the_pool_counts_its_lines_by_state(bench: Bench) -> None:
    pbx = bench.pbx(invite(), ring(), pause(300), answer(), ack(), bye())
    trunk = await bench.trunk(str(pbx.bind), lines=3)
    pool = trunk.lines
    line = await bench.line(trunk)
    assert pool.states() == {CallState.IDLE: 3}
    await line.originate(request())
    assert pool.states() == {CallState.IDLE: 2, CallState.DIALING: 1}
    await until(line, Alerting)
    assert pool.states() == {CallState.IDLE: 2, CallState.RINGBACK: 1}
    await until(line, Answered)
    assert pool.states() == {CallState.IDLE: 2, CallState.CONNECTED: 1}
    await bench.async_stack.aclose()
    assert pool.states() == {CallState.IDLE: 2, CallState.DISCONNECTED: 1}
    async with AsyncExitStack() as leases:
        for _ in range(3):
            await leases.enter_async_context(pool.lease(holder="test", deadline_seconds=9))
    assert pool.states() == {CallState.IDLE: 3}
