"""A transfer is not answered before a phone is picked up, whatever acd itself was sending."""

from __future__ import annotations

import pytest
import trio

from acd.lines import (
    Answered,
    CallId,
    Destination,
    DestinationKind,
    LinePool,
    OriginateRequest,
    TransferResult,
    TrunkStatus,
)
from acd.settings import TrunkSettings
from acd.sip import open_sip
from tests.integration.sip.conftest import until, wait_status
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import DIALER, DIALER_PASSWORD
from tests.peers.centre import open_centre

pytestmark = pytest.mark.real

CALLS = 80
"""Two in a hundred were reported as answered while a frame of ours could pass the REFER."""
APART_SECONDS = 0.08
LISTENED_SECONDS = 0.3
RINGING_SECONDS = 1.0
"""The false report came 3 to 12 ms after the REFER."""


async def test_no_transfer_to_a_silent_phone_is_reported_as_answered() -> None:
    there = Addresses.free()
    told: list[TransferResult | None] = []
    async with open_centre(there, phones.agent_silent(there.agent_101)):
        trunk_settings = TrunkSettings.model_validate(
            {
                "name": "asterisk",
                "domain": there.pbx,
                "user": DIALER,
                "password": DIALER_PASSWORD,
                "lines": CALLS,
                "bind_address": there.dialer,
            }
        )
        async with open_sip([trunk_settings], probe=None) as sip:
            trunk = sip.trunk("asterisk")
            await wait_status(trunk, TrunkStatus.UP)
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    for number in range(CALLS):
                        nursery.start_soon(_transfer, trunk.lines, number, told)
                        await trio.sleep(APART_SECONDS)
    assert told == [None] * CALLS


async def _transfer(lines: LinePool, number: int, told: list[TransferResult | None]) -> None:
    """Add what the PBX said of the transfer before anybody could have picked up."""
    async with lines.lease(holder="test", deadline_seconds=60) as line:
        person = Destination(kind=DestinationKind.LEAD, user=phones.ANSWERS)
        await line.originate(
            OriginateRequest(
                call_id=CallId(f"early-{number}"), destination=person, ring_timeout_seconds=20
            )
        )
        await until(line, Answered)
        await trio.sleep(LISTENED_SECONDS)
        agent = Destination(kind=DestinationKind.TRANSFER, user="101")
        result = None
        wait = line.blind_transfer(agent, timeout_seconds=30)
        with trio.move_on_after(RINGING_SECONDS):
            result = await wait()
        told.append(result)
