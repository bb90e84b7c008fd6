"""The whole engine at its size: three campaigns fill 999 lines, and everybody is accounted for."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.support.carrier import (
    FIRST_NUMBER,
    Carrier,
    dialing_installation,
    handed_over,
)
from tests.acceptance.support.installation import Installation
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
            await another(installation, name, first=FIRST_NUMBER + number * LEADS)
        async with installation.engine("acd run --until-finished") as engine:
            await engine.wait_metric("acd_lines", 0, trunk="main", state="idle", timeout_seconds=60)
            held = {
                name: engine.metric("acd_leased_lines", trunk="main", holder=name)
                for name in CAMPAIGNS
            }
            assert sum(held.values()) == LINES
            assert min(held.values()) > LINES / 4, "each has its share"
            assert await engine.wait(timeout_seconds=120) == 0, engine.log()
        assert len(seen.invites()) == seen.calls == len(CAMPAIGNS) * LEADS, "each number once"
        assert seen.received("BYE") == seen.sent(202)
    rows = installation.rows("attempts")
    assert Counter(row["disposition"] for row in rows) == {"handed_over": len(CAMPAIGNS) * LEADS}
    assert set(Counter(row["campaign_id"] for row in rows).values()) == {LEADS}


async def another(installation: Installation, name: str, *, first: int) -> None:
    """A campaign like the first, with a queue and leads of its own."""
    folder = installation.folder / "campaigns"
    shutil.copytree(folder / "sample", folder / name)
    file = folder / name / "campaign.toml"
    file.write_text(file.read_text().replace('queue = "sales"', f'queue = "{name}"'))
    numbers = "\n".join(f"+{first + lead}" for lead in range(LEADS))
    (folder / name / "leads.csv").write_text(f"phone\n{numbers}\n")
    await installation.succeed(
        f"acd leads import {name} campaigns/{name}/leads.csv", f"acd campaign start {name}"
    )
