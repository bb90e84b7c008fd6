"""What the SIP trace costs: nothing while it is off, and how much while it writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import sides
from bench.peer import common_peer
from bench.protocol import Effort, Figure, Measured, none_of

CALLS = 500
RATE_PER_SECOND = 100.0
_NOBODY = "+4930231259999"
"""In none of the calls."""


@dataclass(frozen=True, slots=True)
class TraceCost:
    name: str = "trace"
    title: str = f"SIP trace, at {RATE_PER_SECOND:.0f} calls/s"
    figures: tuple[Figure, ...] = (
        Figure(key="off.ms", title="CPU a call, trace off", unit="ms"),
        none_of("off.lines", "log lines that reached Python while it was off"),
        Figure(
            key="other.ms",
            title="CPU a call, on for a number that nobody dials",
            unit="ms",
            ratio_to="off.ms",
        ),
        Figure(key="on.ms", title="CPU a call, everything written", unit="ms", ratio_to="off.ms"),
        Figure(key="on.messages", title="messages written a call", unit="", decimals=1),
        none_of("failed", "failed calls"),
    )

    def run(self, effort: Effort) -> Measured:
        calls = effort.calls(CALLS)
        found: dict[str, float] = {"failed": 0.0}
        order = sides.order_for("acd", calls=calls, rate_per_second=RATE_PER_SECOND)
        with TemporaryDirectory() as folder:
            file = Path(folder) / "trace.jsonl"
            traced = replace(order, trace_file=str(file))
            for side, wanted in (
                ("off", order),
                ("other", replace(traced, trace_only=_NOBODY)),
                ("on", traced),
            ):
                with common_peer():
                    used = sides.acd_quiet(wanted)
                found[f"{side}.ms"] = used.ms_a_call(used.cpu_seconds)
                found[f"{side}.lines"] = used.counted["log_lines"]
                found["failed"] += calls - used.completed
            # The trace of one number has written nothing into it.
            found["on.messages"] = file.read_bytes().count(b"\n") / calls
        return found
