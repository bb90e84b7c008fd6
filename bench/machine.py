"""How much of this machine others took while a run was measured.

A figure from a busy machine is not wrong, but it is another machine's: the table says so.
"""

from __future__ import annotations

import os
import resource
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic
from types import TracebackType

from bench.protocol import Figure

OTHERS = Figure(
    key="machine.others", title="what others took of this machine", unit="%", decimals=0
)

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_USER, _NICE, _SYSTEM, _IDLE, _IOWAIT, _IRQ, _SOFTIRQ, _STEAL = range(8)


class OthersWatch(AbstractContextManager["OthersWatch"]):
    """`percent` once the block is left: of all processors, by processes not started in it."""

    def __init__(self) -> None:
        self.percent = 0.0
        self._before = (0.0, 0.0, 0.0)

    def __enter__(self) -> OthersWatch:
        self._before = (monotonic(), _busy_seconds(), _own_seconds())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        began, busy_before, own_before = self._before
        there = (monotonic() - began) * (os.cpu_count() or 1)
        others = _busy_seconds() - busy_before - (_own_seconds() - own_before)
        self.percent = max(0.0, others / there * 100)


def busy_ticks(proc_stat: str) -> int:
    """All that the processors did, or were kept from by the host, off /proc/stat's first line."""
    ticks = [int(number) for number in proc_stat.splitlines()[0].split()[1:]]
    return sum(ticks[field] for field in (_USER, _NICE, _SYSTEM, _IRQ, _SOFTIRQ, _STEAL))


def _busy_seconds() -> float:
    return busy_ticks(Path("/proc/stat").read_text()) / _TICKS_A_SECOND


def _own_seconds() -> float:
    """This process and every child that was waited for: all of them have ended by then."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
