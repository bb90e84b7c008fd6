"""The database goes away under 200 calls, for a minute: they go on, nobody is dialed, none is lost.

Most of the calls end while it is away; in the minute's outage some of them outlast it: their first
agent cannot be had, and the second one picks up too late.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import time

import pytest
import trio

from tests.acceptance.support.carrier import Carrier, dialing_installation, handed_over
from tests.acceptance.support.installation import Installation
from tests.acceptance.support.locking import locked
from tests.acceptance.support.records import Records, rows_at, seconds
from tests.peers.addresses import Addresses
from tests.peers.postgres import PostgresServer, running_postgres
from tests.peers.sipp.steps import ack, answer, bye, notify, only_for, pause, refer, ring, trying

pytestmark = pytest.mark.real

LEADS = 300
UNDER_WAY = 200
LINES = UNDER_WAY + 20
RING_MS = 1000
WAIT_LIMIT_SECONDS = 30.0
"""The longest that is allowed: agents take their time here."""
FIRST_AGENT_MS, SECOND_AGENT_MS = 22_000, 57_000
"""Until one refuses, inside the limit; and until one picks up, within a transfer's 60 s."""
LATE_SECONDS = 1.0
"""An INVITE may be that much younger than the last row that could be committed before it, on a
machine that has more to do than it has cores."""
TIME_MARGIN_SECONDS = 1.0
"""Between what the carrier and the row say of how long a call was up."""

Outage = Callable[[], AbstractAsyncContextManager[set[str] | None]]
"""Gives the numbers whose attempts were committed by then, where that can be read."""


@dataclass(frozen=True, slots=True)
class Talk:
    """How long the calls and the outage are."""

    away_seconds: float
    agent_ms: int
    """Of most calls: they end while the database is away."""
    outlasting: str = "none"
    """A regular expression of the numbers that talk until the database is back, and after."""
    outlasting_calls: int = 0

    @property
    def steps(self) -> tuple[str, ...]:
        """What the carrier does."""
        up = (trying(), ring(), pause(RING_MS), answer(), ack())
        refused = (refer(202), pause(FIRST_AGENT_MS), notify(486, final=True))
        late = (refer(202), pause(SECOND_AGENT_MS), notify(200, final=True))
        outlasts = only_for(self.outlasting, *up, *refused, *late, bye())
        return (outlasts, *handed_over(ring_ms=RING_MS, agent_ms=self.agent_ms))


SHORT = Talk(away_seconds=16.0, agent_ms=10_000)
"""Longer away than the 5 s after which a statement that is not answered finds no database."""
LONG = Talk(
    away_seconds=60.0, agent_ms=20_000, outlasting="49302312501[89][0-9]", outlasting_calls=20
)


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """One of the test's own: it is stopped."""
    with running_postgres() as server:
        yield server


async def test_nothing_is_lost_in_a_minute_without_postgresql_or_with_sqlite_locked(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """Two installations side by side: a minute is long."""
    sqlite, postgresql = tmp_path / "sqlite", tmp_path / "postgresql"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ride_out, sqlite, "", lambda: taken(sqlite / "acd.sqlite"), LONG)
        nursery.start_soon(
            ride_out, postgresql, postgres.new_database(), lambda: stopped(postgres), LONG
        )


