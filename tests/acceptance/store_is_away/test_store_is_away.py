"""The database goes away under calls, for a minute: calls go on, nobody is dialed, nothing lost."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
import trio

from tests.acceptance.support.carrier import Carrier, dialing_installation, handed_over
from tests.acceptance.support.records import Records, rows_at
from tests.peers.addresses import Addresses
from tests.peers.postgres import PostgresServer, running_postgres

pytestmark = pytest.mark.real

LEADS = 300
UNDER_WAY = 200
A_MINUTE = 60.0
SHORTLY = 10.0
"""Longer than a statement may take before the database counts as gone."""
STEPS = handed_over(ring_ms=3000, agent_ms=2000)
"""Answered, referred and handed over while the database is away."""

Outage = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """One of the test's own: it is stopped."""
    with running_postgres() as server:
        yield server


async def test_a_minute_without_postgresql_and_a_minute_with_sqlite_locked(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """Two installations side by side: a minute is long."""
    sqlite, postgresql = tmp_path / "sqlite", tmp_path / "postgresql"
    locked_file = sqlite / "acd.sqlite"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ride_out, sqlite, "", lambda: locked(locked_file), A_MINUTE)
        nursery.start_soon(
            ride_out, postgresql, postgres.new_database(), lambda: stopped(postgres), A_MINUTE
        )


async def test_a_postgresql_that_hangs(tmp_path: Path, postgres: PostgresServer) -> None:
    await ride_out(tmp_path, postgres.new_database(), lambda: hanging(postgres), SHORTLY)


async def test_a_full_disk(tmp_path: Path) -> None:
    async with small_disk(tmp_path / "disk") as disk:
        await ride_out(
            tmp_path / "acd",
            f"sqlite:///{disk}/acd.sqlite",
            lambda: filled(disk),
            SHORTLY,
            takes_nothing=False,
        )


async def ride_out(
    folder: Path, url: str, outage: Outage, seconds: float, *, takes_nothing: bool = True
) -> None:
    """Take the database away under 200 calls, give it back, and hold the records together.

    A disk that is full takes what fits into the write-ahead log as it stands: `takes_nothing`.
    """
    folder.mkdir(exist_ok=True)
    address = Addresses.free().carrier
    with Carrier(folder / "carrier", address, STEPS) as carrier:
        installation = await dialing_installation(
            folder, carrier, leads=LEADS, slots=UNDER_WAY, lines=UNDER_WAY, store_url=url
        )
        async with installation.engine("acd run --until-finished") as engine:
            await carrier.wait(lambda seen: seen.calls >= UNDER_WAY - 20)
            async with outage():
                await engine.wait_metric("acd_store_up", 0)
                dialed = carrier.calls
                # How long it is away is what is tried.
                await trio.sleep(seconds)
                await engine.read_metrics()
                assert engine.metric("acd_store_up") == 0
                assert engine.metric("acd_store_queue") >= dialed or not takes_nothing
                assert carrier.calls == dialed, "nobody was dialed meanwhile"
                assert len(carrier.received("BYE")) == dialed, "calls under way went on to the end"
            assert await engine.wait(timeout_seconds=90) == 0, engine.log()
        rows = rows_at(url or f"sqlite:///{folder}/acd.sqlite")
        records = Records.of(carrier, rows)
        backs = [row for row in rows("events") if row["what"] == "store_back"]
    records.assert_never_twice()
    records.assert_nothing_unrecorded()
    records.assert_nothing_open()
    assert records.dispositions() == {"handed_over"}, engine.log()
    assert len(records.invites) == len(records.leads) == LEADS
    downs, ups = (engine.log().count(f'"action": "{name}"') for name in ("store.down", "store.up"))
    assert downs == ups == 1, engine.log()
    assert len(backs) <= ups, "a server that only hung takes the very batch that waited for it"


@asynccontextmanager
async def locked(file: Path) -> AsyncIterator[None]:
    """Another process's transaction holds SQLite's one write lock."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


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
