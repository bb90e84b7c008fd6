"""kill -9 at each point of a call's life: what the next start makes of it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.acceptance.crash import held_engine
from tests.acceptance.support.carrier import Carrier, dialing_installation, handed_over
from tests.acceptance.support.installation import Engine, Installation
from tests.acceptance.support.records import Records
from tests.peers.addresses import Addresses
from tests.peers.sipp.steps import ack, answer, bye, refer, ring, trying

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
HELD = f'"{sys.executable}" "{held_engine.__file__}"'


async def test_committed_and_the_invite_unsent(tmp_path: Path) -> None:
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, handed_over()) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=1)
        async with installation.engine(f"{HELD} originate run") as engine:
            await wait_attempt(installation, lambda row: row["state"] == "dialing")
            await kill(engine)
        records = await records_of_next_start(carrier, installation)
    assert records.invites == {}, "nobody knows that it was not dialed, so it is not dialed now"
    assert_left_for_review(records)


async def test_sent_and_no_answer(tmp_path: Path) -> None:
    steps = (trying(), ring(), bye())
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, steps) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=1)
        async with installation.engine(f'env TMPDIR="{temporary}" acd run') as engine:
            await wait_attempt(installation, lambda row: row["sip_call_id"])
            await kill(engine)
        assert list(temporary.iterdir()) == [], "nothing stays that nobody would take away"
        records = await records_of_next_start(carrier, installation)
        assert len(carrier.received("BYE")) == 1, "the phone stops ringing (RFC 3261 15)"
    assert len(records.invites) == 1
    assert_left_for_review(records)


async def test_answered_and_no_refer(tmp_path: Path) -> None:
    steps = (answer(), ack(), bye())
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, steps) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=1)
        async with installation.engine(f"{HELD} blind_transfer run") as engine:
            await wait_attempt(installation, lambda row: row["state"] == "answered")
            await kill(engine)
        records = await records_of_next_start(carrier, installation)
        assert carrier.received("REFER") == set()
        assert carrier.received("BYE") == carrier.sent(200) & carrier.received("ACK")
    assert_left_for_review(records)


async def test_refer_and_no_notify(tmp_path: Path) -> None:
    steps = (answer(), ack(), refer(202), bye())
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, steps) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=1)
        async with installation.engine() as engine:
            await carrier.wait(lambda seen: seen.sent(202))
            await wait_attempt(installation, lambda row: row["state"] == "answered")
            await kill(engine)
        records = await records_of_next_start(carrier, installation)
        assert carrier.received("BYE") == carrier.received("REFER")
    assert_left_for_review(records)


async def test_batch_unwritten(tmp_path: Path) -> None:
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, handed_over(ring_ms=1500)) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=1)
        with closing(sqlite3.connect(tmp_path / "acd.sqlite", isolation_level=None)) as other:
            async with installation.engine() as engine:
                await carrier.wait(lambda seen: seen.calls)
                other.execute("BEGIN IMMEDIATE")
                await carrier.wait(lambda seen: seen.received("BYE"))
                await engine.read_metrics()
                assert engine.metric("acd_store_queue") > 0, engine.log()
                await kill(engine)
        records = await records_of_next_start(carrier, installation)
    records.assert_never_twice()
    assert len(records.invites) == 1
    assert_left_for_review(records)


async def wait_attempt(
    installation: Installation, seen: Callable[[dict[str, Any]], object]
) -> None:
    """Wait until this is true of the one attempt in the database."""
    with trio.fail_after(30):
        while True:
            if any(seen(row) for row in installation.rows("attempts")):
                return
            # Another process writes the database: it can only be asked again.
            await trio.sleep(0.02)


async def kill(engine: Engine) -> None:
    engine.process.kill()
    await engine.process.wait()


async def records_of_next_start(carrier: Carrier, installation: Installation) -> Records:
    """Start again; the campaign has nobody left to dial, so the engine leaves by itself."""
    async with installation.engine("acd run --until-finished") as engine:
        assert await engine.wait() == 0, engine.log()
    return Records.of(carrier, installation.rows)


def assert_left_for_review(records: Records) -> None:
    """One attempt, closed as unknown; its lead waits for a person."""
    records.assert_nothing_unrecorded()
    records.assert_nothing_open()
    records.assert_unknown_waits_for_review()
    ((attempt,),) = records.attempts.values()
    assert (attempt["disposition"], attempt["dialog"]) == ("unknown", None)
