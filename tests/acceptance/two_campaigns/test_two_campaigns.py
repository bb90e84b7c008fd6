"""Two campaigns of weights 3 and 1 want more than one trunk has: the carrier counts 3 : 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.support.carrier import (
    FIRST_NUMBER,
    Carrier,
    add_campaign,
    dialing_installation,
    handed_over,
)
from tests.peers.addresses import Addresses

pytestmark = pytest.mark.real

LIGHT_LEADS, HEAVY_LEADS = 50, 110
OTHER_BLOCK = 10_000
"""The heavy campaign's numbers stand so far behind the light one's."""
SETTLED, COUNTED = 20, 120
"""Originates that are not counted at first, and those that are: both campaigns have leads left."""


@pytest.mark.parametrize(
    ("lines", "calls_per_second", "steps"),
    [
        (100, 30.0, handed_over()),
        (8, 100.0, handed_over(ring_ms=100, agent_ms=100)),
    ],
    ids=["too few calls per second", "too few lines"],
)
async def test_weights_share_what_is_scarce(
    tmp_path: Path, lines: int, calls_per_second: float, steps: tuple[str, ...]
) -> None:
    with Carrier(tmp_path / "carrier", Addresses.free().carrier, steps) as carrier:
        installation = await dialing_installation(
            tmp_path, carrier, leads=LIGHT_LEADS, lines=lines, calls_per_second=calls_per_second
        )
        await add_campaign(
            installation,
            "heavy",
            first=FIRST_NUMBER + OTHER_BLOCK,
            leads=HEAVY_LEADS,
            more="weight = 3",
        )
        async with installation.engine("acd run --until-finished") as engine:
            assert await engine.wait() == 0, engine.log()
    assert carrier.calls == LIGHT_LEADS + HEAVY_LEADS, (
        "what the heavy one leaves, the light one gets"
    )
    order = originates(carrier)
    assert len(order) == LIGHT_LEADS + HEAVY_LEADS
    counted = order[SETTLED : SETTLED + COUNTED]
    heavy, light = counted.count("heavy"), counted.count("light")
    assert 2.7 <= heavy / light <= 3.3, (heavy, light)


def originates(carrier: Carrier) -> list[str]:
    """Whose INVITE each was, in their order; retransmissions aside."""
    seen: dict[str, str] = {}
    for said in carrier.said():
        if said.received and said.number:
            heavy = int(said.number.lstrip("+")) >= FIRST_NUMBER + OTHER_BLOCK
            seen.setdefault(said.call_id, "heavy" if heavy else "light")
    return list(seen.values())
