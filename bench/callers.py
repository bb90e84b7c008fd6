"""Run one caller in a process of its own, and read what it used between its two marks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.child import Sampler, run_child
from bench.order import CallOrder
from bench.processes import cpu_seconds, peak_resident_mb, wait_ended
from bench.protocol import BenchError
from tests.peers.sipp.runner import Bind, Sipp

SCENARIOS = Path(__file__).parent / "scenarios"
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a caller did, and what it took."""

    counted: Mapping[str, float]
    """As the caller counted itself: `completed`, and whatever else it says."""
    wall_seconds: float
    cpu_seconds: float
    peak_resident_mb: float

    @property
    def completed(self) -> int:
        return int(self.counted["completed"])

    def ms_a_call(self, seconds: float) -> float:
        """So many seconds as milliseconds for each completed call."""
        return seconds / max(1, self.completed) * 1000


def run_python(
    module: str,
    argument: str,
    *,
    timeout_seconds: float,
    prefix: Sequence[str] = (),
    sample: Sampler | None = None,
) -> Used:
    """Run a module that uses `bench.marks.Marks`; `timeout_seconds` is between the two.

    Raises:
        BenchError: it broke or hung.
    """
    with run_child(module, argument, prefix=prefix) as child:
        child.wait_mark(timeout_seconds=_START_SECONDS)
        used_before, started = cpu_seconds(child.pid), time.perf_counter()
        child.go_on()
        counted = child.wait_mark(timeout_seconds=timeout_seconds, sample=sample)
        used = Used(
            counted=counted,
            wall_seconds=time.perf_counter() - started,
            cpu_seconds=cpu_seconds(child.pid) - used_before,
            peak_resident_mb=peak_resident_mb(child.pid),
        )
        child.go_on()
    return used


def run_sipp(order: CallOrder) -> Used:
    """SIPp as the caller: it starts at once and ends by itself.

    Raises:
        BenchError: it hung.
    """
    host, _, port = order.peer.partition(":")
    caller = Sipp.uac(
        SCENARIOS / "caller.xml",
        Bind(order.own, 5060),
        Bind(host, int(port)),
        calls=order.calls,
        rate_per_second=order.rate_per_second,
        limit=order.most_at_once,
    )
    started = time.perf_counter()
    with caller:
        # It reads its scenario before it listens: what came before is not the calls'.
        used_before = cpu_seconds(caller.pid)
        if not wait_ended(caller.pid, order.longest_seconds):
            raise BenchError("SIPp as caller did not end")
        wall_seconds = time.perf_counter() - started
        used = cpu_seconds(caller.pid) - used_before
        counts = caller.wait()
    return Used(
        counted={"completed": counts.successful},
        wall_seconds=wall_seconds,
        cpu_seconds=used,
        # One that has ended has no memory to ask for, and this one is no yardstick for it.
        peak_resident_mb=0.0,
    )
