"""The abandon ledger: how many calls beyond the ready agents the law still allows.

Live answers are those that reached an agent, plus the abandoned; the rate is abandoned ÷ live
answers in the campaign's window, never ÷ dials (16 CFR 310.4(b)(4)(i)). The question before
each over-dial is the worst case: if every unanswered call beyond the ready agents were answered
and abandoned, would the window still hold?
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCounts:
    """One campaign's window so far."""

    live_answers: int
    """People who reached an agent, plus the abandoned."""
    abandoned: int

    def plus(self, *, abandoned: bool) -> LedgerCounts:
        """The window with one more live answer."""
        return LedgerCounts(
            live_answers=self.live_answers + 1, abandoned=self.abandoned + abandoned
        )


def headroom(counts: LedgerCounts, *, limit_percent: Decimal) -> int:
    """How many more abandoned calls the window could bear, 0 or more.

    The calls that would be abandoned do not raise the denominator: so at 3 % there is no
    over-dial before 34 live answers.
    """
    bearable = counts.live_answers * limit_percent / 100 - counts.abandoned
    return max(0, int(bearable.to_integral_value(ROUND_FLOOR)))
