"""Agents of SQL while campaigns run, on scripted lines with a real SQLite underneath."""

from __future__ import annotations

from collections import deque
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from acd.agents import AgentState
from acd.calls import CallState, DisconnectCause
from acd.clock import SystemClock
from acd.lines import TransferRefused
from acd.store import schema as t
from acd.store.agents import (
    AgentMoved,
    NewAgent,
    Teller,
    agent_named,
    ask_agent,
    save_agents,
)
from acd.store.events import Subject, events_of
from acd.store.lead_changes import promise_callback
from acd.store.outcomes import write_outcomes
from tests.fakes.lines import FakeTrunk, Script
from tests.integration.dialer.test_scheduler import Floor, floor, looked_again, until

__all__ = ["floor"]

NOBODY_ELSE = {"handle_seconds": 0.01}


def agent(floor: Floor, name: str, extension: str, *campaigns: int, skills: str = "") -> None:
    new = NewAgent(
        name=name,
        extension=extension,
        display_name="",
        skills=frozenset(skills.split()),
        campaign_ids=frozenset(campaigns),
    )
    floor.store.run_sync(save_agents, [new], now=SystemClock().now())


def ask(floor: Floor, name: str, wanted: AgentState) -> None:
    floor.store.run_sync(ask_agent, name, wanted=wanted, reason="", now=SystemClock().now())


def what_happened(floor: Floor, name: str) -> list[str]:
    return [event.what for event in floor.store.read_sync(events_of, Subject.AGENT, name)]


async def test_an_agent_who_logs_on_is_given_people_and_one_who_stops_is_not(floor: Floor) -> None:
    # Long enough to be in SQL when the agent is asked: commands know what stands there.
    campaign_id = floor.campaign(leads=60, agents={"handle_seconds": 0.5})
    agent(floor, "anna", "201", campaign_id)
    trunk = floor.trunk()
    async with floor.running(trunk) as scheduler:
        await looked_again(trunk)
        assert trunk.lines.used == [], "nobody is there"
        ask(floor, "anna", AgentState.READY)
        scheduler.look()
        await until(lambda: what_happened(floor, "anna").count("on_call") == 2)
        ask(floor, "anna", AgentState.NOT_READY)
        scheduler.look()
        await until(lambda: scheduler.agent_states() == {AgentState.NOT_READY: 1})
        await until(lambda: trunk.lines.leased == 0)
        dialed = len(trunk.lines.used)
        await looked_again(trunk)
        assert len(trunk.lines.used) == dialed
    seen = [what for what in what_happened(floor, "anna") if what != "asked"]
    assert seen[:5] == ["added", "not_ready", "ready", "reserved", "on_call"]
    allowed = {"reserved": {"on_call"}, "on_call": {"wrap_up"}}
    assert all(after in allowed.get(before, {after}) for before, after in pairwise(seen))


async def test_an_agent_of_two_campaigns_has_one_person_at_a_time(floor: Floor) -> None:
    first, second = (floor.campaign(leads=4, agents=NOBODY_ELSE) for _ in range(2))
    agent(floor, "anna", "201", first, second)
    ask(floor, "anna", AgentState.READY)
    await floor.finish(floor.trunk())
    assert floor.column(t.attempts.c.disposition) == ["handed_over"] * 8
    working = [what for what in what_happened(floor, "anna")[3:] if what != "ready"]
    assert working == ["reserved", "on_call", "wrap_up"] * 8 or working == [
        *["reserved", "on_call", "wrap_up"] * 7,
        "reserved",
        "on_call",
    ], "the last wrap-up may come after the end of the engine"


async def test_a_campaign_takes_only_agents_with_its_skills(floor: Floor) -> None:
    campaign_id = floor.campaign(leads=4, agents={**NOBODY_ELSE, "skills": ["german", "loans"]})
    agent(floor, "anna", "201", campaign_id, skills="german")
    agent(floor, "ben", "202", campaign_id, skills="german loans")
    for name in ("anna", "ben"):
        ask(floor, name, AgentState.READY)
    await floor.finish(floor.trunk())
    query = sa.select(t.attempts.c.transfer_target).distinct()
    assert floor.store.read_sync(lambda conn: list(conn.scalars(query))) == ["202"]


