from __future__ import annotations

import pytest
import trio
import trio.testing

from acd.agents import Phone
from acd.dialer.handover import Handover

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
