"""CPU that one complete call takes in the caller's process, four callers side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import sides
from bench.callers import Used
from bench.order import CallOrder
from bench.peer import common_peer, final_counts
from bench.protocol import Effort, Figure, Measured, none_of

CALLS = 1000
RATE_PER_SECOND = 200.0

_SIDES: dict[str, tuple[str, Callable[[CallOrder], Used]]] = {
    "sipp": ("sipp", sides.sipp),
    "bare": ("bare", sides.bare),
    "least": ("acd", sides.least_busy),
    "quiet": ("acd", sides.acd_quiet),
    "busy": ("acd", sides.acd_busy),
}


@dataclass(frozen=True, slots=True)
class CpuACall:
    name: str = "cpu"
    title: str = f"CPU a call, at {RATE_PER_SECOND:.0f} calls/s"
    figures: tuple[Figure, ...] = (
        Figure(key="sipp.ms", title="SIPp as caller", unit="ms", ratio_to="bare.ms"),
        Figure(key="bare.ms", title="bare pjsua2 loop", unit="ms"),
        Figure(
            key="least.ms",
            title="trio and one SIP thread, nothing else (busy)",
            unit="ms",
            ratio_to="bare.ms",
        ),
        Figure(
            key="busy.ms",
            title="acd.sip, trio busy (load subtracted)",
            unit="ms",
            ratio_to="bare.ms",
            ratio_target=1.5,
        ),
        Figure(key="quiet.ms", title="acd.sip, trio idle", unit="ms", ratio_to="bare.ms"),
        Figure(key="load.percent", title="the busy trio side alone", unit="% core", decimals=0),
        none_of("failed", "failed calls, all callers"),
        Figure(key="retransmissions", title="retransmissions of the peer", unit="", decimals=0),
        Figure(key="bare.mb", title="peak memory, bare loop", unit="MB", decimals=0),
        Figure(
            key="busy.mb", title="peak memory, acd.sip", unit="MB", ratio_to="bare.mb", decimals=0
        ),
    )

    def run(self, effort: Effort) -> Measured:
        calls = effort.calls(CALLS)
        alone = sides.busy_alone(effort.seconds(CALLS / RATE_PER_SECOND))
        found: dict[str, float] = {
            "failed": 0,
            "retransmissions": 0,
            "load.percent": alone.cpu_seconds / alone.wall_seconds * 100,
        }
        for key, (side, caller) in _SIDES.items():
            order = sides.order_for(side, calls=calls, rate_per_second=RATE_PER_SECOND)
            with common_peer() as peer:
                used = caller(order)
                counts = final_counts(peer)
            cpu_seconds = (
                sides.without_load(used, alone) if used.counted.get("bursts") else used.cpu_seconds
            )
            found[f"{key}.ms"] = used.ms_a_call(cpu_seconds)
            found[f"{key}.mb"] = used.peak_resident_mb
            found["failed"] += calls - used.completed
            found["retransmissions"] += counts.retransmissions
        return found