async def test_a_skill_counts_from_the_moment_in_which_an_agent_has_it(floor: Floor) -> None:
    campaign_id = floor.campaign(leads=2, agents={**NOBODY_ELSE, "skills": ["loans"]})
    agent(floor, "anna", "201", campaign_id)
    ask(floor, "anna", AgentState.READY)
    no_answer = Script(answers_after=None, cause=DisconnectCause.NO_ANSWER)
    trunk = floor.trunk(no_answer, Script())
    async with floor.running(trunk) as scheduler:
        await looked_again(trunk)
        assert trunk.lines.used == [], "nobody has it"
        agent(floor, "anna", "201", campaign_id, skills="loans")
        scheduler.look()
        await until(lambda: trunk.lines.leased == 1)
        agent(floor, "anna", "201", campaign_id)
        scheduler.look()
        await until(lambda: trunk.lines.leased == 0)
        await looked_again(trunk)
        assert len(trunk.lines.used) == 1, "it rang for nobody any more"
        agent(floor, "anna", "201", campaign_id, skills="loans")
        scheduler.look()
        await until(lambda: "handed_over" in floor.column(t.attempts.c.disposition))
    assert not any(floor.column(t.attempts.c.abandoned))


async def test_a_campaign_ends_when_its_agents_have_spoken_or_their_time_is_over(
    floor: Floor,
) -> None:
    agents = {"extensions": ["201"], "handle_seconds": 0.01, "disposition_seconds": 0.5}
    floor.campaign(leads=2, agents=agents)
    await floor.finish(floor.trunk())
    assert floor.column(t.leads.c.reason) == ["handed_over"] * 2
    assert floor.column(t.attempts.c.agent) == ["201"] * 2


async def test_a_callback_goes_to_the_agent_who_promised_it(floor: Floor) -> None:
    campaign_id = floor.campaign(leads=1, agents=NOBODY_ELSE)
    for name, extension in (("anna", "201"), ("ben", "202")):
        agent(floor, name, extension, campaign_id)
    ask(floor, "ben", AgentState.READY)
    now = SystemClock().now()
    (lead_id,) = floor.column(t.leads.c.lead_id)
    floor.store.run_sync(promise_callback, lead_id=lead_id, at=now, agent="anna", now=now)
    trunk = floor.trunk()
    async with floor.running(trunk) as scheduler:
        await looked_again(trunk)
        assert trunk.lines.used == [], "only the one who promised it calls"
        ask(floor, "anna", AgentState.READY)
        scheduler.look()
        await until(lambda: floor.column(t.attempts.c.disposition) == ["handed_over"])
    assert floor.column(t.attempts.c.agent) == ["201"]


async def test_a_callback_whose_agent_does_not_come_goes_to_anybody(floor: Floor) -> None:
    campaign_id = floor.campaign(leads=1, agents=NOBODY_ELSE, callback_owner_seconds=0)
    agent(floor, "ben", "202", campaign_id)
    ask(floor, "ben", AgentState.READY)
    now = SystemClock().now()
    (lead_id,) = floor.column(t.leads.c.lead_id)
    floor.store.run_sync(promise_callback, lead_id=lead_id, at=now, agent="anna", now=now)
    await floor.finish(floor.trunk())
    assert floor.column(t.attempts.c.agent) == ["202"]


async def test_an_owner_whose_callback_nobody_answers_is_ready_again(floor: Floor) -> None:
    campaign_id = floor.campaign(leads=1, agents=NOBODY_ELSE)
    agent(floor, "anna", "201", campaign_id)
    ask(floor, "anna", AgentState.READY)
    now = SystemClock().now()
    (lead_id,) = floor.column(t.leads.c.lead_id)
    floor.store.run_sync(promise_callback, lead_id=lead_id, at=now, agent="201", now=now)
    trunk = floor.trunk(Script(answers_after=None, cause=DisconnectCause.BUSY))
    async with floor.running(trunk) as scheduler:
        await until(lambda: floor.column(t.attempts.c.disposition) == ["busy"])
        await until(lambda: scheduler.agent_states() == {AgentState.READY: 1})
    assert what_happened(floor, "anna")[-2:] == ["reserved", "ready"]


