"""What a real PBX does with the calls of an engine that was killed, once it starts again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.crash.test_killed_at_each_point import HELD, kill, wait_attempt
from tests.acceptance.support.installation import Installation
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import Traffic, open_centre
from tests.peers.watching import wait_on_wire
from tests.peers.wire import select

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()


async def test_an_answered_person_is_hung_up_at_the_next_start(tmp_path: Path) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    async with open_centre(ADDRESSES) as centre:
        async with installation.engine(f"{HELD} blind_transfer run") as engine:
            await wait_attempt(installation, lambda row: row["state"] == "answered")
            await kill(engine)
        log = await start_again(installation)
        await wait_on_wire(
            centre.wire,
            lambda seen: [m for m in select(seen, "BYE") if m.destination[0] == ADDRESSES.carrier],
        )
        traffic = centre.traffic()
    (bye,) = traffic.from_engine("BYE")
    assert_pbx_took(traffic, bye.call_id)
    assert_told_with_its_ids(log, installation)
    assert_one_unknown(installation, bye.call_id)


async def test_a_phone_that_rings_stops_at_the_next_start(tmp_path: Path) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx, number=phones.SILENT)
    async with open_centre(ADDRESSES) as centre:
        async with installation.engine() as engine:
            await wait_attempt(installation, lambda row: row["sip_call_id"])
            await kill(engine)
        log = await start_again(installation)
        await wait_on_wire(
            centre.wire,
            lambda seen: [
                m for m in select(seen, "CANCEL") if m.destination[0] == ADDRESSES.carrier
            ],
        )
        traffic = centre.traffic()
    (bye,) = traffic.from_engine("BYE")
    assert_pbx_took(traffic, bye.call_id)
    assert_told_with_its_ids(log, installation)
    assert_one_unknown(installation, bye.call_id)


async def start_again(installation: Installation) -> str:
    """The campaign has nobody left to dial, so the engine leaves by itself; its log."""
    async with installation.engine("acd run --until-finished") as engine:
        assert await engine.wait() == 0, engine.log()
    return engine.log()


def assert_pbx_took(traffic: Traffic, call_id: str) -> None:
    """One INVITE in all, and the PBX says 200 to the BYE of its dialog."""
    assert {invite.call_id for invite in traffic.from_engine("INVITE")} == {call_id}
    (answer,) = traffic.to_engine(200, cseq="BYE")
    assert answer.call_id == call_id


def assert_told_with_its_ids(log: str, installation: Installation) -> None:
    (lead,) = installation.rows("leads")
    lines = {line["action"]: line for line in map(json.loads, log.splitlines())}
    told = lines["leftover.ended"]
    assert (told["campaign"], told["lead"]) == ("sample", lead["lead_id"])
    assert (told["attempt"], told["call"]) == (1, "a1")
    assert lines["campaign.finished"]["campaign"] == "sample"


def assert_one_unknown(installation: Installation, call_id: str) -> None:
    (attempt,) = installation.rows("attempts")
    assert (attempt["disposition"], attempt["sip_call_id"]) == ("unknown", call_id)
    (lead,) = installation.rows("leads")
    assert lead["state"] == "review"
