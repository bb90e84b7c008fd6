"""A campaign with an overflow queue: who would be abandoned is sent there, if anybody is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.agent_feed.test_agent_feed import (
    ADDRESSES,
    HANDED_OVER,
    PEOPLE,
    installation_with_feed,
    pause,
)
from tests.acceptance.agent_feed.test_agent_times import MARGIN_SECONDS
from tests.acceptance.support.installation import Installation, edit, uncomment
from tests.acceptance.support.records import seconds
from tests.peers import phones
from tests.peers.centre import Centre, open_centre

pytestmark = pytest.mark.real

LIMIT_SECONDS = 9.0
"""Time enough for the queue's member, also on a busy machine."""


def overflow_to_sales(installation: Installation) -> None:
    """The one agent of the campaign is an extension that the PBX does not know."""
    campaign = installation.folder / "campaigns" / "sample" / "campaign.toml"
    edit(campaign, {"extensions": '["199"]', "wait_limit_seconds": str(LIMIT_SECONDS)})
    uncomment(
        campaign, 'overflow = "sales"', f"overflow_before_limit_seconds = {LIMIT_SECONDS - 0.5}"
    )


async def only_102(centre: Centre) -> None:
    await pause(centre, "pause")


async def nobody(centre: Centre) -> None:
    await pause(centre, "pause")
    await centre.pbx.cli("queue pause member PJSIP/102 queue sales")


async def test_the_queues_member_has_the_person_inside_the_limit(tmp_path: Path) -> None:
    member = phones.agent_answers(ADDRESSES.agent_102, ring_ms=100, talk_ms=300)
    async with open_centre(ADDRESSES, member) as centre:
        await only_102(centre)
        installation = await installation_with_feed(
            tmp_path, host=ADDRESSES.pbx, people=PEOPLE[:1], prepare=overflow_to_sales
        )
        async with installation.engine() as engine:
            await engine.wait_metric(HANDED_OVER, 1, campaign="sample", disposition="handed_over")
            await engine.read_metrics()
            assert engine.metric("acd_abandoned_total", campaign="sample") == 0
            assert engine.metric("acd_overflows_total", campaign="sample", result="answered") == 1
            assert await engine.end() == 0, engine.log()
        answered = centre.traffic().to_engine(200, cseq="INVITE")[0].at_seconds
        picked_up = centre.traffic().of(ADDRESSES.agent_102, 200, cseq="INVITE")[0].at_seconds
    assert picked_up - answered < LIMIT_SECONDS
    [row] = installation.rows("attempts")
    assert (row["transfer_target"], row["transfer_result"]) == ("sales", "answered")
    assert row["agent"] == "102"
    assert abs(seconds(row["agent_answered_at"]) - picked_up) < MARGIN_SECONDS
    (told,) = await installation.succeed("acd report sample")
    assert "to the overflow: answered 1" in told.stdout


async def test_a_queue_without_a_member_is_spared_and_the_person_abandoned(tmp_path: Path) -> None:
    async with open_centre(ADDRESSES) as centre:
        await nobody(centre)
        installation = await installation_with_feed(
            tmp_path, host=ADDRESSES.pbx, people=PEOPLE[:1], prepare=short_overflow
        )
        async with installation.engine() as engine:
            await engine.wait_metric(HANDED_OVER, 1, campaign="sample", disposition="abandoned")
            assert await engine.end() == 0, engine.log()
            assert '"overflow.full"' in engine.log()
        refers = centre.traffic().from_engine("REFER")
    assert not [refer for refer in refers if "sales" in refer.get("refer-to")]
    [row] = installation.rows("attempts")
    assert (row["abandoned"], row["transfer_target"]) == (1, "199")


def short_overflow(installation: Installation) -> None:
    overflow_to_sales(installation)
    campaign = installation.folder / "campaigns" / "sample" / "campaign.toml"
    edit(campaign, {"wait_limit_seconds": "2.0", "overflow_before_limit_seconds": "1.0"})


async def test_a_queue_that_no_feed_sees_is_asked_and_what_it_says_is_believed(
    tmp_path: Path,
) -> None:
    async with open_centre(ADDRESSES) as centre:
        await nobody(centre)
        await centre.pbx.cli("dialplan set global ACD_QUEUE_SECONDS 1")
        installation = await installation_with_feed(
            tmp_path, host=ADDRESSES.pbx, people=PEOPLE[:1], prepare=blind
        )
        async with installation.engine() as engine:
            await engine.wait_metric(HANDED_OVER, 1, campaign="sample", disposition="abandoned")
            assert await engine.end() == 0, engine.log()
    [row] = installation.rows("attempts")
    assert (row["abandoned"], row["transfer_target"]) == (1, "sales")
    assert row["transfer_result"] in ("failed", "with_pbx")


def blind(installation: Installation) -> None:
    short_overflow(installation)
    settings = installation.folder / "acd.toml"
    before, _, _ = settings.read_text().partition("\n[feeds.ami]")
    settings.write_text(before)
