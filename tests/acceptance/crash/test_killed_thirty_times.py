"""kill -9, thirty times, in one campaign of 2,000 leads: nobody twice, nobody forgotten."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.acceptance.support.carrier import Carrier, dialing_installation, handed_over
from tests.acceptance.support.installation import Installation
from tests.acceptance.support.records import Records
from tests.peers.addresses import Addresses

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
LEADS = 2000
KILLS = 30
SEED = 5
MOST_CALLS_A_LIFE = 100
WHILE_STARTING = 5
"""Every fifth kill comes while the engine still cleans up after the last one."""
LONGEST_START_SECONDS = 2.0


async def test_nobody_is_dialed_twice_and_nobody_is_lost(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    moments = random.Random(SEED)  # noqa: S311 # not for secrets
    steps = handed_over(ring_ms=60, agent_ms=120)
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, steps) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=LEADS)
        for kill in range(1, KILLS + 1):
            await live_and_die(installation, carrier, moments, starting=kill % WHILE_STARTING == 0)
        async with installation.engine("acd run --until-finished") as engine:
            assert await engine.wait(timeout_seconds=120) == 0, engine.log()
        records = Records.of(carrier, installation.rows)
        hung_up = carrier.received("BYE")
        referred = carrier.received("REFER")

    records.assert_never_twice()
    records.assert_nothing_unrecorded()
    records.assert_nothing_open()
    records.assert_unknown_waits_for_review()
    assert len(records.leads) == LEADS
    assert all(len(rows) == 1 for rows in records.attempts.values()), "one attempt each"
    assert records.dispositions() == {"handed_over", "unknown"}
    for row in records.with_disposition("handed_over"):
        assert row["sip_call_id"] in referred & hung_up
    orphans = records.with_disposition("unknown")
    known = {row["sip_call_id"] for row in orphans if row["sip_call_id"]}
    assert known, "no kill met a call whose dialog was known"
    assert known <= hung_up, "every dialog that SQL knew got its BYE"
    record_property("orphans", len(orphans))
    record_property("orphans_with_dialog", len(known))


async def live_and_die(
    installation: Installation, carrier: Carrier, moments: random.Random, *, starting: bool
) -> None:
    """One life of the engine, ended by SIGKILL at a moment that the seed chose."""
    before = carrier.calls
    calls = moments.randint(1, MOST_CALLS_A_LIFE)
    async with installation.engine() as engine:
        if starting:
            # The moment itself is what is tried: there is nothing to wait for.
            await trio.sleep(moments.uniform(0.1, LONGEST_START_SECONDS))
        else:
            await carrier.wait(lambda seen: seen.calls >= before + calls, timeout_seconds=60)
        assert engine.process.poll() is None, engine.log()
        engine.process.kill()
        await engine.process.wait()
