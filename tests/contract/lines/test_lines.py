"""What every `Line` and `LinePool` promises to the scheduler."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import trio
import trio.testing

from acd.calls import CallState, DisconnectCause
from acd.errors import IllegalTransition, LineInUse
from acd.lines import (
    Alerting,
    Answered,
    Ended,
    LineEvent,
    NotFollowed,
    PersonWith,
    Released,
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferResult,
    TransferUnconfirmed,
)
from tests.contract.lines.conftest import (
    SENT_ON_TO,
    Called,
    World,
    agent,
    answers,
    answers_and_hangs_up,
    call,
    fails_transfers,
    hangs_up_during_a_transfer,
    is_busy,
    is_sent_on,
    is_sent_to_an_emergency_service,
    never_ends_transfers,
    refuses_transfers,
    rings_for_ever,
    says_nothing_for_a_while,
    take,
    the_end,
    transfers,
)

WAV = Path(__file__).parent / "never-opened.wav"


async def test_a_call_rings_is_answered_and_ends_in_this_order(world: World) -> None:
    line = await world.line(answers_and_hangs_up())
    assert line.state is CallState.IDLE
    await line.originate(call())
    states = [line.state]
    events = []
    for _ in range(4):
        events.append(await line.next_event())
        states.append(line.state)
    assert [type(event).__name__ for event in events] == [
        "Alerting",
        "Answered",
        "Ended",
        "Released",
    ]
    assert the_end(events).cause is DisconnectCause.NORMAL
    assert states == [
        CallState.DIALING,
        CallState.RINGBACK,
        CallState.CONNECTED,
        CallState.DISCONNECTED,
        CallState.IDLE,
    ]
    moments = [event.at_seconds for event in events]
    assert moments == sorted(moments)
    assert moments[-1] <= trio.current_time()


async def test_busy_is_a_cause(world: World) -> None:
    line = await world.line(is_busy())
    await line.originate(call())
    assert the_end(await take(line)).cause is DisconnectCause.BUSY


async def test_a_phone_that_rings_too_long_is_no_answer(world: World) -> None:
    line = await world.line(rings_for_ever())
    start = trio.current_time()
    await line.originate(call(ring_timeout_seconds=0.5))
    ended = the_end(await take(line))
    assert ended.cause is DisconnectCause.NO_ANSWER
    # Margin: threads that come late on two cores.
    assert 0.5 <= ended.at_seconds - start < 3


@pytest.mark.parametrize(
    ("called", "moment"),
    [
        (says_nothing_for_a_while(), None),
        (rings_for_ever(), Alerting),
        (answers(), Answered),
    ],
    ids=["before any response", "ringing", "answered"],
)
async def test_hanging_up_at_any_moment_ends_the_call_once(
    world: World, called: Called, moment: type[LineEvent] | None
) -> None:
    line = await world.line(called)
    await line.originate(call())
    if moment is not None:
        await take(line, moment)
    await line.hang_up()
    await line.hang_up()
    events = await take(line)
    assert the_end(events).cause is DisconnectCause.HUNG_UP
    assert len(events) == 2
    assert line.state is CallState.IDLE


async def test_hanging_up_where_there_is_no_call_does_nothing(world: World) -> None:
    line = await world.line(is_busy())
    await line.hang_up()
    await line.originate(call())
    await take(line)
    await line.hang_up()
    with trio.move_on_after(0.1) as waiting:
        await line.next_event()
    assert waiting.cancelled_caught


async def test_a_call_that_is_sent_on_is_one_call(world: World) -> None:
    line = await world.line(is_sent_on())
    await line.originate(call())
    events = await take(line, Answered)
    assert [type(event) for event in events] == [Alerting, Answered]
    await line.hang_up()
    assert the_end(await take(line)).cause is DisconnectCause.HUNG_UP


async def test_whom_a_call_is_sent_on_to_is_asked_of_its_holder_first(world: World) -> None:
    asked = []

    async def may_follow(e164: str) -> None:
        await trio.lowlevel.checkpoint()
        asked.append(e164)

    line = await world.line(is_sent_on())
    await line.originate(call(may_follow=may_follow))
    await take(line, Answered)
    assert asked == [SENT_ON_TO]


async def test_a_call_that_its_holder_does_not_let_be_sent_on_ends_as_they_say(
    world: World,
) -> None:
    async def may_follow(e164: str) -> NotFollowed:
        await trio.lowlevel.checkpoint()
        return NotFollowed(cause=DisconnectCause.TEMPORARY_FAILURE, sentence=f"not {e164}")

    line = await world.line(is_sent_on())
    await line.originate(call(may_follow=may_follow))
    ended = the_end(await take(line))
    assert ended.cause is DisconnectCause.TEMPORARY_FAILURE
    assert ended.not_followed == f"not {SENT_ON_TO}"


@pytest.mark.parametrize("ends", ["hung up", "rang too long"])
async def test_a_call_that_ends_while_its_holder_is_asked_ends_at_once(
    world: World, ends: str
) -> None:
    asked, left = trio.Event(), trio.Event()

    async def may_follow(_: str) -> None:
        asked.set()
        try:
            await trio.sleep_forever()
        finally:
            left.set()

    line = await world.line(is_sent_on())
    hung_up = ends == "hung up"
    # Short enough to wait for, long enough for the question to be asked.
    request = call(ring_timeout_seconds=20 if hung_up else 1, may_follow=may_follow)
    await line.originate(request)
    await asked.wait()
    if hung_up:
        await line.hang_up()
    ended = the_end(await take(line))
    assert ended.cause is (DisconnectCause.HUNG_UP if hung_up else DisconnectCause.NO_ANSWER)
    await left.wait()
    assert line.state is CallState.IDLE


async def test_a_call_that_is_sent_where_nobody_may_call_is_forwarded(world: World) -> None:
    line = await world.line(is_sent_to_an_emergency_service())
    await line.originate(call())
    assert the_end(await take(line)).cause is DisconnectCause.FORWARDED


async def test_a_line_carries_one_call_after_another(world: World) -> None:
    line = await world.line(is_busy())
    for _ in range(3):
        await line.originate(call())
        assert the_end(await take(line)).cause is DisconnectCause.BUSY


async def test_a_line_carries_one_call_at_a_time(world: World) -> None:
    line = await world.line(rings_for_ever())
    await line.originate(call())
    with pytest.raises(LineInUse):
        await line.originate(call())


async def test_whoever_follows_a_line_has_its_events_without_waiting_for_them(
    world: World,
) -> None:
    line = await world.line(answers_and_hangs_up())
    told: list[tuple[type[LineEvent], CallState]] = []
    over = trio.Event()

    def hear() -> None:
        while (event := line.event_now()) is not None:
            told.append((type(event), line.state))
            if isinstance(event, Released):
                over.set()

    line.follow(hear)
    assert line.event_now() is None
    await line.originate(call())
    await over.wait()
    assert told == [
        (Alerting, CallState.RINGBACK),
        (Answered, CallState.CONNECTED),
        (Ended, CallState.DISCONNECTED),
        (Released, CallState.IDLE),
    ]


async def test_a_wait_for_a_transfer_that_was_cut_short_is_taken_up_again(world: World) -> None:
    line = await world.line(transfers())
    await line.originate(call())
    await take(line, Answered)
    wait = line.blind_transfer(agent(), timeout_seconds=5)
    assert line.state is CallState.TRANSFERRING
    with trio.move_on_after(0) as cut:
        await wait()
    assert cut.cancelled_caught
    assert isinstance(await wait(), TransferAnswered)
    assert the_end(await take(line)).cause is DisconnectCause.TRANSFERRED


async def test_a_transfer_that_is_answered_ends_the_call_as_transferred(world: World) -> None:
    line = await world.line(transfers())
    await line.originate(call())
    await take(line, Answered)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferAnswered)
    assert the_end(await take(line)).cause is DisconnectCause.TRANSFERRED


async def test_a_transfer_is_accepted_once_and_before_its_end(world: World) -> None:
    line = await world.line(transfers())
    await line.originate(call())
    await take(line, Answered)
    accepted: list[float] = []
    result = await line.blind_transfer(
        agent(), timeout_seconds=5, on_accepted=lambda: accepted.append(trio.current_time())
    )()
    assert len(accepted) == 1
    assert accepted[0] < result.at_seconds


async def test_a_transfer_that_is_refused_was_never_accepted(world: World) -> None:
    line = await world.line(refuses_transfers())
    await line.originate(call())
    await take(line, Answered)
    accepted: list[float] = []
    await line.blind_transfer(
        agent(), timeout_seconds=5, on_accepted=lambda: accepted.append(trio.current_time())
    )()
    assert not accepted


async def test_a_transfer_that_is_refused_leaves_the_person_with_us(world: World) -> None:
    line = await world.line(refuses_transfers())
    await line.originate(call())
    await take(line, Answered)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferRefused)
    assert result.sip_status == 488
    assert line.state is CallState.CONNECTED
    await line.hang_up()
    assert the_end(await take(line)).cause is DisconnectCause.HUNG_UP


async def test_a_transfer_that_fails_says_who_has_the_person(world: World) -> None:
    line = await world.line(fails_transfers())
    await line.originate(call())
    await take(line, Answered)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferFailed)
    assert (result.sip_status, result.person_with) == (404, PersonWith.US)
    assert line.state is CallState.CONNECTED


async def test_hanging_up_with_a_transfer_open_leaves_it_unconfirmed(world: World) -> None:
    line = await world.line(never_ends_transfers())
    await line.originate(call())
    await take(line, Answered)
    results: list[TransferResult] = []

    async def transfer() -> None:
        results.append(await line.blind_transfer(agent(), timeout_seconds=20)())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(transfer)
        while line.state is not CallState.TRANSFERRING:
            await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked(0.2)
        await line.hang_up()
    assert [type(result) for result in results] == [TransferUnconfirmed]
    assert the_end(await take(line)).cause is DisconnectCause.HUNG_UP


async def test_a_person_who_hangs_up_during_a_transfer_leaves_it_unconfirmed(
    world: World,
) -> None:
    line = await world.line(hangs_up_during_a_transfer())
    await line.originate(call())
    await take(line, Answered)
    result = await line.blind_transfer(agent(), timeout_seconds=20)()
    assert isinstance(result, TransferUnconfirmed)
    assert the_end(await take(line)).cause is DisconnectCause.NORMAL


@pytest.mark.parametrize("order", ["blind_transfer", "play", "hold", "resume"])
async def test_orders_that_need_a_person_are_illegal_without_one(world: World, order: str) -> None:
    line = await world.line(rings_for_ever())

    async def give() -> object:
        if order == "blind_transfer":
            return await line.blind_transfer(agent(), timeout_seconds=5)()
        if order == "play":
            await line.play(WAV)
            return None
        return await (line.hold() if order == "hold" else line.resume())

    with pytest.raises(IllegalTransition):
        await give()
    await line.originate(call())
    with pytest.raises(IllegalTransition):
        await give()
    assert line.state is CallState.DIALING


async def test_a_lease_that_is_left_hangs_up_and_gives_the_line_back(world: World) -> None:
    pool = await world.side.pool(answers())
    async with pool.lease(holder="test", deadline_seconds=30) as line:
        await line.originate(call())
        await take(line, Answered)
        assert pool.free == 0
        assert pool.states() == Counter({CallState.CONNECTED: 1})
    async with pool.lease(holder="test", deadline_seconds=30) as line:
        assert line.state is CallState.IDLE
        assert pool.states() == Counter({CallState.IDLE: 1})


async def test_a_lease_past_its_deadline_is_hung_up_and_counted(world: World) -> None:
    pool = await world.side.pool(answers())
    async with pool.lease(holder="test", deadline_seconds=0.5) as line:
        await line.originate(call())
        assert the_end(await take(line)).cause is DisconnectCause.HUNG_UP
        assert pool.expired_leases == 1
        with pytest.raises(LineInUse):
            await line.originate(call())
