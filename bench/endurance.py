"""Ten minutes at full rate: does anything fail, and does memory still grow in the second half?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench import sides
from bench.peer import common_peer, final_counts
from bench.processes import resident_mb
from bench.protocol import Effort, Figure, Judge, Measured, none_of

MINUTES = 10
RATE_PER_SECOND = 200.0
FLAT_PERCENT = 2.0
"""Growth in the second half that still counts as flat: the spread of the samples themselves."""
MEMORY_FIGURES = (
    Figure(key="half.mb", title="memory at half-time", unit="MB", decimals=1),
    Figure(key="end.mb", title="memory at the end", unit="MB", decimals=1),
)
"""Of what `memory` finds."""


@dataclass(frozen=True, slots=True)
class Endurance:
    name: str = "endurance"
    title: str = f"Endurance, acd.sip at {RATE_PER_SECOND:.0f} calls/s for {MINUTES} min, trio busy"
    figures: tuple[Figure, ...] = (
        none_of("failed", "failed calls"),
        Figure(key="completed", title="completed calls", unit="", decimals=0),
        Figure(key="rate", title="completed calls a second", unit="/s", decimals=1),
        Figure(key="retransmissions", title="retransmissions of the peer", unit="", decimals=0),
        *MEMORY_FIGURES,
        Figure(
            key="growth",
            title="growth in the second half",
            unit="%",
            target=FLAT_PERCENT,
            judge=Judge.WORST,
            decimals=1,
        ),
    )

    def run(self, effort: Effort) -> Measured:
        calls = effort.calls(int(MINUTES * 60 * RATE_PER_SECOND))
        order = sides.order_for("acd", calls=calls, rate_per_second=RATE_PER_SECOND)
        samples: list[float] = []
        with common_peer() as peer:
            used = sides.acd_busy(order, sample=lambda pid: samples.append(resident_mb(pid)))
            counts = final_counts(peer)
        return {
            "failed": calls - used.completed,
            "completed": used.completed,
            "rate": used.completed / used.wall_seconds,
            "retransmissions": counts.retransmissions,
            **memory(samples),
        }


def memory(samples: Sequence[float]) -> dict[str, float]:
    """Medians of a tenth of the samples, after half-time and at the end."""
    tenth = max(1, len(samples) // 10)
    half = len(samples) // 2
    if not samples:
        return {}
    at_half = statistics.median(samples[half : half + tenth])
    at_end = statistics.median(samples[-tenth:])
    growth = (at_end - at_half) / at_half * 100
    return {"half.mb": at_half, "end.mb": at_end, "growth": growth}