async def test_campaigns_that_share_an_agent_dial_one_person_for_them_between_them(
    floor: Floor,
) -> None:
    agents = {**NOBODY_ELSE, "handle_seconds": 0.2}
    campaigns = [floor.campaign(leads=3, agents=agents, wait_limit_seconds=5.0) for _ in range(2)]
    agent(floor, "anna", "201", *campaigns)
    ask(floor, "anna", AgentState.READY)
    trunk = floor.trunk(Script(rings_after=0.05, answers_after=0.05))
    await floor.finish(trunk)
    assert floor.column(t.attempts.c.disposition) == ["handed_over"] * 6
    assert trunk.lines.most_leased == 1


async def test_an_agent_who_takes_nobody_is_not_ready_until_they_say_so(floor: Floor) -> None:
    campaign_id = floor.campaign(
        leads=5, agents={**NOBODY_ELSE, "no_answer_limit": 2}, wait_limit_seconds=0.2
    )
    agent(floor, "anna", "201", campaign_id)
    ask(floor, "anna", AgentState.READY)
    refused = TransferRefused(at_seconds=0.0, sip_status=480)
    silent = (Script(transfers=deque([refused])) for _ in range(2))
    trunk = floor.trunk(*silent, Script())
    async with floor.running(trunk) as scheduler:
        await until(lambda: "not_ready" in what_happened(floor, "anna")[3:])
        await looked_again(trunk)
        assert len(trunk.lines.used) == 2
        anna = floor.store.read_sync(agent_named, "anna")
        assert (anna.wanted, anna.reason) == (AgentState.NOT_READY, "no answer")
        ask(floor, "anna", AgentState.READY)
        scheduler.look()
        await until(lambda: "handed_over" in floor.column(t.attempts.c.disposition))


RINGS = Script(answers_after=None, cause=DisconnectCause.NO_ANSWER)


async def two_who_ring(floor: Floor, trunk: FakeTrunk, **changes: Any) -> None:
    """A progressive campaign whose two ready agents, anna and ben, each have a phone ringing."""
    campaign_id = floor.campaign(leads=4, agents=NOBODY_ELSE, **changes)
    for name, extension in (("anna", "201"), ("ben", "202")):
        agent(floor, name, extension, campaign_id)
        ask(floor, name, AgentState.READY)


async def test_a_call_that_rings_for_an_agent_who_leaves_is_hung_up_and_tried_again(
    floor: Floor,
) -> None:
    trunk = floor.trunk(RINGS)
    await two_who_ring(floor, trunk)
    async with floor.running(trunk) as scheduler:
        await until(lambda: trunk.lines.states()[CallState.RINGBACK] == 2)
        ask(floor, "ben", AgentState.NOT_READY)
        scheduler.look()
        await until(lambda: floor.column(t.attempts.c.disposition).count("stopped") == 1)
        await looked_again(trunk)
        assert trunk.lines.states()[CallState.RINGBACK] == 1, "anna is still there for one"
        ask(floor, "anna", AgentState.NOT_READY)
        scheduler.look()
        await until(lambda: floor.column(t.attempts.c.disposition) == ["stopped"] * 2)
    assert floor.column(t.attempts.c.abandoned) == [False] * 2
    assert floor.column(t.leads.c.state) == ["waiting"] * 4


async def test_a_phone_rings_as_long_as_the_campaign_says_before_it_is_hung_up(
    floor: Floor,
) -> None:
    trunk = floor.trunk(RINGS)
    await two_who_ring(floor, trunk, shortest_ring_seconds=1.5)
    async with floor.running(trunk) as scheduler:
        await until(lambda: trunk.lines.states()[CallState.RINGBACK] == 2)
        for name in ("anna", "ben"):
            ask(floor, name, AgentState.NOT_READY)
        scheduler.look()
        await until(lambda: floor.column(t.attempts.c.disposition) == ["stopped"] * 2)
    began, ended = floor.column(t.attempts.c.started_at), floor.column(t.attempts.c.ended_at)
    rang = [end - start for start, end in zip(began, ended, strict=True)]
    assert min(rang) >= timedelta(seconds=1.5)


