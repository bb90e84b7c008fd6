"""Agents in SQL at the phones of a real PBX, told what to do by commands."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from tests.acceptance.support.installation import Installation, edit
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import open_centre

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
TOLD_SECONDS = 1.0
"""How soon a running engine has taken up what a command says."""
MARGIN_SECONDS = 0.5
"""For a machine that has more to do than it has cores."""


async def test_an_agent_of_two_campaigns_starts_at_a_command_and_has_one_person_at_a_time(
    tmp_path: Path,
) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    share_with_second_campaign(installation)
    await installation.succeed(
        "acd campaign reload sample",
        "acd campaign create second",
        "acd leads import second campaigns/second/leads.csv",
        "acd campaign start second",
    )
    (installation.folder / "agents.csv").write_text(
        "name,extension,campaigns\nanna,101,sample second\n"
    )
    (imported,) = await installation.succeed("acd agents import agents.csv")
    assert "1 agents added" in imported.stdout
    assert "no engine runs here" in imported.stdout
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=500)
    async with open_centre(ADDRESSES, phone) as centre, installation.engine() as engine:
        await engine.wait_metric("acd_agents", 1, state="logged_off")
        assert not centre.traffic().from_engine("INVITE"), "anna has not come yet"
        (said,) = await installation.succeed("acd agents ready anna")
        told_at = trio.current_time()
        assert "agent anna is ready; the engine (pid" in said.stdout
        while not centre.traffic().from_engine("INVITE"):
            assert trio.current_time() < told_at + TOLD_SECONDS + MARGIN_SECONDS, engine.log()
            await trio.sleep(0.02)  # the wire raises no event
        for name in ("sample", "second"):
            await engine.wait_metric(
                "acd_dispositions_total", 1, campaign=name, disposition="handed_over"
            )
        assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    refers = traffic.from_engine("REFER")
    assert len(refers) == 2
    byes = traffic.of(ADDRESSES.agent_101, "BYE")
    assert all(byes[0].at_seconds < after.at_seconds for _, after in pairwise(refers))
    events = [row["what"] for row in installation.rows("events") if row["subject"] == "agent"]
    assert events[:5] == ["added", "not_ready", "ready", "reserved", "on_call"]
    (told,) = await installation.succeed("acd agents times --json")
    (anna,) = json.loads(told.stdout)["agents"]
    assert anna["persons"] == 2
    # One call takes 2 s by the clock, and there is no wrap-up without a feed.
    assert 0 < anna["on_call_seconds"] <= anna["staffed_seconds"]
    assert 0 < anna["occupancy"] <= 1
    (shown,) = await installation.succeed("acd agents times")
    assert "anna" in shown.stdout
    assert "occupancy" in shown.stdout


def share_with_second_campaign(installation: Installation) -> None:
    """A copy of the sample whose one lead is somebody else; one agent's call takes 2 s."""
    campaigns = installation.folder / "campaigns"
    edit(campaigns / "sample" / "campaign.toml", {"handle_seconds": "2"})
    shutil.copytree(campaigns / "sample", campaigns / "second")
    leads = campaigns / "second" / "leads.csv"
    text = leads.read_text(encoding="utf-8")
    assert phones.ANSWERS in text or "030/23125 001" in text
    leads.write_text(
        text.replace(phones.ANSWERS, phones.ANSWERS[:-1] + "2").replace("23125 001", "23125 002"),
        encoding="utf-8",
    )
