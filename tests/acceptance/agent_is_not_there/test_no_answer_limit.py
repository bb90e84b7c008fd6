"""An agent whose phone rings unheard is given nobody more, until they say that they are back."""

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
from tests.acceptance.agent_feed.test_agent_times import MARGIN_SECONDS, patient, wait_talked
from tests.acceptance.agent_feed.test_dialog_info import subscribe_instead
from tests.acceptance.support.installation import Installation, uncomment
from tests.acceptance.support.records import seconds
from tests.peers import phones
from tests.peers.centre import Centre, open_centre
from tests.peers.wire import first_of_each_call

pytestmark = pytest.mark.real

LIMIT = 2


async def installation_of_anna(folder: Path) -> Installation:
    """Anna of SQL, ready at phone 101, whom subscriptions watch; nobody else."""
    installation = await installation_with_feed(
        folder, host=ADDRESSES.pbx, people=PEOPLE, prepare=prepare
    )
    (folder / "agents.csv").write_text("name,extension,campaigns\nanna,101,sample\n")
    await installation.succeed("acd agents import agents.csv", "acd agents ready anna")
    return installation


def prepare(installation: Installation) -> None:
    subscribe_instead(installation)
    patient(installation)
    campaign = installation.folder / "campaigns" / "sample" / "campaign.toml"
    uncomment(campaign, f"no_answer_limit = {LIMIT}")


async def colleague_takes_over(centre: Centre) -> None:
    """Whom 101 does not take within a second, the queue's only other member is called for."""
    await centre.pbx.cli("dialplan set global ACD_RING_SECONDS 1")
    await pause(centre, "pause")


async def test_a_silent_agent_is_not_ready_with_a_reason_though_a_colleague_took_the_people(
    tmp_path: Path,
) -> None:
    agents = (
        phones.agent_silent(ADDRESSES.agent_101),
        phones.agent_answers(ADDRESSES.agent_102, ring_ms=100, talk_ms=200),
    )
    async with open_centre(ADDRESSES, *agents) as centre:
        await colleague_takes_over(centre)
        installation = await installation_of_anna(tmp_path)
        async with installation.engine() as engine:
            await engine.wait_metric("acd_agents_benched_total", 1, campaign="sample")
            await engine.wait_metric("acd_agents", 1, state="not_ready")
            await engine.wait_metric(
                HANDED_OVER, LIMIT, campaign="sample", disposition="handed_over"
            )
            (listed,) = await installation.succeed("acd agents list")
            assert "not ready, no answer" in listed.stdout
            assert rung(centre) == LIMIT
            await installation.succeed("acd agents ready anna")
            await engine.wait_metric(
                HANDED_OVER, LIMIT + 1, campaign="sample", disposition="handed_over"
            )
            assert await engine.end() == 0, engine.log()
            assert '"agent.benched"' in engine.log()
        last = [row for row in installation.rows("events") if row["subject"] == "agent"]
    benched = [row for row in last if row["what"] == "not_ready" and "no answer" in row["detail"]]
    assert len(benched) == 1


def rung(centre: Centre) -> int:
    """How many people were sent to the phone of 101."""
    return len(first_of_each_call(centre.traffic().to(ADDRESSES.agent_101, "INVITE")))


async def test_the_row_names_the_colleague_who_took_a_silent_agents_person(tmp_path: Path) -> None:
    agents = (
        phones.agent_silent(ADDRESSES.agent_101),
        phones.agent_answers(ADDRESSES.agent_102, ring_ms=300, talk_ms=500),
    )
    async with open_centre(ADDRESSES, *agents) as centre:
        await colleague_takes_over(centre)
        installation = await installation_with_feed(
            tmp_path, host=ADDRESSES.pbx, people=PEOPLE[:1], prepare=deaf_to_pauses
        )
        async with installation.engine() as engine:
            await engine.wait_metric(HANDED_OVER, 1, campaign="sample", disposition="handed_over")
            row = await wait_talked(installation)
            assert await engine.end() == 0, engine.log()
        rang, picked_up = (
            centre.traffic().of(ADDRESSES.agent_102, status, cseq="INVITE")[0].at_seconds
            for status in (180, 200)
        )
    assert (row["agent"], row["transfer_target"]) == ("102", "101")
    assert abs(seconds(row["agent_rang_at"]) - rang) < MARGIN_SECONDS
    assert abs(seconds(row["agent_answered_at"]) - picked_up) < MARGIN_SECONDS


def deaf_to_pauses(installation: Installation) -> None:
    """101 is ready though they pause in the queue."""
    patient(installation)
    with (installation.folder / "acd.toml").open("a") as settings:
        settings.write('queues = ["elsewhere"]\n')


async def test_without_a_feed_an_extension_that_takes_nobody_is_not_dialed_for_any_more(
    tmp_path: Path,
) -> None:
    agents = (phones.agent_busy(ADDRESSES.agent_101), phones.agent_busy(ADDRESSES.agent_102))
    async with open_centre(ADDRESSES, *agents) as centre:
        await centre.pbx.cli("dialplan set global ACD_QUEUE_SECONDS 1")
        installation = await installation_with_feed(
            tmp_path, host=ADDRESSES.pbx, people=PEOPLE, prepare=blind
        )
        async with installation.engine() as engine:
            await engine.wait_metric("acd_agents", 1, state="not_ready")
            await engine.wait_metric("acd_agents_benched_total", 1, campaign="sample")
            await engine.wait_metric(
                "acd_campaign_hold", 1, campaign="sample", reason="no_ready_agent"
            )
            assert await engine.end() == 0, engine.log()
        assert len(first_of_each_call(centre.traffic().to(ADDRESSES.carrier, "INVITE"))) == LIMIT


def blind(installation: Installation) -> None:
    prepare(installation)
    settings = installation.folder / "acd.toml"
    settings.write_text(settings.read_text().replace("\n[feeds.dialog_info]\n", ""))
