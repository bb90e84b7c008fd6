from __future__ import annotations

import pytest
import trio
import trio.testing

from acd.agents import Phone
from acd.dialer.handover import SIGHTING_SECONDS, Handover

LIMIT = 100.0


def ignore(handover: Handover) -> None:
    """Nothing is written down."""


def handover(*phones: Phone) -> Handover:
    """The phone does these things, a second apart."""
    made = Handover(on_change=ignore)
    for at_seconds, phone in enumerate(phones, start=1):
        made.take(phone, float(at_seconds))
    return made


def test_a_call_has_a_ring_an_answer_and_an_end() -> None:
    whole = handover(Phone.RINGING, Phone.RINGING, Phone.IN_USE, Phone.IN_USE, Phone.IDLE)
    assert (whole.rang_at, whole.answered_at, whole.over_at) == (1, 3, 5)
    assert whole.talk_seconds == 2


def test_each_thing_is_told_once() -> None:
    told: list[tuple[float | None, float | None, float | None]] = []
    made = Handover(on_change=lambda h: told.append((h.rang_at, h.answered_at, h.over_at)))
    for at, phone in enumerate([Phone.RINGING, Phone.IN_USE, Phone.IN_USE, Phone.IDLE, Phone.IDLE]):
        made.take(phone, float(at))
    assert told == [(0, None, None), (0, 1, None), (0, 1, 3)]


def test_a_feed_that_is_lost_in_mid_talk_does_not_end_it() -> None:
    assert handover(Phone.IN_USE, Phone.UNKNOWN).talk_seconds is None
    assert handover(Phone.IN_USE, Phone.UNKNOWN, Phone.IN_USE, Phone.IDLE).talk_seconds == 3


def test_an_end_that_a_lost_feed_did_not_see_has_no_moment() -> None:
    over = handover(Phone.IN_USE, Phone.UNKNOWN, Phone.IDLE, Phone.IN_USE, Phone.IDLE)
    assert (over.answered_at, over.over_at, over.talk_seconds) == (1, None, None)


def test_an_answer_that_a_lost_feed_did_not_see_is_known_without_its_moment() -> None:
    answered = handover(Phone.RINGING, Phone.UNKNOWN, Phone.IN_USE, Phone.IDLE)
    assert (answered.answered_at, answered.talk_seconds) == (None, None)
    assert (answered.picked_up_at, answered.joined_at) == (3, 3)


def test_a_phone_that_was_not_seen_all_the_time_is_not_surely_unheard() -> None:
    assert handover(Phone.RINGING, Phone.IDLE).unheard
    assert not handover(Phone.RINGING, Phone.UNKNOWN, Phone.IDLE).unheard


def test_a_phone_that_nobody_picks_up_has_no_talk() -> None:
    unanswered = handover(Phone.RINGING, Phone.IDLE)
    assert (unanswered.answered_at, unanswered.over_at) == (None, None)


@pytest.mark.parametrize(
    ("phones", "answered_at"),
    [
        ((), 50.0),
        ((Phone.RINGING, Phone.IN_USE), 2.0),
        ((Phone.RINGING, Phone.IN_USE, Phone.IDLE), 2.0),
        ((Phone.RINGING, Phone.IDLE), 50.0),
        ((Phone.UNKNOWN,), 50.0),
    ],
)
async def test_the_pbx_is_believed_where_the_phone_says_nothing(
    phones: tuple[Phone, ...], answered_at: float
) -> None:
    answered = await handover(*phones).wait_answer(told_at=50.0, until_seconds=LIMIT)
    assert answered == answered_at


async def test_a_phone_that_still_rings_is_waited_for_inside_the_limit(
    autojump_clock: trio.testing.MockClock,
) -> None:
    rings = handover(Phone.RINGING)
    answers: list[float | None] = []

    async def wait() -> None:
        until = trio.current_time() + 5
        answers.append(await rings.wait_answer(told_at=50.0, until_seconds=until))

    await wait()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(1)
        rings.take(Phone.IN_USE, 7.0)
    assert answers == [None, 7.0]


@pytest.mark.parametrize("phones", [(), (Phone.RINGING,)])
async def test_who_hangs_up_on_the_way_has_no_agent_and_is_waited_for_no_more(
    autojump_clock: trio.testing.MockClock, phones: tuple[Phone, ...]
) -> None:
    told_at = trio.current_time()
    one = Handover(on_change=ignore, seen=True)
    for phone in phones:
        one.take(phone, told_at)
    async with trio.open_nursery() as nursery:

        async def hang_up() -> None:
            await trio.sleep(0.5)
            one.hang_up(trio.current_time())

        nursery.start_soon(hang_up)
        assert await one.wait_answer(told_at=told_at, until_seconds=told_at + 5) is None
    assert trio.current_time() - told_at == 0.5
    assert one.hung_up_at == trio.current_time()
    assert one.missed


