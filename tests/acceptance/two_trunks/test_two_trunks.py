"""Two trunks and a campaign on each: one PBX that dies stops its own campaign and no other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.acceptance.support.installation import Installation, edit, uncomment
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import open_centre
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import ack, answer, bye, invite, notify, refer, ring, write
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
SECOND_PBX = Addresses.free()
_TAKES_TRANSFERS = (
    *(invite(), ring(), answer(codec="PCMU"), ack()),
    *(refer(202), notify(200, final=True), bye()),
)


def second_campaign(installation: Installation, domain: str) -> None:
    """A trunk of other codecs, over TCP, without an account, and a campaign that dials on it."""
    with (installation.folder / "acd.toml").open("a") as settings:
        settings.write(
            f'\n[[trunk]]\nname = "second"\ndomain = "{domain}"\nuser = "other"\n'
            'register = false\ntransport = "tcp"\ncodecs = ["PCMU"]\nlines = 2\n'
            f'user_agent = "other dialer"\nbind_address = "{SECOND_PBX.dialer}"\n'
        )
    folder = installation.folder / "campaigns"
    shutil.copytree(folder / "sample", folder / "other")
    uncomment(folder / "other" / "campaign.toml", 'trunk = "second"')
    edit(folder / "other" / "campaign.toml", {"extensions": '["102"]'})


async def test_each_campaign_dials_on_its_own_trunk(tmp_path: Path) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    agent = phones.agent_answers(ADDRESSES.agent_101)
    scenario = write(tmp_path, *_TAKES_TRANSFERS)
    with (
        Sipp.uas(scenario, Bind(SECOND_PBX.pbx), transport="t1") as second,
        Wire(SECOND_PBX.pbx) as wire,
    ):
        second_campaign(installation, str(second.bind))
        await installation.succeed(
            "acd leads import other campaigns/other/leads.csv", "acd campaign start other"
        )
        async with open_centre(ADDRESSES, agent) as centre, installation.engine() as engine:
            for campaign in ("sample", "other"):
                await engine.wait_metric(
                    "acd_dispositions_total", 1, campaign=campaign, disposition="handed_over"
                )
            assert await engine.end() == 0, engine.log()
            assert len(centre.traffic().to(ADDRESSES.carrier, "INVITE")) == 1
        (invited,) = select(wire.sip(), "INVITE")
    assert invited.get("User-Agent") == "other dialer"
    assert re.search(rb"m=audio \d+ RTP/AVP 0 (?!8)", invited.body)


async def test_a_dead_pbx_stops_its_own_campaign_alone(tmp_path: Path) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    scenario = write(tmp_path, *_TAKES_TRANSFERS)
    with Sipp.uas(scenario, Bind(SECOND_PBX.pbx), transport="t1") as second:
        second_campaign(installation, str(second.bind))
        await installation.succeed(
            "acd leads import other campaigns/other/leads.csv", "acd campaign start other"
        )
        # Nothing is at the first trunk's address.
        async with installation.engine() as engine:
            await engine.wait_metric(
                "acd_dispositions_total", 1, campaign="other", disposition="handed_over"
            )
            await engine.read_metrics()
            assert engine.metric("acd_originates_total", campaign="sample") == 0
            assert await engine.end() == 0, engine.log()
