"""Percentiles of one run, and what several runs say together. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LATENCY_SHARES = (50, 99)
"""The percentiles that are shown of a latency."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Several runs' values of one figure."""

    median: float
    lowest: float
    highest: float

    def __neg__(self) -> Spread:
        return Spread(-self.median, -self.highest, -self.lowest)


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank).

    No interpolation: a p99 that is printed was really measured.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("there are no values")
    rank = math.ceil(len(ordered) * percent / 100)
    return ordered[max(0, rank - 1)]


def latencies(key: str, values: Sequence[float]) -> dict[str, float]:
    """`KEY.p50` and `KEY.p99` of one run; neither where there are no values."""
    return {f"{key}.p{share}": percentile(values, share) for share in LATENCY_SHARES if values}


def spread_of(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def paired_ratios(values: Sequence[float], baselines: Sequence[float]) -> list[float]:
    """Each run's own ratio: a machine that is slow for one run is slow for both sides of it."""
    return [value / base for value, base in zip(values, baselines, strict=True) if base > 0]
