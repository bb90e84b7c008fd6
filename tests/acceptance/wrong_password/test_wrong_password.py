"""A password that the PBX refuses: said once, not tried again and again (PBXes ban for that)."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.acceptance.support.installation import Installation
from tests.peers.addresses import Addresses
from tests.peers.centre import open_centre

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
WATCHED_SECONDS = 5.0
"""Long enough for a loop that tries again to show itself; nothing on the wire marks its absence."""
MOST_REQUESTS = 2
"""One without credentials, one with them."""


async def test_doctor_says_so_in_one_row(tmp_path: Path) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx, password="wrong")
    async with open_centre(ADDRESSES):
        doctor = await installation.command("acd doctor")
    assert doctor.exit_code == 1, str(doctor)
    refused = [line for line in doctor.stdout.splitlines() if "password" in line]
    assert len(refused) == 1, str(doctor)


async def test_the_engine_says_so_once_and_dials_nobody(tmp_path: Path) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx, password="wrong")
    async with open_centre(ADDRESSES) as centre, installation.engine() as engine:
        await engine.wait_metric("acd_trunk_status", 1, trunk="main", status="credentials_refused")
        await trio.sleep(WATCHED_SECONDS)
        traffic = centre.traffic()
        assert await engine.end() == 0, engine.log()
    assert len(traffic.from_engine("REGISTER")) <= MOST_REQUESTS, str(traffic)
    assert not traffic.from_engine("INVITE")
    said = [line for line in engine.log().splitlines() if "refused user or password" in line]
    assert len(said) == 1, engine.log()
    assert "wrong" not in engine.log()
    assert installation.rows("attempts") == []