async def test_nothing_is_lost_while_postgresql_hangs(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    await ride_out(tmp_path, postgres.new_database(), lambda: hanging(postgres), SHORT)


async def test_nothing_is_lost_while_the_disk_is_full(tmp_path: Path) -> None:
    async with small_disk(tmp_path / "disk") as disk:
        await ride_out(
            tmp_path / "acd",
            f"sqlite:///{disk}/acd.sqlite",
            lambda: filled(disk),
            SHORT,
            takes_nothing=False,
        )


async def ride_out(
    folder: Path, url: str, outage: Outage, talk: Talk, *, takes_nothing: bool = True
) -> None:
    """Take the database away under 200 calls, give it back, and hold the records together.

    A disk that is full takes what fits into the write-ahead log as it stands: `takes_nothing`.
    """
    folder.mkdir(exist_ok=True)
    address = Addresses.free().carrier
    with Carrier(folder / "carrier", address, talk.steps) as carrier:
        installation = await installed(folder, carrier, url)
        async with installation.engine() as engine:
            await carrier.wait(lambda seen: len(seen.up) >= UNDER_WAY, timeout_seconds=120)
            async with outage() as committed:
                away_at, ends_at = time(), trio.current_time() + talk.away_seconds
                await engine.wait_metric("acd_store_up", 0)
                dialed = carrier.calls
                assert dialed >= UNDER_WAY
                await carrier.wait(
                    lambda seen: len(seen.received("BYE")) == dialed - talk.outlasting_calls,
                    timeout_seconds=talk.away_seconds,
                )
                # How long it is away is what is tried.
                await trio.sleep_until(ends_at)
                await engine.read_metrics()
                assert engine.metric("acd_store_up") == 0
                assert engine.metric("acd_store_queue") >= len(carrier.received("BYE")) or (
                    not takes_nothing
                )
                assert carrier.calls == dialed, "nobody was dialed meanwhile"
                assert committed is None or carrier.invites().keys() <= committed
                outlasting = carrier.up
                assert len(outlasting) == talk.outlasting_calls, "these go on, the others went"
            back_at = time()
            await carrier.wait(lambda seen: len(seen.received("BYE")) == LEADS, timeout_seconds=120)
            assert await engine.end() == 0, engine.log()
        rows = rows_at(url or f"sqlite:///{folder}/acd.sqlite")
        records = Records.of(carrier, rows)
        backs = [row for row in rows("events") if row["what"] == "store_back"]
        assert_nobody_was_dialed(
            carrier, since=away_at + LATE_SECONDS if takes_nothing else inf, until=back_at
        )
        assert_times_are_true(carrier, records)
    assert_dispositions(records, outlasting=outlasting)
    downs, ups = (len(engine.logged(action)) for action in ("store.down", "store.up"))
    assert downs == ups == 1, engine.log()
    assert len(backs) <= ups, "a server that only hung takes the very batch that waited for it"


async def installed(folder: Path, carrier: Carrier, url: str) -> Installation:
    """A campaign with a line for everybody."""
    installation = await dialing_installation(
        folder,
        carrier,
        leads=LEADS,
        slots=LINES,
        lines=LINES,
        store_url=url,
        wait_limit_seconds=WAIT_LIMIT_SECONDS,
    )
    # The carrier has nobody to send a person to whose agent is busy: the leg is still there.
    file, key = folder / "acd.toml", "register = false\n"
    text = file.read_text()
    assert key in text
    file.write_text(text.replace(key, f'{key}after_failed_transfer = "ours"\n'))
    return installation


def assert_dispositions(records: Records, *, outlasting: set[str]) -> None:
    """Once each; whose call outlasted the outage got their agent too late."""
    records.assert_the_same_calls()
    assert len(records.invites) == len(records.leads) == LEADS
    for number, (attempt,) in records.attempts.items():
        late = records.invites[number] <= outlasting
        assert attempt["disposition"] == ("abandoned" if late else "handed_over"), attempt


def assert_nobody_was_dialed(carrier: Carrier, *, since: float, until: float) -> None:
    """Nothing could be committed in this time, so nobody could be dialed."""
    call_ids = set().union(*carrier.invites().values())
    dialed = [carrier.when(call_id, "INVITE") for call_id in call_ids]
    assert not [at for at in dialed if since < at < until]


def assert_times_are_true(carrier: Carrier, records: Records) -> None:
    """The rows know when each call was answered and over, the database being there or not."""
    for number, (attempt,) in records.attempts.items():
        (call_id,) = carrier.invites()[number]
        seen = [carrier.when(call_id, "SIP/2.0 200", received=False), carrier.when(call_id, "BYE")]
        written = [seconds(attempt[moment]) for moment in ("answered_at", "ended_at")]
        for there, here in zip(seen, written, strict=True):
            assert abs(there - here) <= TIME_MARGIN_SECONDS, (number, seen, written)


@asynccontextmanager
async def taken(file: Path) -> AsyncIterator[set[str]]:
    """Another process's transaction holds the write lock."""
    with locked(file) as other:
        numbers = other.execute("SELECT e164 FROM attempts JOIN lead_numbers USING (number_id)")
        yield {number for (number,) in numbers}


@asynccontextmanager
async def stopped(server: PostgresServer) -> AsyncIterator[None]:
    await trio.to_thread.run_sync(server.stop)
    yield
    await trio.to_thread.run_sync(server.start_again)


@asynccontextmanager
async def hanging(server: PostgresServer) -> AsyncIterator[None]:
    """Every process of the server is there, and none answers."""
    pids = [server.process.pid, *_children(server.process.pid)]
    for pid in pids:
        _signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            _signal(pid, signal.SIGCONT)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _signal(pid: int, number: signal.Signals) -> None:
    subprocess.run(["kill", f"-{number.value}", str(pid)], check=True)


@asynccontextmanager
async def small_disk(folder: Path) -> AsyncIterator[Path]:
    """A filesystem of its own; mounting takes root, as capturing the wire does."""
    folder.mkdir()
    await trio.run_process(["mount", "-t", "tmpfs", "-o", "size=16m", "acd", str(folder)])
    try:
        yield folder
    finally:
        with trio.CancelScope(shield=True):
            await trio.run_process(["umount", str(folder)])


@asynccontextmanager
async def filled(disk: Path) -> AsyncIterator[None]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()
