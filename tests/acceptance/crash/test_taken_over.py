"""kill -9, and the engine that comes after it has another name: a container's new hostname."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.acceptance.crash import hasty_engine
from tests.acceptance.crash.test_killed_at_each_point import (
    assert_left_for_review,
    kill,
    wait_attempt,
)
from tests.acceptance.support.carrier import Carrier, dialing_installation
from tests.acceptance.support.records import Records
from tests.peers.addresses import Addresses
from tests.peers.sipp.steps import ack, answer, bye, refer

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
HASTY = f'"{sys.executable}" "{hasty_engine.__file__}" run'


async def test_an_engine_of_another_name_hangs_up_what_the_dead_one_left(tmp_path: Path) -> None:
    steps = (answer(), ack(), refer(202), bye())
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, steps) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=1)
        async with installation.engine(HASTY) as engine:
            await carrier.wait(lambda seen: seen.sent(202), timeout_seconds=120)
            await wait_attempt(installation, lambda row: row["state"] == "answered")
            await kill(engine)
        (dead,) = installation.rows("nodes")
        settings = tmp_path / "acd.toml"
        settings.write_text(f'control_socket = "another.sock"\n{settings.read_text()}')
        async with installation.engine(HASTY) as engine:
            await carrier.wait(lambda seen: seen.received("BYE"), timeout_seconds=120)
            await wait_attempt(installation, lambda row: row["state"] == "closed")
            assert await engine.end() == 0, engine.log()
        assert carrier.received("BYE") == carrier.received("REFER")
        records = Records.of(carrier, installation.rows)
    assert f'"dead": "{dead["node"]}"' in engine.log()
    assert_left_for_review(records)
    assert installation.rows("nodes") == []