async def test_a_transfer_that_failed_waits_a_moment_for_the_word_that_the_person_is_gone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    told_at = trio.current_time()
    await Handover(on_change=ignore).wait_hang_up(told_at=told_at, until_seconds=told_at + 5)
    assert trio.current_time() == told_at, "of a phone that nobody sees no word comes"
    seen = Handover(on_change=ignore, seen=True)
    await seen.wait_hang_up(told_at=told_at, until_seconds=told_at + 5)
    assert trio.current_time() == told_at + SIGHTING_SECONDS


async def test_a_phone_that_a_feed_sees_is_given_the_time_to_ring(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The PBX's word comes 13 ms after the answer, the phone's 180 a moment later."""
    told_at = trio.current_time()
    rings = Handover(on_change=ignore, seen=True)
    async with trio.open_nursery() as nursery:

        async def ring() -> None:
            await trio.sleep(0.4)
            rings.take(Phone.RINGING, trio.current_time())

        nursery.start_soon(ring)
        answered = await rings.wait_answer(told_at=told_at, until_seconds=told_at + 5)
    assert answered is None
    assert trio.current_time() - told_at == 5


@pytest.mark.parametrize(("limit_seconds", "waited_seconds"), [(5.0, SIGHTING_SECONDS), (1.0, 1.0)])
async def test_a_phone_that_never_rings_is_not_where_the_person_is(
    autojump_clock: trio.testing.MockClock, limit_seconds: float, waited_seconds: float
) -> None:
    told_at = trio.current_time()
    idle = Handover(on_change=ignore, seen=True)
    until = told_at + limit_seconds
    assert await idle.wait_answer(told_at=told_at, until_seconds=until) == told_at
    assert trio.current_time() - told_at == waited_seconds


@pytest.mark.parametrize("phone", [Phone.UNKNOWN, Phone.UNAVAILABLE])
async def test_a_phone_that_is_seen_no_more_is_not_waited_for(
    autojump_clock: trio.testing.MockClock, phone: Phone
) -> None:
    told_at = trio.current_time()
    lost = Handover(on_change=ignore, seen=True)
    lost.take(phone, told_at)
    assert await lost.wait_answer(told_at=told_at, until_seconds=told_at + 5) == told_at
    assert trio.current_time() == told_at


@pytest.mark.parametrize(
    ("first", "then", "picked_up", "waited_seconds", "missed"),
    [
        ([Phone.RINGING], Phone.IN_USE, True, 1.0, False),
        ([], Phone.IN_USE, True, 1.0, False),
        ([Phone.RINGING, Phone.IN_USE], None, True, 0.0, False),
        ([Phone.RINGING], Phone.IDLE, False, 1.0, True),
        ([Phone.RINGING, Phone.IDLE], None, False, 0.0, True),
        ([Phone.RINGING], Phone.UNKNOWN, False, 1.0, True),
        ([], None, False, SIGHTING_SECONDS, True),
        ([Phone.RINGING], None, False, 30.0, False),
    ],
)
async def test_what_a_bye_left_open_is_settled_by_the_phone(
    autojump_clock: trio.testing.MockClock,
    first: list[Phone],
    then: Phone | None,
    picked_up: bool,
    waited_seconds: float,
    missed: bool,
) -> None:
    over_at = trio.current_time()
    seen = Handover(on_change=ignore, seen=True)
    for phone in first:
        seen.take(phone, over_at)

    async def go_on() -> None:
        await trio.sleep(1)
        if then is not None:
            seen.take(then, trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_on)
        answered_at = await seen.wait_settled(over_at=over_at, until_seconds=over_at + 30)
        waited = trio.current_time() - over_at
    assert (answered_at is not None) == picked_up
    assert waited == waited_seconds
    assert seen.missed == missed


async def test_a_phone_that_nobody_sees_settles_nothing() -> None:
    unseen = Handover(on_change=ignore)
    assert await unseen.wait_settled(over_at=0.0, until_seconds=LIMIT) is None
    assert not unseen.missed


async def test_who_may_wait_in_a_queue_is_not_missed_before_a_phone_rings(
    autojump_clock: trio.testing.MockClock,
) -> None:
    waits = Handover(on_change=ignore, seen=True, queue="sales")
    until = trio.current_time() + 30
    assert await waits.wait_settled(over_at=trio.current_time(), until_seconds=until) is None
    assert not waits.missed
