"""How moments are written for SQLite."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

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


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_moment_is_written_as_sqlalchemy_writes_it(moment: datetime) -> None:
    theirs = sqlite.DATETIME().bind_processor(DIALECT)  # type: ignore[no-untyped-call] # SQLAlchemy's
    assert theirs is not None
    assert written(moment) == theirs(moment.astimezone(UTC).replace(tzinfo=None))


def test_no_moment_is_none() -> None:
    assert written(None) is None


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        written(datetime(2026, 1, 2))
