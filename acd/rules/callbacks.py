"""When a callback may be promised for, and whose it is just now: pure."""

from __future__ import annotations

from datetime import datetime, timedelta

FARTHEST = timedelta(days=2 * 366)
"""How far ahead a callback may be promised: nobody waits for longer, a typing error does."""


def too_far(at: datetime, now: datetime) -> bool:
    """Whether a callback at `at` is further ahead than anybody means."""
    return at - now > FARTHEST


def owner_of(
    callback_at: datetime | None, callback_agent: str | None, *, owner_seconds: float, now: datetime
) -> str | None:
    """The agent for whom a callback is kept at `now`; None: anybody may have it.

    Args:
        callback_at: the promised moment; None: nothing was promised.
        callback_agent: who promised it; None: nobody in particular.
        owner_seconds: how long after the moment it is kept for them; 0: not at all.
        now: any moment; before the promised one nobody dials anyway.
    """
    if callback_at is None or callback_agent is None:
        return None
    return callback_agent if now < callback_at + timedelta(seconds=owner_seconds) else None
