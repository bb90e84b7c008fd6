"""Leads that agents look at before they are dialed, on scripted lines with a real SQLite."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
import trio

from acd.agents import AgentId, AgentState
from acd.calls import DisconnectCause
from acd.clock import SystemClock
from acd.dialer.preview import Preview
from acd.dialer.scheduler import Scheduler
from acd.errors import BadInput
from acd.rules.preview import PreviewEnd
from acd.store import schema as t
from acd.store.campaigns import CampaignState
from acd.store.dnc import add_numbers, list_to_add_to
from acd.store.events import Subject, events_of
from acd.store.lead_changes import promise_callback
from tests.fakes.lines import FakeTrunk, Script
from tests.integration.dialer.test_agents import NOBODY_ELSE, agent, ask, what_happened
from tests.integration.dialer.test_scheduler import (
    HANDLE_SECONDS,
    Floor,
    floor,
    looked_again,
    until,
)

__all__ = ["floor"]

ANNA = AgentId("201")
BUSY = Script(answers_after=None, cause=DisconnectCause.BUSY)


def preview_campaign(floor: Floor, *, leads: int = 2, **changes: Any) -> int:
    """Served by anna, who is ready, and by nobody else."""
    values = {"dial_mode": "preview", "agents": NOBODY_ELSE, "preview_seconds": 60, **changes}
    campaign_id = floor.campaign(leads=leads, **values)
    agent(floor, "anna", ANNA, campaign_id)
    ask(floor, "anna", AgentState.READY)
    return campaign_id


async def take(scheduler: Scheduler) -> Preview:
    await until(lambda: scheduler.agent_states() == {AgentState.READY: 1})
    preview = await scheduler.previews.take(ANNA, "anna")
    assert preview is not None
    return preview


async def finish(scheduler: Scheduler, end: PreviewEnd) -> None:
    await scheduler.previews.finish(ANNA, "anna", end)


def dialed(trunk: FakeTrunk) -> list[str]:
    return [line.requests[0].destination.user for line in trunk.lines.used]


async def test_a_lead_is_dialed_when_its_agent_accepts_it_and_the_person_comes_to_them(
    floor: Floor,
) -> None:
    preview_campaign(floor)
    trunk = floor.trunk()
    async with floor.running(trunk) as scheduler:
        preview = await take(scheduler)
        assert scheduler.agent_states() == {AgentState.RESERVED: 1}
        await looked_again(trunk)
        assert trunk.lines.used == [], "nobody has said yes"
        assert await scheduler.previews.take(ANNA, "anna") is preview
        await finish(scheduler, PreviewEnd.ACCEPTED)
        await until(lambda: floor.column(t.attempts.c.disposition) == ["handed_over"])
    assert dialed(trunk) == [preview.lead.e164]
    assert floor.column(t.attempts.c.agent) == [ANNA]
    assert sorted(floor.column(t.leads.c.state)) == ["closed", "waiting"]


async def test_a_skipped_lead_waits_and_the_next_one_is_shown(floor: Floor) -> None:
    preview_campaign(floor, preview_skip_seconds=600)
    trunk = floor.trunk()
    async with floor.running(trunk) as scheduler:
        first = await take(scheduler)
        await finish(scheduler, PreviewEnd.SKIPPED)
        second = await scheduler.previews.take(ANNA, "anna")
        assert second is not None
        assert second.lead.lead_id != first.lead.lead_id
        await finish(scheduler, PreviewEnd.SKIPPED)
        assert await scheduler.previews.take(ANNA, "anna") is None, "both wait"
        assert scheduler.agent_states() == {AgentState.READY: 1}
    assert trunk.lines.used == []
    assert floor.column(t.leads.c.attempts) == [0, 0]
    events = floor.store.read_sync(events_of, Subject.LEAD, str(first.lead.lead_id))
    assert [(e.what, e.detail["agent"]) for e in events if e.what == "skipped"] == [
        ("skipped", "anna")
    ]


@pytest.mark.parametrize(("policy", "calls"), [("dial", 1), ("skip", 0)])
async def test_when_the_time_is_over_the_campaign_decides(
    floor: Floor, policy: str, calls: int
) -> None:
    preview_campaign(floor, leads=1, preview_seconds=1, preview_timeout=policy)
    trunk = floor.trunk(BUSY)
    async with floor.running(trunk) as scheduler:
        await take(scheduler)
        await until(lambda: scheduler.previews.of(ANNA) is None)
        assert len(trunk.lines.used) == calls
        await until(lambda: floor.column(t.leads.c.state) == ["waiting"])
        with pytest.raises(BadInput, match="they look at no lead"):
            await finish(scheduler, PreviewEnd.ACCEPTED)


async def test_an_agent_whose_lead_does_not_answer_is_ready_for_the_next(floor: Floor) -> None:
    preview_campaign(floor)
    async with floor.running(floor.trunk(BUSY)) as scheduler:
        for _ in range(2):
            await take(scheduler)
            await finish(scheduler, PreviewEnd.ACCEPTED)
            await until(lambda: scheduler.previews.of(ANNA) is None)
    assert floor.column(t.attempts.c.disposition) == ["busy"] * 2
    assert len(set(floor.column(t.attempts.c.lead_id))) == 2


async def test_a_campaign_started_again_shows_leads_while_a_previewed_call_goes_on(
    floor: Floor,
) -> None:
    campaign_id = preview_campaign(floor)
    trunk = floor.trunk(Script(answers_after=None, cause=DisconnectCause.NO_ANSWER))
    async with floor.running(trunk) as scheduler:
        await take(scheduler)
        await finish(scheduler, PreviewEnd.ACCEPTED)
        await until(lambda: trunk.lines.leased == 1)
        agent(floor, "bea", "202", campaign_id)
        ask(floor, "bea", AgentState.READY)
        floor.set_state(campaign_id, CampaignState.PAUSED)
        scheduler.look()
        await answer_to_bea(scheduler, "it cannot dial at this moment")
        floor.set_state(campaign_id, CampaignState.RUNNING)
        scheduler.look()
        await answer_to_bea(scheduler, "a lead")
        assert trunk.lines.leased == 1
        scheduler.stop()
        await trunk.lines.used[0].hang_up()


async def answer_to_bea(scheduler: Scheduler, wanted: str) -> None:
    """She asks for a lead until that is the answer."""
    answer = ""
    while wanted not in answer:
        await trio.sleep(0.01)  # what SQL says takes effect without an event
        try:
            answer = "a lead" if await scheduler.previews.take(AgentId("202"), "bea") else "none"
        except BadInput as error:
            answer = str(error)


def put_on_a_list(conn: sa.Connection, number: str) -> None:
    now = SystemClock().now()
    list_id = list_to_add_to(conn, name="ours", campaign_id=None, now=now)
    add_numbers(conn, list_id=list_id, numbers=[number], now=now)


async def test_a_number_that_is_put_on_a_list_meanwhile_is_not_dialed(floor: Floor) -> None:
    preview_campaign(floor, leads=2)
    trunk = floor.trunk()
    async with floor.running(trunk) as scheduler:
        preview = await take(scheduler)
        floor.store.run_sync(put_on_a_list, preview.lead.e164)
        await finish(scheduler, PreviewEnd.ACCEPTED)
        await until(lambda: scheduler.agent_states() == {AgentState.READY: 1})
        other = await scheduler.previews.take(ANNA, "anna")
        assert other is not None
        assert other.lead.lead_id != preview.lead.lead_id
    assert not [line for line in trunk.lines.used if line.requests]


async def test_a_lead_is_free_as_soon_as_its_agent_logs_off(floor: Floor) -> None:
    preview_campaign(floor, leads=1)
    trunk = floor.trunk()
    async with floor.running(trunk) as scheduler:
        await take(scheduler)
        ask(floor, "anna", AgentState.LOGGED_OFF)
        scheduler.look()
        await until(lambda: floor.column(t.leads.c.state) == ["waiting"])
        assert scheduler.previews.of(ANNA) is None
        assert scheduler.agent_states() == {AgentState.LOGGED_OFF: 1}
        with pytest.raises(BadInput, match="they look at no lead"):
            await finish(scheduler, PreviewEnd.ACCEPTED)
    assert trunk.lines.used == []


async def test_a_lead_is_free_as_soon_as_its_agent_has_lost_a_skill(floor: Floor) -> None:
    campaign_id = preview_campaign(floor, agents={**NOBODY_ELSE, "skills": ["german"]}, leads=1)
    agent(floor, "anna", ANNA, campaign_id, skills="german")
    trunk = floor.trunk()
    async with floor.running(trunk) as scheduler:
        await take(scheduler)
        agent(floor, "anna", ANNA, campaign_id)
        scheduler.look()
        await until(lambda: floor.column(t.leads.c.state) == ["waiting"])
        assert scheduler.previews.of(ANNA) is None
    assert trunk.lines.used == []


async def test_a_preview_takes_no_agent_for_whom_another_campaigns_phone_rings(
    floor: Floor,
) -> None:
    preview_campaign(floor, leads=1)
    floor.campaign(leads=1, agents={"extensions": [ANNA], "handle_seconds": HANDLE_SECONDS})
    trunk = floor.trunk(Script(answers_after=0.5))
    async with floor.running(trunk) as scheduler:
        await until(lambda: trunk.lines.leased == 1)
        with pytest.raises(BadInput, match="another campaign's call needs them"):
            await scheduler.previews.take(ANNA, "anna")
        await until(lambda: floor.column(t.attempts.c.disposition) == ["handed_over"])


async def test_a_campaign_that_is_paused_takes_its_lead_back(floor: Floor) -> None:
    campaign_id = preview_campaign(floor, leads=1)
    async with floor.running(floor.trunk()) as scheduler:
        await take(scheduler)
        floor.set_state(campaign_id, CampaignState.PAUSED)
        scheduler.look()
        await until(lambda: floor.column(t.leads.c.state) == ["waiting"])
        assert scheduler.previews.of(ANNA) is None
        # It is leaving, or has left.
        with pytest.raises(BadInput, match=r"running for them: none|cannot dial at this moment"):
            await scheduler.previews.take(ANNA, "anna")
    assert what_happened(floor, "anna")[-2:] == ["reserved", "ready"]


async def test_who_is_not_ready_or_does_not_serve_the_campaign_is_shown_nothing(
    floor: Floor,
) -> None:
    preview_campaign(floor)
    async with floor.running(floor.trunk()) as scheduler:
        await take(scheduler)
        await finish(scheduler, PreviewEnd.SKIPPED)
        ask(floor, "anna", AgentState.NOT_READY)
        scheduler.look()
        await until(lambda: scheduler.agent_states() == {AgentState.NOT_READY: 1})
        with pytest.raises(BadInput, match="they are not ready"):
            await scheduler.previews.take(ANNA, "anna")
        with pytest.raises(BadInput, match="theirs: campaign-1"):
            await scheduler.previews.take(ANNA, "anna", "campaign-2")
        with pytest.raises(BadInput, match="running for them: none"):
            await scheduler.previews.take(AgentId("202"), "ben")


async def test_a_callback_is_shown_to_the_agent_who_promised_it_alone(floor: Floor) -> None:
    campaign_id = preview_campaign(floor, leads=1)
    agent(floor, "ben", "202", campaign_id)
    ask(floor, "ben", AgentState.READY)
    (lead_id,) = floor.column(t.leads.c.lead_id)
    now = SystemClock().now()
    floor.store.run_sync(promise_callback, lead_id=lead_id, at=now, agent="anna", now=now)
    async with floor.running(floor.trunk()) as scheduler:
        await until(lambda: scheduler.agent_states() == {AgentState.READY: 2})
        assert await scheduler.previews.take(AgentId("202"), "ben") is None
        assert await scheduler.previews.take(ANNA, "anna") is not None
        with pytest.raises(BadInput, match="look at no lead"):
            await scheduler.previews.finish(AgentId("202"), "ben", PreviewEnd.SKIPPED)
