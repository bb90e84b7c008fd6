"""The whole engine at its size: three campaigns fill 999 lines, and everybody is accounted for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.support.carrier import (
    FIRST_NUMBER,
    Carrier,
    add_campaign,
    dialing_installation,
    handed_over,
)
from tests.acceptance.support.records import Records
from tests.peers.addresses import Addresses

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
LINES = 999
CAMPAIGNS = ("sample", "second", "third")
LEADS = 400
"""Of each campaign: together more than there are lines."""
AGENT_MS = 24_000
"""From the 202 to the agent's answer: the lines are full long before the first one ends."""


async def test_three_campaigns_fill_999_lines_and_nobody_is_lost(tmp_path: Path) -> None:
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, handed_over(agent_ms=AGENT_MS)) as seen:
        installation = await dialing_installation(
            tmp_path,
            seen,
            leads=LEADS,
            slots=LEADS,
            lines=LINES,
            calls_per_second=100.0,
            wait_limit_seconds=30.0,
        )
        for number, name in enumerate(CAMPAIGNS[1:], start=1):
            await add_campaign(installation, name, first=FIRST_NUMBER + number * LEADS, leads=LEADS)
        async with installation.engine("acd run --until-finished") as engine:
            await engine.wait_metric("acd_lines", 0, trunk="main", state="idle", timeout_seconds=60)
            held = {
                name: engine.metric("acd_leased_lines", trunk="main", holder=name)
                for name in CAMPAIGNS
            }
            assert sum(held.values()) == LINES
            assert min(held.values()) > LINES / 4, "each has its share"
            assert await engine.wait(timeout_seconds=120) == 0, engine.log()
        assert seen.most_up() == LINES, "answered and not over at one moment"
        assert seen.received("BYE") == seen.sent(202)
        records = Records.of(seen, installation.rows)
    records.assert_the_same_calls()
    assert len(records.invites) == len(records.leads) == len(CAMPAIGNS) * LEADS
    rows = installation.rows("attempts")
    assert Counter(row["disposition"] for row in rows) == {"handed_over": len(CAMPAIGNS) * LEADS}
    assert set(Counter(row["campaign_id"] for row in rows).values()) == {LEADS}
