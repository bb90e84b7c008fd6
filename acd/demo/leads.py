"""Invented leads: numbers that nobody has, mixed so that a campaign has something of everything.

The numbers are those that the German regulator keeps free for films and books (BNetzA,
Mitteilung 148/2021): should somebody point the demo's list at a real trunk, no phone rings.
Their last two digits say what `acd lab` does with them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from acd.lab.behaviour import CONDUCTS, Conduct
from acd.lab.draws import Draws

BLOCKS = ("+493023125", "+496990009", "+494066969", "+492214710", "+498999998")
"""Berlin, Frankfurt, Hamburg, Cologne, Munich; three digits follow."""
MOST_LEADS = 1000

SHARES: Mapping[Conduct, int] = MappingProxyType(
    {
        Conduct.ANSWERS_SOMETIME: 32,
        Conduct.BUSY: 18,
        Conduct.SWITCHED_OFF: 15,
        Conduct.INVALID: 8,
        Conduct.REJECTS: 7,
        Conduct.CONGESTED: 6,
        Conduct.RINGS_OUT: 6,
        Conduct.MACHINE: 5,
        Conduct.HANGS_UP: 3,
    }
)
"""Of a hundred leads."""
_SECONDS: Mapping[Conduct, Sequence[int]] = MappingProxyType(
    {
        Conduct.BUSY: range(4),
        Conduct.SWITCHED_OFF: range(3),
        Conduct.MACHINE: range(1, 4),
        Conduct.REJECTS: range(2, 5),
        Conduct.HANGS_UP: range(1, 5),
    }
)
"""The digit before the last; any where it is not listed."""
_EARLY = 0.7


@dataclass(frozen=True, slots=True)
class DemoLead:
    """One invented person."""

    name: str
    number: str


def demo_leads(count: int, *, seed: int) -> list[DemoLead]:
    """So many leads (at most `MOST_LEADS`), the same for the same seed."""
    draws = Draws(seed)
    numbers: list[str] = []
    for conduct, wanted in _counts(count).items():
        candidates = sorted(_numbers(conduct), key=lambda number: draws.of("pick", number))
        numbers += candidates[:wanted]
    numbers.sort(key=lambda number: _place(number, draws))
    return [DemoLead(f"Lead {place:03}", number) for place, number in enumerate(numbers, 1)]


def _place(number: str, draws: Draws) -> float:
    """Any place, but for phones that ring out: at the end, a minute's demo would wait for them."""
    draw = draws.of("order", number)
    return draw * _EARLY if CONDUCTS[number[-1]] is Conduct.RINGS_OUT else draw


def leads_csv(leads: Iterable[DemoLead]) -> str:
    """As `acd leads import` reads it."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["name", "phone"])
    rows.writerows([lead.name, lead.number] for lead in leads)
    return text.getvalue()


def _counts(count: int) -> dict[Conduct, int]:
    """The shares of `count`; whoever lost most by rounding down gets what is left."""
    exact = {conduct: count * share / 100 for conduct, share in SHARES.items()}
    counts = {conduct: int(number) for conduct, number in exact.items()}
    by_loss = sorted(exact, key=lambda conduct: counts[conduct] - exact[conduct])
    for conduct in by_loss[: count - sum(counts.values())]:
        counts[conduct] += 1
    return counts


def _numbers(conduct: Conduct) -> list[str]:
    digit = next(digit for digit, row in CONDUCTS.items() if row is conduct)
    return [
        f"{block}{hundreds}{seconds}{digit}"
        for block in BLOCKS
        for hundreds in range(10)
        for seconds in _SECONDS.get(conduct, range(10))
    ]
