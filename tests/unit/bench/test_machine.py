from __future__ import annotations

from bench.machine import busy_ticks


def test_idle_and_waiting_for_a_disk_are_not_busy() -> None:
    stat = "cpu  100 20 30 100000 5000 4 6 7 90 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
    assert busy_ticks(stat) == 100 + 20 + 30 + 4 + 6 + 7
