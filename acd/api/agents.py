"""Endpoints for an agent's desktop."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel

from acd.agents import AgentState
from acd.api.access import AgentsClient, speaks_for
from acd.api.office import Office
from acd.api.words import AgentName, AttemptId, Body, Text, office_of

router = APIRouter(tags=["agents"])
At = Annotated[Office, Depends(office_of)]


class Agent(BaseModel):
    """One agent."""

    name: str
    extension: str
    display_name: str
    state: AgentState
    wanted: AgentState
    """What was asked of them; the state follows when no person is with them."""
    reason: str
    since: AwareDatetime
    feed: str
    """Who told the state: a command, the engine, or a feed."""
    wraps_up_until: AwareDatetime | None
    """When their wrap-up time is over; null: it does not run."""
    priority: int
    """Of those who are ready the highest is given people first."""
    skills: list[str]
    campaigns: list[str]


class Why(Body):
    """Why somebody is not ready."""

    reason: Text = ""


class Person(BaseModel):
    """The person whom an agent has or had last."""

    attempt: int
    lead: int | None
    campaign: str
    state: str
    disposition: str | None
    columns: dict[str, str]


class Word(Body):
    """What came of a person."""

    code: Text
    """A disposition that agents may say, or a code of the campaign."""
    at: AwareDatetime | None = None
    """For a callback: when."""
    owner: Text | None = None
    """For a callback: the agent who promised it; an agent's own desktop need not say."""


class Disposed(BaseModel):
    """What was written."""

    attempt: int
    disposition: str


@router.get("/agents")
async def list_agents(client: AgentsClient, office: At) -> list[Agent]:
    """Every agent with their state; a desktop of one agent sees that one."""
    found = await office.agents()
    own = [each for each in found if client.agent in ("", each["name"])]
    return [Agent(**each) for each in own]


@router.get("/agents/{agent}")
async def one_agent(agent: AgentName, client: AgentsClient, office: At) -> Agent:
    """One agent with their state."""
    speaks_for(client, agent)
    return Agent(**await office.agent(agent))


@router.get("/agents/{agent}/person")
async def person_of(agent: AgentName, client: AgentsClient, office: At) -> Person | None:
    """The person whom the agent has or had last, with the lead's columns; null: nobody."""
    speaks_for(client, agent)
    found = await office.person(agent)
    return None if found is None else Person(**found)


@router.post("/agents/{agent}/ready")
async def ready(agent: AgentName, client: AgentsClient, office: At) -> Agent:
    """Give the agent people from now on; logs them on, and ends their wrap-up."""
    return await _ask(office, client, agent, AgentState.READY)


@router.post("/agents/{agent}/not-ready")
async def not_ready(agent: AgentName, why: Why, client: AgentsClient, office: At) -> Agent:
    """Give the agent nobody more; a call that they have goes on."""
    return await _ask(office, client, agent, AgentState.NOT_READY, why.reason)


@router.post("/agents/{agent}/log-off")
async def log_off(agent: AgentName, client: AgentsClient, office: At) -> Agent:
    """End the agent's shift; a call that they have goes on."""
    return await _ask(office, client, agent, AgentState.LOGGED_OFF)


@router.post("/agents/{agent}/wrap-up")
async def wrap_up(agent: AgentName, client: AgentsClient, office: At) -> Agent:
    """Keep the agent in wrap-up after the present or last call, until they are done."""
    speaks_for(client, agent)
    return Agent(**await office.wrap_up(agent, done=False))


@router.post("/agents/{agent}/wrap-up-done")
async def wrap_up_done(agent: AgentName, client: AgentsClient, office: At) -> Agent:
    """The agent is done with the last person."""
    speaks_for(client, agent)
    return Agent(**await office.wrap_up(agent, done=True))


@router.post("/attempts/{attempt_id}/disposition")
async def dispose(attempt_id: AttemptId, word: Word, client: AgentsClient, office: At) -> Disposed:
    """Say what came of a person: sale, callback (with a time), do_not_call and others."""
    owner = word.owner
    if word.at is not None and client.agent:
        speaks_for(client, owner or client.agent)
        owner = client.agent
    meant = await office.dispose(
        attempt_id, code=word.code, at=word.at, owner=owner, by=client.agent
    )
    return Disposed(attempt=attempt_id, disposition=meant)


async def _ask(
    office: Office, client: AgentsClient, agent: str, wanted: AgentState, reason: str = ""
) -> Agent:
    speaks_for(client, agent)
    return Agent(**await office.ask(agent, wanted, reason))
