from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.rules.ledger import AbandonWindow, LedgerCounts, headroom, share_of_headroom

THREE = Decimal(3)


def counts(live_answers: int, abandoned: int = 0) -> LedgerCounts:
    return LedgerCounts(live_answers=live_answers, abandoned=abandoned)


def test_there_is_no_over_dial_before_34_live_answers() -> None:
    assert headroom(counts(33), limit_percent=THREE) == 0
    assert headroom(counts(34), limit_percent=THREE) == 1


def test_what_was_abandoned_already_is_spent() -> None:
    assert headroom(counts(100), limit_percent=THREE) == 3
    assert headroom(counts(100, abandoned=3), limit_percent=THREE) == 0
    assert headroom(counts(100, abandoned=9), limit_percent=THREE) == 0


def test_a_limit_of_nothing_never_over_dials() -> None:
    assert headroom(counts(10_000), limit_percent=Decimal(0)) == 0


@given(st.integers(0, 10**6), st.integers(0, 10**4), st.decimals(0, 100, places=2))
def test_spending_the_whole_headroom_keeps_the_window(
    live: int, abandoned: int, limit: Decimal
) -> None:
    room = headroom(counts(live, abandoned), limit_percent=limit)
    if room:
        assert 100 * (abandoned + room) <= limit * live


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "hours", "written"),
    [("24h", 24, "24h"), ("36h", 36, "36h"), ("1d", 24, "24h"), ("30d", 720, "30d")],
)
def test_a_rolling_window_goes_back_from_now(text: str, hours: int, written: str) -> None:
    window = AbandonWindow.parse(text)
    assert NOW - window.start(NOW) == timedelta(hours=hours)
    assert str(window) == written
    assert AbandonWindow.parse(str(window)) == window


def test_the_day_begins_at_this_machines_midnight() -> None:
    start = AbandonWindow.parse("day").start(NOW)
    assert (start.hour, start.minute, start.second) == (0, 0, 0)
    assert timedelta(0) <= NOW - start < timedelta(hours=25)


@pytest.mark.parametrize("text", ["", "Day", "23h", "721h", "31d", "0d", "7 d", "-1d", "1w", "٣d"])
def test_any_other_window_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match='"24h" to "720h", "1d" to "30d"'):
        AbandonWindow.parse(text)


@given(room=st.integers(0, 200), engines=st.integers(1, 5))
def test_engines_that_ask_one_after_another_never_use_more_than_the_room(
    room: int, engines: int
) -> None:
    used = 0
    for _ in range(engines):
        used += share_of_headroom(room, other_engines=engines - 1, their_open_calls=used)
    assert used <= room
    together = share_of_headroom(room, other_engines=engines - 1, their_open_calls=0) * engines
    assert together <= room


def test_one_engine_alone_has_all_the_room() -> None:
    assert share_of_headroom(7, other_engines=0, their_open_calls=0) == 7
