from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd.rules.definition import HoursTable
from acd.rules.hours import CallingHours, Window, is_open, next_open

MINUTE = timedelta(minutes=1)


def hours(*windows: str, holidays: tuple[date, ...] = ()) -> CallingHours:
    """The same windows every day."""
    return CallingHours((tuple(map(Window.parse, windows)),) * 7, frozenset(holidays))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["9:00-20:00", "20:00-09:00", "09:00-09:00", "09:60-10:00", "x"])
def test_a_window_that_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="window"):
        Window.parse(text)


def test_a_window_reads_as_it_is_written() -> None:
    assert str(Window.parse("00:00-24:00")) == "00:00-24:00"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-23T07:59", False),
        ("2026-11-23T08:00", True),
        ("2026-11-23T18:59", True),
        ("2026-11-23T19:00", False),
    ],
)
def test_a_window_includes_its_start_and_not_its_end(at: str, expected: bool) -> None:
    assert is_open(hours("09:00-20:00"), ["Europe/Vienna"], utc(at)) is expected


def test_without_a_zone_nobody_is_called() -> None:
    assert not is_open(hours("00:00-24:00"), [], utc("2026-11-23T12:00"))
    assert next_open(hours("00:00-24:00"), [], utc("2026-11-23T12:00")) is None
    assert not is_open(hours("00:00-24:00"), ["Mars/Base"], utc("2026-11-23T12:00"))


def test_of_several_zones_every_one_must_be_open() -> None:
    zones = ["America/New_York", "America/Los_Angeles"]
    opens = utc("2026-11-23T17:00")
    assert next_open(hours("09:00-20:00"), zones, utc("2026-11-23T12:00")) == opens


def test_zones_that_are_never_open_together_never_open() -> None:
    zones = ["Europe/Vienna", "Pacific/Auckland"]
    assert next_open(hours("09:00-12:00"), zones, utc("2026-11-23T12:00")) is None


def test_a_holiday_is_the_persons_own_day() -> None:
    closed = hours("00:00-24:00", holidays=(date(2026, 12, 25),))
    assert is_open(closed, ["Pacific/Auckland"], utc("2026-12-25T12:00"))
    assert not is_open(closed, ["Europe/Vienna"], utc("2026-12-25T12:00"))


def test_a_changed_copy_of_a_table_has_hours_of_its_own() -> None:
    before = HoursTable()
    after = before.model_copy(update={"monday": ()})
    monday = date(2026, 11, 23)
    assert before.hours.windows(monday)
    assert after.hours.windows(monday) == ()


def test_the_default_is_inside_every_rule_that_we_know() -> None:
    default = HoursTable().hours
    monday, saturday = date(2026, 11, 23), date(2026, 11, 28)
    assert [str(window) for window in default.windows(monday)] == ["10:00-13:00", "14:00-20:00"]
    assert default.windows(saturday) == ()


SPRING, AUTUMN = utc("2026-03-28T23:00"), utc("2026-10-24T22:00")
"""Midnights in Vienna before the clock is changed."""


@given(
    start=st.integers(0, 23 * 60 + 58),
    length=st.integers(1, 24 * 60),
    midnight=st.sampled_from([SPRING, AUTUMN, utc("2026-11-22T23:00")]),
    minutes=st.integers(-120, 26 * 60),
    zones=st.lists(
        st.sampled_from(["Europe/Vienna", "America/New_York", "Australia/Lord_Howe"]),
        min_size=1,
        max_size=2,
        unique=True,
    ),
)
@settings(max_examples=150, deadline=None)
def test_next_open_is_the_first_minute_that_is_open(
    start: int, length: int, midnight: datetime, minutes: int, zones: list[str]
) -> None:
    window = Window(start, min(start + length, 24 * 60))
    wanted = CallingHours(((window,),) * 7)
    at = midnight + minutes * MINUTE
    found = next_open(wanted, zones, at)
    step = at
    while step < at + timedelta(days=2) and not is_open(wanted, zones, step):
        step += MINUTE
    if step < at + timedelta(days=2):
        assert found == step
    else:
        assert found is None or found >= step


def test_at_the_end_of_the_calendar_nothing_opens_and_nothing_breaks() -> None:
    for at in ("9999-12-31T23:59", "9998-06-01T00:00"):
        assert next_open(hours("09:00-20:00"), ["Europe/Vienna"], utc(at)) is None
    just_before = utc("9997-10-20T00:00")
    never = ["Europe/Vienna", "Pacific/Auckland"]
    assert next_open(hours("09:00-12:00"), ["Europe/Vienna"], just_before) is not None
    assert next_open(hours("09:00-12:00"), never, just_before) is None


def test_a_window_whose_start_is_skipped_with_midnight_opens_where_the_clock_goes_on() -> None:
    # In Cairo 2027-04-30 begins at 01:00, which is 22:00 UTC.
    found = next_open(hours("00:15-01:45"), ["Africa/Cairo"], utc("2027-04-29T20:00"))
    assert found == utc("2027-04-29T22:00")
