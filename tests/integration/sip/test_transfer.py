"""Blind transfers against SIPp: every answer that a REFER and its subscription can get."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio

from acd.calls import CallState, DisconnectCause
from acd.lines import (
    Answered,
    CallerId,
    Ended,
    PersonWith,
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    TransferUnconfirmed,
    TrunkHealth,
    TrunkStatus,
)
from acd.sip.transfer import TransferTiming
from acd.sip.trunk import SipTrunk
from tests.integration.sip.call_centre import wait_all_free
from tests.integration.sip.conftest import (
    Bench,
    agent,
    answered,
    released,
    request,
    until,
    wait_status,
)
from tests.peers.sipp.steps import (
    ack,
    answer,
    answer_refer,
    bye,
    digest,
    hang_up,
    invite,
    notify,
    notify_and_hang_up,
    notify_without_body,
    only_for,
    pause,
    refer,
    refer_received,
)
from tests.peers.wire import first, select

pytestmark = pytest.mark.real

_UP = (invite(), answer(), ack())
_RACE = (refer(202), notify(400, final=True))


async def test_a_transfer_that_is_answered_ends_with_our_bye(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refer(202), notify(100), notify(180), notify(200, final=True), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferAnswered)
    ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.TRANSFERRED
    messages = bench.messages()
    sent = first(messages, "REFER")
    assert sent.get("Refer-To") == f"<sip:2001@{pbx.bind}>"
    assert sent.get("Referred-By").startswith("<sip:acd@")
    # Margin: two threads and their hand-over on a loaded two-core machine.
    assert sent.at_seconds - first(messages, 200, cseq="INVITE").at_seconds < 0.5
    assert first(messages, 200, cseq="BYE").at_seconds > sent.at_seconds


async def test_a_queue_and_a_full_uri_are_targets_too(bench: Bench) -> None:
    pbx = bench.pbx(
        *_UP, *_RACE[:1], notify(404, final=True), refer(202), notify(200, final=True), bye()
    )
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await line.blind_transfer(agent("sales-queue#1"), timeout_seconds=5)()
    await line.blind_transfer(agent(uri="sip:desk@127.3.0.9:5070"), timeout_seconds=5)()
    targets = [message.get("Refer-To") for message in select(bench.messages(), "REFER")]
    assert targets == [f"<sip:sales-queue%231@{pbx.bind}>", "<sip:desk@127.3.0.9:5070>"]


async def test_the_race_of_asterisk_is_met_by_asking_again(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, *_RACE, *_RACE, *_RACE, refer(202), notify(200, final=True), bye())
    trunk = await bench.trunk(str(pbx.bind))
    line = await bench.line(trunk)
    await answered(line)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferAnswered)
    refers = select(bench.messages(), "REFER")
    steps = [after.at_seconds - before.at_seconds for before, after in pairwise(refers)]
    assert len(refers) == 4
    # Each step waits 5, 10 and 20 ms after the 400; the margin is a turn of a loaded machine.
    assert all(0.005 <= step < 0.5 for step in steps)


async def test_after_its_races_a_trunk_waits_with_the_first_refer(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, *_RACE, refer(202), notify(200, final=True), bye())
    trunk = await bench.trunk(str(pbx.bind))
    # It is learnt by what stands here: one step a race.
    timing = TransferTiming()
    learnt: list[float] = []
    for _ in range(20):
        async with trunk.lines.lease(holder="test", deadline_seconds=60) as line:
            await answered(line)
            result = await line.blind_transfer(agent(), timeout_seconds=5)()
            assert isinstance(result, TransferAnswered)
            await released(line)
        learnt.append(timing.delay_seconds)
        timing.raced()
    answers = select(bench.messages(), 200, cseq="INVITE")
    firsts = select(bench.messages(), "REFER")[::2]
    waited = [
        refer_.at_seconds - answer_.at_seconds
        for answer_, refer_ in zip(answers, firsts, strict=True)
    ]
    assert all(wait >= least for wait, least in zip(waited, learnt, strict=True))
    assert learnt[-1] > 0.015


async def test_a_pbx_that_needs_most_of_a_second_for_its_bridge_gets_it(bench: Bench) -> None:
    steps = TransferTiming.RETRY_STEPS_SECONDS
    pbx = bench.pbx(*_UP, *(_RACE * len(steps)), refer(202), notify(200, final=True), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    result = await line.blind_transfer(agent(), timeout_seconds=15)()
    assert isinstance(result, TransferAnswered)
    refers = select(bench.messages(), "REFER")
    assert len(refers) == len(steps) + 1
    asked_for = refers[-1].at_seconds - refers[0].at_seconds
    assert asked_for >= sum(steps) >= 0.9


async def test_a_race_that_never_ends_leaves_the_person_with_us(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, *(_RACE * (len(TransferTiming.RETRY_STEPS_SECONDS) + 1)), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    result = await line.blind_transfer(agent(), timeout_seconds=15)()
    assert isinstance(result, TransferFailed)
    assert (result.sip_status, result.person_with) == (400, PersonWith.US)
    assert line.state is CallState.CONNECTED


@pytest.mark.parametrize("status", [300, 403, 404, 405, 481, 488, 500, 503, 603])
async def test_a_refused_refer_leaves_the_person_with_us(bench: Bench, status: int) -> None:
    pbx = bench.pbx(*_UP, refer(status), bye())
    trunk = await bench.trunk(str(pbx.bind))
    async with trunk.lines.lease(holder="test", deadline_seconds=60) as line:
        await answered(line)
        result = await line.blind_transfer(agent(), timeout_seconds=5)()
        assert isinstance(result, TransferRefused)
        assert result.sip_status == status
        assert line.state is CallState.CONNECTED
    await wait_all_free(trunk, timeout_seconds=5)


@pytest.mark.parametrize(
    ("status", "asks", "answers"),
    [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ],
)
async def test_a_challenged_refer_is_sent_again_with_credentials(
    bench: Bench, status: int, asks: str, answers: str
) -> None:
    challenged = refer(status, digest(asks))
    pbx = bench.pbx(*_UP, challenged, refer(202), notify(200, final=True), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind), password="secret"))
    await answered(line)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferAnswered)
    bare, with_credentials = select(bench.messages(), "REFER")
    assert not bare.all(answers)
    assert with_credentials.get(answers).startswith("Digest")


async def test_a_refer_whose_credentials_are_refused_leaves_the_person_with_us(
    bench: Bench,
) -> None:
    challenged = refer(407, digest("Proxy-Authenticate"))
    pbx = bench.pbx(*_UP, challenged, challenged, bye())
    line = await bench.line(await bench.trunk(str(pbx.bind), password="wrong"))
    await answered(line)
    result = await line.blind_transfer(agent(), timeout_seconds=15)()
    assert isinstance(result, TransferRefused)
    assert result.sip_status == 407
    assert len(select(bench.messages(), "REFER")) == 2
    assert line.state is CallState.CONNECTED


async def test_what_comes_late_of_a_transfer_that_timed_out_does_not_end_the_next(
    bench: Bench,
) -> None:
    first_cseq, second_cseq = 12, 13
    pbx = bench.pbx(
        *_UP,
        refer(202, cseq_in=first_cseq),
        refer(202, cseq_in=second_cseq),
        notify(486, final=True, cseq_in=first_cseq),
        notify(200, final=True, cseq_in=second_cseq),
        bye(),
    )
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    given_up = await line.blind_transfer(agent("2001"), timeout_seconds=0.3)()
    assert isinstance(given_up, TransferTimedOut)
    result = await line.blind_transfer(agent("2002"), timeout_seconds=5)()
    assert isinstance(result, TransferAnswered)


@pytest.mark.parametrize(
    ("status", "person_with"),
    [
        (404, PersonWith.US),
        (480, PersonWith.PBX),
        (486, PersonWith.PBX),
        (503, PersonWith.PBX),
        (603, PersonWith.PBX),
    ],
)
async def test_a_final_notify_tells_who_has_the_person(
    bench: Bench, status: int, person_with: PersonWith
) -> None:
    pbx = bench.pbx(*_UP, refer(202), notify(100), notify(status, final=True), bye())
    trunk = await bench.trunk(str(pbx.bind))
    async with trunk.lines.lease(holder="test", deadline_seconds=60) as line:
        await answered(line)
        result = await line.blind_transfer(agent(), timeout_seconds=5)()
        assert isinstance(result, TransferFailed)
        assert (result.sip_status, result.person_with) == (status, person_with)
    await wait_all_free(trunk, timeout_seconds=5)


async def test_after_an_unknown_extension_another_target_may_be_tried(bench: Bench) -> None:
    pbx = bench.pbx(
        *_UP, refer(202), notify(404, final=True), refer(202), notify(200, final=True), bye()
    )
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    assert isinstance(await line.blind_transfer(agent("1"), timeout_seconds=5)(), TransferFailed)
    assert isinstance(await line.blind_transfer(agent("2"), timeout_seconds=5)(), TransferAnswered)


async def test_a_notify_that_overtakes_the_202_counts(bench: Bench) -> None:
    pbx = bench.pbx(
        *_UP, refer_received(), notify(100), answer_refer(), notify(200, final=True), bye()
    )
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    assert isinstance(await line.blind_transfer(agent(), timeout_seconds=5)(), TransferAnswered)
    messages = bench.messages()
    assert all(
        message.status == 200
        for message in messages
        if message.status and message.cseq_method == "NOTIFY"
    )


async def test_no_notify_at_all_times_out_with_the_person_at_the_pbx(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refer(202), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    result = await line.blind_transfer(agent(), timeout_seconds=0.5)()
    assert isinstance(result, TransferTimedOut)
    assert result.person_with is PersonWith.PBX
    await line.hang_up()
    await released(line)


async def test_a_refer_that_nothing_answers_times_out_with_the_person_at_us(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refer_received(), bye())
    trunk = await bench.trunk(str(pbx.bind))
    async with trunk.lines.lease(holder="test", deadline_seconds=60) as line:
        await answered(line)
        # Shorter than the 500 ms after which the REFER would be sent again.
        result = await line.blind_transfer(agent(), timeout_seconds=0.4)()
        assert isinstance(result, TransferTimedOut)
        assert result.person_with is PersonWith.US
    await wait_all_free(trunk, timeout_seconds=10)


async def test_bye_after_202_is_unconfirmed_and_never_called_lost(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refer(202), notify(100), hang_up())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferUnconfirmed)
    ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.NORMAL


async def test_a_bye_right_behind_the_final_notify_costs_no_line(bench: Bench) -> None:
    """Both are read before either is acted on."""
    pbx = bench.pbx(*_UP, refer(202), notify_and_hang_up(200), transport="t1")
    trunk = await bench.trunk(str(pbx.bind), lines=2, transport="tcp")
    for _ in range(4):
        async with trunk.lines.lease(holder="test", deadline_seconds=60) as line:
            await answered(line)
            result = await line.blind_transfer(agent(), timeout_seconds=5)()
            assert isinstance(result, TransferAnswered)
            await released(line)
    await wait_all_free(trunk, timeout_seconds=5)
    assert len(select(bench.messages(), "BYE")) == 4


async def test_a_subscription_that_ends_without_a_status_is_unconfirmed(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refer(202), notify_without_body(final=True), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferUnconfirmed)


async def test_a_transfer_of_a_call_that_is_gone_is_refused_with_481(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, hang_up())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await until_gone(bench)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferRefused)
    assert result.sip_status == 481
    assert not select(bench.messages(), "REFER")


async def until_gone(bench: Bench) -> None:
    """Wait until the SIP side has answered the BYE, without taking an event of the line."""
    while not select(bench.messages(), 200, cseq="BYE"):
        await bench.breathe()


@pytest.mark.parametrize("status", [403, 405, 603])
async def test_refer_refused_twice_stops_the_trunk(bench: Bench, status: int) -> None:
    pbx = bench.pbx(*_UP, refer(status), bye())
    trunk = await bench.trunk(str(pbx.bind))
    for _ in range(2):
        await _refused(trunk)
    health = await wait_status(trunk, TrunkStatus.TRANSFER_REFUSED)
    assert str(status) in health.detail
    await wait_all_free(trunk, timeout_seconds=5)


async def test_transfers_on_their_way_do_not_open_a_trunk_that_refuses_them(bench: Bench) -> None:
    fails, hangs_up, is_silent = "1", "2", "3"
    up = (answer(), ack())
    pbx = bench.pbx(
        invite(),
        # By then two others have been refused, or this test would tell nothing.
        only_for(fails, *up, refer(202), pause(1000), notify(486, final=True), bye()),
        only_for(hangs_up, *up, refer(202), pause(1000), hang_up()),
        only_for(is_silent, *up, refer(202), bye()),
        *up,
        refer(403),
        bye(),
    )
    trunk = await bench.trunk(str(pbx.bind), lines=5)
    ends: list[tuple[TransferResult, TrunkHealth]] = []

    async def be_on_its_way(number: str) -> None:
        async with trunk.lines.lease(holder="test", deadline_seconds=60) as line:
            await line.originate(request(user=number))
            await until(line, Answered)
            result = await line.blind_transfer(agent(), timeout_seconds=1.5)()
            ends.append((result, trunk.health))

    async with trio.open_nursery() as nursery:
        for number in (fails, hangs_up, is_silent):
            nursery.start_soon(be_on_its_way, number)
        while len(select(bench.messages(), 202, cseq="REFER")) < 3:
            await bench.breathe()
        for _ in range(2):
            await _refused(trunk)
        await wait_status(trunk, TrunkStatus.TRANSFER_REFUSED)
    assert {type(result) for result, _ in ends} == {
        TransferFailed,
        TransferUnconfirmed,
        TransferTimedOut,
    }
    assert {health.status for _, health in ends} == {TrunkStatus.TRANSFER_REFUSED}
    assert all("403" in health.detail for _, health in ends)
    await wait_all_free(trunk, timeout_seconds=5)


async def _refused(trunk: SipTrunk) -> None:
    async with trunk.lines.lease(holder="test", deadline_seconds=60) as line:
        await answered(line)
        result = await line.blind_transfer(agent(), timeout_seconds=5)()
        assert isinstance(result, TransferRefused)
        await line.hang_up()
        await released(line)


async def test_hanging_up_with_a_refer_open_ends_both(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refer(202), notify(100), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)

    async def hang_up_soon() -> None:
        while not select(bench.messages(), 200, cseq="NOTIFY"):
            await bench.breathe()
        await line.hang_up()

    bench.nursery.start_soon(hang_up_soon)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferUnconfirmed)
    ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.HUNG_UP
    assert len(select(bench.messages(), "BYE")) == 1


async def test_referred_by_is_written_once_and_names_the_account(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refer(202), notify(200, final=True), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request(caller_id=CallerId(number="+4315056416")))
    await until(line, Answered)
    await line.blind_transfer(agent(), timeout_seconds=5)()
    refer_ = first(bench.messages(), "REFER")
    assert refer_.get("From").startswith("<sip:+4315056416@")
    assert refer_.all("Referred-By") == (f"<sip:acd@{pbx.bind}>",)
