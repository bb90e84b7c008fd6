"""What a dialer does besides SIP, as a load of fixed size on the trio side.

Every 10 ms a burst of pure Python (about 2 ms of CPU: pacing, routing, metrics), and with every
tenth burst a batch of rows committed to SQLite in a thread. Late bursts are made up for, so the
work of a second is always the same, and what it costs alone can be subtracted.

    python -m bench.busy '{"seconds": 5, "iterations": 40000}'      measures it alone
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa
import trio

from bench.marks import Marks

BURST_SECONDS = 0.002
INTERVAL_SECONDS = 0.010
BURSTS_A_COMMIT = 10
ROWS_A_COMMIT = 20

_metadata = sa.MetaData()
_attempts = sa.Table(
    "attempts",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lead", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("at_seconds", sa.Float, nullable=False),
)


def spin(iterations: int) -> int:
    total = 0
    for number in range(iterations):
        total += number & 7
    return total


def iterations_of_a_burst() -> int:
    """How many take 2 ms of CPU on this machine; the quickest of several tries."""
    tried = 100_000
    quickest = min(_spin_seconds(tried) for _ in range(5))
    return round(tried * BURST_SECONDS / quickest)


def _spin_seconds(iterations: int) -> float:
    before = time.thread_time()
    spin(iterations)
    return time.thread_time() - before


class BusySide:
    """Counts its bursts."""

    def __init__(self, iterations: int) -> None:
        self.iterations = iterations
        self.bursts = 0

    async def run(self) -> None:
        """Until cancelled."""
        with tempfile.TemporaryDirectory(prefix="acd-bench-") as folder:
            engine = sa.create_engine(f"sqlite:///{Path(folder) / 'attempts.sqlite'}")
            _metadata.create_all(engine)
            try:
                async with trio.open_nursery() as nursery:
                    await self._burst_for_ever(engine, nursery)
            finally:
                engine.dispose()

    async def _burst_for_ever(self, engine: sa.Engine, nursery: trio.Nursery) -> None:
        started = trio.current_time()
        for number in itertools.count(1):
            await trio.sleep_until(started + number * INTERVAL_SECONDS)
            spin(self.iterations)
            self.bursts = number
            if number % BURSTS_A_COMMIT == 0:
                nursery.start_soon(trio.to_thread.run_sync, _commit, engine, number)


def _commit(engine: sa.Engine, number: int) -> None:
    rows = [
        {"lead": f"+4315056{number:06d}{row:02d}", "state": "dialing", "at_seconds": time.time()}
        for row in range(ROWS_A_COMMIT)
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(_attempts), rows)


async def _alone(seconds: float, iterations: int) -> None:
    marks, busy = Marks(), BusySide(iterations)
    marks.ready()
    with trio.move_on_after(seconds):
        await busy.run()
    marks.done(completed=0, bursts=busy.bursts)


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    trio.run(_alone, wanted["seconds"], wanted["iterations"])
