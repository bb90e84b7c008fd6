"""Leads whom nobody could be handed: busy, or never picking up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.support.installation import Installation, uncomment
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import open_centre

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
RING_SECONDS = 15.0
"""The shortest that acd accepts (16 CFR 310.4(b)(4)(ii))."""


async def test_a_busy_lead_is_busy_and_nothing_is_transferred(tmp_path: Path) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx, number=phones.BUSY)
    async with open_centre(ADDRESSES) as centre, installation.engine() as engine:
        await engine.wait_metric("acd_dispositions_total", 1, campaign="sample", disposition="busy")
        assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    assert not traffic.from_engine("REFER")
    assert len(traffic.to(ADDRESSES.carrier, "INVITE")) == 1
    (attempt,) = installation.rows("attempts")
    assert (attempt["disposition"], attempt["cause"]) == ("busy", "busy")
    assert (attempt["sip_status"], attempt["q850_cause"]) == (486, 17)
    (lead,) = installation.rows("leads")
    assert (lead["state"], lead["attempts"]) == ("waiting", 1)


async def test_a_lead_who_does_not_pick_up_is_cancelled_after_the_ring_timeout(
    tmp_path: Path,
) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx, number=phones.SILENT)
    uncomment(installation.folder / "acd.toml", f"ring_timeout_seconds = {RING_SECONDS}")
    async with open_centre(ADDRESSES) as centre, installation.engine() as engine:
        await engine.wait_metric(
            "acd_dispositions_total", 1, campaign="sample", disposition="no_answer"
        )
        assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    (cancel,) = traffic.from_engine("CANCEL")
    rang = cancel.at_seconds - traffic.from_engine("INVITE")[0].at_seconds
    assert RING_SECONDS <= rang < RING_SECONDS + 1
    assert traffic.to(ADDRESSES.carrier, "CANCEL"), "the person's phone stopped ringing"
    assert not traffic.from_engine("REFER")
    (attempt,) = installation.rows("attempts")
    assert (attempt["disposition"], attempt["cause"]) == ("no_answer", "no_answer")
