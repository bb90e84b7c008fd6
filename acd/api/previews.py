"""Endpoints for a desktop whose agent looks at leads before they are dialed."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel

from acd.api.access import AgentsClient, speaks_for
from acd.api.office import Office
from acd.api.words import AgentName, Body, Text, office_of
from acd.rules.preview import PreviewEnd

router = APIRouter(tags=["previews"])
At = Annotated[Office, Depends(office_of)]


class Wish(Body):
    """Which lead somebody wants to see."""

    campaign: Text = ""
    """Whose; empty: of the one preview campaign that runs for the agent."""


class Preview(BaseModel):
    """A lead before an agent; the agent is reserved meanwhile."""

    lead: int
    campaign: str
    state: Literal["shown", "dialing", "skipped"]
    attempt_no: int
    """1: nobody has dialed them yet."""
    callback_at: AwareDatetime | None
    """When somebody promised to call, if anybody did."""
    until: AwareDatetime
    """When the campaign decides for the agent."""
    columns: dict[str, str]


@router.post("/agents/{agent}/preview")
async def take(agent: AgentName, wish: Wish, client: AgentsClient, office: At) -> Preview | None:
    """Show a ready agent the next lead, or again the one that they look at; null: none now."""
    speaks_for(client, agent)
    found = await office.take_preview(agent, wish.campaign)
    return None if found is None else Preview(**found)


@router.get("/agents/{agent}/preview")
async def look(agent: AgentName, client: AgentsClient, office: At) -> Preview | None:
    """What the agent looks at, or is being connected to; null: nothing."""
    speaks_for(client, agent)
    found = await office.preview(agent)
    return None if found is None else Preview(**found)


@router.post("/agents/{agent}/preview/accept")
async def accept(agent: AgentName, client: AgentsClient, office: At) -> Preview:
    """Have the lead dialed that the agent looks at; who answers comes to the agent's phone."""
    speaks_for(client, agent)
    return Preview(**await office.finish_preview(agent, PreviewEnd.ACCEPTED))


@router.post("/agents/{agent}/preview/skip")
async def skip(agent: AgentName, client: AgentsClient, office: At) -> Preview:
    """Leave the lead; it waits a while, and the agent is free."""
    speaks_for(client, agent)
    return Preview(**await office.finish_preview(agent, PreviewEnd.SKIPPED))
