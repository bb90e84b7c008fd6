"""A trunk's calls per second, counted where its INVITEs leave: no second has more of them.

Also after the database has held up what was to be dialed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from acd.sip.pool import BURST_SECONDS
from tests.acceptance.support.carrier import (
    FIRST_NUMBER,
    Carrier,
    add_campaign,
    dialing_installation,
)
from tests.acceptance.support.locking import locked
from tests.peers.addresses import Addresses
from tests.peers.sipp.steps import reject
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

CALLS_PER_SECOND = 50.0
MOST_IN_A_SECOND = int(CALLS_PER_SECOND * (1 + BURST_SECONDS))
HELD_UP_SECONDS = 1.0
"""A database that is locked for so long lets fifty attempts' rows be committed at once."""
MARGIN = 5
"""INVITEs more where the captured moments are those of a machine that has more to do than it has
cores: a tenth of a second's."""
LEADS = 200
"""Of each campaign: four seconds' worth."""


@pytest.mark.parametrize("campaigns", [1, 2])
async def test_no_second_has_more_invites_than_the_rate_and_its_burst(
    tmp_path: Path, campaigns: int
) -> None:
    address = Addresses.free().carrier
    with Carrier(tmp_path / "carrier", address, (reject("486 Busy Here"),)) as carrier:
        installation = await dialing_installation(
            tmp_path, carrier, leads=LEADS, slots=100, calls_per_second=CALLS_PER_SECOND
        )
        for number in range(1, campaigns):
            await add_campaign(
                installation,
                f"other{number}",
                first=FIRST_NUMBER + number * LEADS,
                leads=LEADS,
            )
        with Wire(address, port=5060) as wire:
            async with installation.engine() as engine:
                await carrier.wait(lambda seen: seen.calls > LEADS / 4, timeout_seconds=120)
                with locked(installation.folder / "acd.sqlite"):
                    # How long it is locked is what is tried.
                    await trio.sleep(HELD_UP_SECONDS)
                await carrier.wait(
                    lambda seen: seen.calls == campaigns * LEADS, timeout_seconds=120
                )
                assert await engine.end() == 0, engine.log()
            moments = first_invites(wire)
    assert len(moments) == campaigns * LEADS
    assert most_in_a_second(moments) <= MOST_IN_A_SECOND + MARGIN
    rate = len(moments) / (moments[-1] - moments[0] - HELD_UP_SECONDS)
    assert rate >= 0.6 * CALLS_PER_SECOND, "nor many fewer, on a busy machine"


def first_invites(wire: Wire) -> list[float]:
    """When each call's INVITE left; a retransmission has its Call-ID."""
    calls: dict[str, float] = {}
    for message in select(wire.sip(), "INVITE"):
        calls.setdefault(message.call_id, message.at_seconds)
    return sorted(calls.values())


def most_in_a_second(moments: list[float]) -> int:
    """The most in any window of one second."""
    return max(sum(0 <= at - start < 1.0 for at in moments) for start in moments)
