"""What a bench is: figures that it promises, and one run that measures them.

A new part of acd adds a bench by writing a class that fulfils `Bench` and naming it in
`bench.registry`; running it often, comparing and printing are done for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bench.statistics import LATENCY_SHARES

Measured = Mapping[str, float]
"""One run: a figure's key → its value."""


class BenchError(Exception):
    """A run could not be measured: something is missing on this machine, or it broke."""


class Judge(StrEnum):
    """Which of several runs a target is held against."""

    MEDIAN = "median"
    WORST = "worst"
    """For promises such as `none failed`: the highest of what is to be at most so much, the lowest
    of what is to be at least so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table."""

    key: str
    title: str
    unit: str
    target: float | None = None
    """At most this much."""
    at_least: float | None = None
    """At least this much."""
    judge: Judge = Judge.MEDIAN
    ratio_to: str = ""
    """Key of the figure that the ratio column compares with."""
    ratio_target: float | None = None
    """The ratio is to be at most this."""
    decimals: int = 2


def none_of(key: str, title: str) -> Figure:
    """The row of what must not happen: no run may count one."""
    return Figure(key=key, title=title, unit="", target=0.0, judge=Judge.WORST, decimals=0)


def latency_figures(key: str, title: str, *, decimals: int = 2) -> tuple[Figure, ...]:
    """The rows of `bench.statistics.latencies`, in milliseconds."""
    return tuple(
        Figure(key=f"{key}.p{share}", title=f"{title}, p{share}", unit="ms", decimals=decimals)
        for share in LATENCY_SHARES
    )


@dataclass(frozen=True, slots=True)
class Effort:
    """How much one run does: 1.0 is what the documented figures were measured with."""

    share: float = 1.0

    def calls(self, in_full: int) -> int:
        return max(1, round(in_full * self.share))

    def seconds(self, in_full: float) -> float:
        return in_full * self.share


class Bench(Protocol):
    """One kind of measurement."""

    @property
    def name(self) -> str:
        """One word for the command line."""
        ...

    @property
    def title(self) -> str:
        """Stands above its rows."""
        ...

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Its rows, in order; a run may leave some out, and says why by `BenchError`."""
        ...

    def run(self, effort: Effort) -> Measured:
        """Measure every figure once.

        Raises:
            BenchError: it could not be measured.
        """
        ...
