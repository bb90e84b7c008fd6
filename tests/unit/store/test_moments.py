"""How moments are written for SQLite."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.dialects import sqlite

from acd.store.schema import UtcDateTime

DIALECT = sqlite.dialect()
MOMENTS = (
    datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    datetime(2026, 7, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))),
    datetime(1, 1, 1, tzinfo=UTC),
)


def written(moment: datetime | None) -> object:
    to_text = UtcDateTime().dialect_impl(DIALECT).bind_processor(DIALECT)
    assert to_text is not None
    return to_text(moment)


def read(text: object) -> datetime | None:
    from_text = UtcDateTime().dialect_impl(DIALECT).result_processor(DIALECT, None)
    assert from_text is not None
    moment = from_text(text)
    assert moment is None or isinstance(moment, datetime)
    return moment


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_moment_is_written_as_sqlalchemy_writes_it(moment: datetime) -> None:
    theirs = sqlite.DATETIME().bind_processor(DIALECT)  # type: ignore[no-untyped-call] # SQLAlchemy's
    assert theirs is not None
    assert written(moment) == theirs(moment.astimezone(UTC).replace(tzinfo=None))


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_written_is_read_back(moment: datetime) -> None:
    assert read(written(moment)) == moment


def test_both_halves_of_a_repeated_hour_stay_themselves() -> None:
    first, second = (
        datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Vienna"))
        for fold in (0, 1)
    )
    assert (written(first), written(second)) == (
        "2026-10-25 00:30:00.000000",
        "2026-10-25 01:30:00.000000",
    )


def test_a_zone_that_another_hand_has_written_counts() -> None:
    assert read("2026-07-01 03:30:00+02:00") == datetime(2026, 7, 1, 1, 30, tzinfo=UTC)


def test_no_moment_is_none() -> None:
    assert written(None) is None
    assert read(None) is None


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        written(datetime(2026, 1, 2))
