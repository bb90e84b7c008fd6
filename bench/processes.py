"""What another process has used, read from outside, so that every caller is measured alike."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

_SCHEDULED_CPU_OF_PROCESS = 2
"""Linux, include/linux/posix-timers.h: CPUCLOCK_SCHED without the per-thread bit."""


def cpu_seconds(pid: int) -> float:
    """CPU time of all its threads, to the nanosecond; still readable until it is waited for.

    The same as clock_getcpuclockid(3) and clock_gettime(2); /proc/PID/stat counts in 10 ms.
    """
    return time.clock_gettime((~pid << 3) | _SCHEDULED_CPU_OF_PROCESS)


def peak_resident_mb(pid: int) -> float:
    return _status_kb(pid, "VmHWM") / 1024


def resident_mb(pid: int) -> float:
    return _status_kb(pid, "VmRSS") / 1024


def wait_ended(pid: int, timeout_seconds: float) -> bool:
    """Wait until it has ended, and leave it waitable (and its CPU time readable)."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(timeout_seconds * 1000))
    finally:
        os.close(descriptor)


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0  # it has ended: a zombie has no memory
