"""What stands in requests and answers: types that several endpoints share."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import BaseModel, ConfigDict, Field

from acd.api.office import Office

LINE = r"^[^\x00-\x1f\x7f]*$"
LARGEST_ID = 2**31 - 1
"""What an integer column of PostgreSQL holds."""

AgentName = Annotated[
    str,
    Path(min_length=1, max_length=32, pattern=LINE, description="an agent's name or extension"),
]
CampaignName = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="a campaign's name")
]
LeadName = Annotated[
    str,
    Path(min_length=1, max_length=40, pattern=LINE, description="a lead's id or a phone number"),
]
AttemptId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
LeadId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Text = Annotated[str, Field(max_length=64, pattern=LINE)]
Number = Annotated[str, Field(min_length=1, max_length=40, pattern=LINE)]


class Body(BaseModel):
    """A request's body; keys that are not known are refused."""

    model_config = ConfigDict(extra="forbid")


class Problems(BaseModel):
    """How every refusal looks."""

    error: str
    """One sentence."""
    problems: list[str] = []
    """Each thing that is wrong, where there are several."""


def office_of(request: Request) -> Office:
    """The engine behind the endpoints."""
    office: Office = request.app.state.office
    return office


def answers(**codes: str) -> dict[int | str, dict[str, Any]]:
    """The refusals that an endpoint documents, besides those of all."""
    return {int(code[1:]): {"model": Problems, "description": what} for code, what in codes.items()}


REFUSALS = answers(
    s400="the request cannot be read",
    s401="no token, or none that is known",
    s403="the token's role may not do this",
    s404="there is no such thing",
    s413="the body is too large",
    s422="something in the request is wrong",
    s503="the database does not answer",
)
