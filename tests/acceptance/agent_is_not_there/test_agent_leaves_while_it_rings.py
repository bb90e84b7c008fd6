"""Agents who go not ready while the phones ring that they were to have the people of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.acceptance.support.carrier import Carrier, dialing_installation
from tests.acceptance.support.installation import Engine
from tests.peers.addresses import Addresses
from tests.peers.sipp.steps import cancel, ring, terminate_cancelled, trying

pytestmark = pytest.mark.real

RINGS = (trying(), ring(), cancel(), terminate_cancelled())


async def test_the_call_that_nobody_is_left_for_is_cancelled_and_its_lead_tried_again(
    tmp_path: Path,
) -> None:
    with Carrier(tmp_path / "carrier", Addresses.free().carrier, RINGS) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=2)
        serve_by_agents_of_sql(installation.folder)
        await installation.succeed(
            "acd campaign reload sample",
            "acd agents import agents.csv",
            "acd agents ready anna",
            "acd agents ready ben",
        )
        async with installation.engine() as engine:
            await carrier.wait(lambda carrier: len(carrier.sent(180)) == 2)
            await installation.succeed("acd agents not-ready ben")
            await wait_stopped(engine, 1)
            (cancelled,) = carrier.received("CANCEL")
            assert cancelled == call_id_of_last(carrier), "anna is still there for the other one"
            await installation.succeed("acd agents not-ready anna")
            await wait_stopped(engine, 2)
            assert await engine.end() == 0, engine.log()
        assert len(carrier.received("CANCEL")) == carrier.calls == 2
    attempts = installation.rows("attempts")
    ended = [(row["disposition"], row["abandoned"], row["answered_at"]) for row in attempts]
    assert ended == [("stopped", 0, None)] * 2
    leads = installation.rows("leads")
    assert [(row["state"], row["attempts"]) for row in leads] == [("waiting", 1)] * 2


async def wait_stopped(engine: Engine, calls: int) -> None:
    await engine.wait_metric(
        "acd_dispositions_total", calls, campaign="sample", disposition="stopped"
    )


def serve_by_agents_of_sql(folder: Path) -> None:
    """Anna and Ben instead of places in a queue."""
    definition = folder / "campaigns" / "sample" / "campaign.toml"
    text, count = re.subn(r"queue = .*\nslots = .*\n", "", definition.read_text())
    assert count == 1
    definition.write_text(text)
    (folder / "agents.csv").write_text(
        "name,extension,campaigns\nanna,101,sample\nben,102,sample\n"
    )


def call_id_of_last(carrier: Carrier) -> str:
    invites = [said for said in carrier.said() if said.received and said.method == "INVITE"]
    return max(invites, key=lambda said: said.at_seconds).call_id