async def test_ratio_dialing_lets_phones_ring_whoever_leaves(floor: Floor) -> None:
    trunk = floor.trunk(RINGS)
    await two_who_ring(floor, trunk, dial_mode="ratio", calls_per_agent=1)
    async with floor.running(trunk) as scheduler:
        await until(lambda: trunk.lines.states()[CallState.RINGBACK] == 2)
        for name in ("anna", "ben"):
            ask(floor, name, AgentState.NOT_READY)
        scheduler.look()
        await until(lambda: scheduler.agent_states() == {AgentState.NOT_READY: 2})
        await looked_again(trunk)
        assert trunk.lines.states()[CallState.RINGBACK] == 2
        for line in trunk.lines.used:
            await line.hang_up()


async def test_an_answer_that_crosses_the_withdrawal_is_an_abandoned_call(floor: Floor) -> None:
    trunk = floor.trunk(replace(RINGS, answer_crosses=True))
    campaign_id = floor.campaign(leads=1, agents=NOBODY_ELSE)
    agent(floor, "anna", "201", campaign_id)
    ask(floor, "anna", AgentState.READY)
    async with floor.running(trunk) as scheduler:
        await until(lambda: trunk.lines.states()[CallState.RINGBACK] == 1)
        ask(floor, "anna", AgentState.NOT_READY)
        scheduler.look()
        await until(lambda: floor.column(t.attempts.c.disposition) == ["abandoned"])
    assert trunk.lines.used[0].targets == []


async def test_the_claim_of_a_callback_whose_agent_is_kept_for_it_is_renewed(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acd.dialer.upkeep.RENEW_CLAIMS_SECONDS", 0.05)
    campaign_id = floor.campaign(leads=1, agents=NOBODY_ELSE)
    agent(floor, "anna", "201", campaign_id)
    ask(floor, "anna", AgentState.READY)
    now = SystemClock().now()
    (lead_id,) = floor.column(t.leads.c.lead_id)
    floor.store.run_sync(promise_callback, lead_id=lead_id, at=now, agent="anna", now=now)
    trunk = floor.trunk(lines=1)

    def leased_until() -> datetime | None:
        (state,), (until,) = floor.column(t.leads.c.state), floor.column(t.leads.c.lease_until)
        return until if state == "claimed" else None

    async with AsyncExitStack() as other:
        await other.enter_async_context(
            trunk.lines.lease(holder="somebody else", deadline_seconds=60)
        )
        async with floor.running(trunk) as scheduler:
            await until(lambda: scheduler.agent_states() == {AgentState.RESERVED: 1})
            first = leased_until()
            assert first is not None
            await until(lambda: (leased_until() or first) > first)
            await other.aclose()


async def test_an_engine_that_starts_anew_lets_an_agent_write_on_as_long_as_they_had(
    floor: Floor,
) -> None:
    campaign_id = floor.campaign(leads=1, agents=NOBODY_ELSE)
    agent(floor, "anna", "201", campaign_id)
    ask(floor, "anna", AgentState.READY)
    now = SystemClock().now()
    over_at = now + timedelta(seconds=1.5)
    wraps_up = AgentMoved(
        extension="201",
        state=AgentState.WRAP_UP,
        at=now,
        told_by=Teller.FEED,
        wraps_up_until=over_at,
    )
    floor.store.run_sync(write_outcomes, [wraps_up], node="a", now=now)
    async with floor.running(floor.trunk()) as scheduler:
        await until(lambda: scheduler.agent_states() == {AgentState.WRAP_UP: 1})
        await until(lambda: floor.column(t.attempts.c.disposition) == ["handed_over"])
    (began,) = floor.column(t.attempts.c.started_at)
    assert began >= over_at
    assert what_happened(floor, "anna")[3:6] == ["wrap_up", "ready", "reserved"]
    assert floor.store.read_sync(agent_named, "anna").wraps_up_until is None
