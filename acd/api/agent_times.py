"""The endpoint that tells what agents did with their time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel

from acd.api.access import AgentsClient
from acd.api.office import Office
from acd.api.words import office_of

router = APIRouter(tags=["agents"])


class AgentTimes(BaseModel):
    """One agent between two moments; durations in seconds."""

    agent: str
    extension: str
    ready_seconds: float
    reserved_seconds: float
    on_call_seconds: float
    wrap_up_seconds: float
    not_ready_seconds: float
    staffed_seconds: float
    """Ready, reserved, on a call or wrapping up."""
    occupancy: float | None
    """On a call and wrapping up ÷ staffed, 0 to 1; null without staffed time."""
    pauses: dict[str, float]
    """Seconds not ready by reason; without one under the empty text."""
    persons: int
    """Whom the engine gave them."""
    talk_seconds: float
    """With those, as far as a feed has seen it."""
    mean_talk_seconds: float | None


@router.get("/agent-times")
async def agent_times(
    client: AgentsClient,
    office: Annotated[Office, Depends(office_of)],
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> list[AgentTimes]:
    """Ready, talk and wrap-up time, occupancy and pauses of every agent, since midnight or `since`.

    A desktop of one agent sees that one.
    """
    found = await office.agent_times(since=since, until=until)
    return [AgentTimes(**each) for each in found if client.agent in ("", each["agent"])]
