"""The abandon ledger: how many calls beyond the ready agents the law still allows.

Live answers are those that reached an agent, plus the abandoned; the rate is abandoned ÷ live
answers in the campaign's window, never ÷ dials (16 CFR 310.4(b)(4)(i)). The question before
each over-dial is the worst case: if every unanswered call beyond the ready agents were answered
and abandoned, would the window still hold?
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from acd.clock import local_midnight

SHORTEST_WINDOW = timedelta(hours=24)
LONGEST_WINDOW = timedelta(days=30)
_ROLLING = re.compile(r"([1-9][0-9]{0,2})([hd])", re.ASCII)


@dataclass(frozen=True, slots=True)
class AbandonWindow:
    """The time over which the abandon rate is reckoned.

    Either the calendar day of the machine that dials, or as long as `rolling` back from now:
    24 hours (Ofcom) to 30 days (16 CFR 310.4(b)(4)(i)).
    """

    rolling: timedelta | None = None
    """None: the day."""

    @classmethod
    def parse(cls, text: str) -> AbandonWindow:
        """Read `day`, `24h` to `720h`, or `1d` to `30d`.

        Raises:
            ValueError: it is nothing of these; says what is allowed.
        """
        if text == "day":
            return cls()
        if found := _ROLLING.fullmatch(text):
            count = int(found[1])
            rolling = timedelta(hours=count) if found[2] == "h" else timedelta(days=count)
            if SHORTEST_WINDOW <= rolling <= LONGEST_WINDOW:
                return cls(rolling)
        raise ValueError(
            'write "day" (since midnight), or how far back it goes: "24h" to "720h", "1d" to "30d"'
        )

    def start(self, now: datetime) -> datetime:
        """Where the window of a moment begins; the day's by the time zone of this machine."""
        if self.rolling is not None:
            return now - self.rolling
        return local_midnight(now)

    def __str__(self) -> str:
        if self.rolling is None:
            return "day"
        hours = self.rolling // timedelta(hours=1)
        return f"{hours}h" if hours % 24 or hours == 24 else f"{hours // 24}d"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCounts:
    """One campaign's window so far."""

    live_answers: int
    """People who reached an agent, plus the abandoned."""
    abandoned: int

    @property
    def rate(self) -> float | None:
        """Abandoned ÷ live answers; None before the first live answer."""
        return self.abandoned / self.live_answers if self.live_answers else None

    def __add__(self, other: LedgerCounts) -> LedgerCounts:
        return LedgerCounts(
            live_answers=self.live_answers + other.live_answers,
            abandoned=self.abandoned + other.abandoned,
        )


def headroom(counts: LedgerCounts, *, limit_percent: Decimal) -> int:
    """How many more abandoned calls the window could bear, 0 or more.

    The calls that would be abandoned do not raise the denominator: so at 3 % there is no
    over-dial before 34 live answers.
    """
    bearable = counts.live_answers * limit_percent / 100 - counts.abandoned
    return max(0, int(bearable.to_integral_value(ROUND_FLOOR)))


def share_of_headroom(room: int, *, other_engines: int, their_open_calls: int) -> int:
    """What one of several engines on a database may use of a campaign's headroom, 0 or more.

    Each open call of the others may be abandoned without this engine's knowledge, and all may
    ask at the same time: what is left after the first is shared alike.
    """
    return max(0, room - their_open_calls) // (1 + other_engines)
