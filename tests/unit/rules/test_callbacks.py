from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from acd.rules.callbacks import owner_of

AT = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("callback_at", "agent", "owner_seconds", "late_seconds", "owner"),
    [
        (AT, "anna", 900, 0, "anna"),
        (AT, "anna", 900, 899, "anna"),
        (AT, "anna", 900, 900, None),
        (AT, "anna", 0, 0, None),
        (AT, "anna", 900, -60, "anna"),
        (AT, None, 900, 0, None),
        (None, "anna", 900, 0, None),
    ],
)
def test_a_callback_is_kept_for_its_owner_for_a_while(
    callback_at: datetime | None,
    agent: str | None,
    owner_seconds: int,
    late_seconds: int,
    owner: str | None,
) -> None:
    now = AT + timedelta(seconds=late_seconds)
    assert owner_of(callback_at, agent, owner_seconds=owner_seconds, now=now) == owner
