"""Endpoints for leads and do-not-call."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import AwareDatetime, BaseModel, Field

from acd.api.access import Client, LeadsClient
from acd.api.office import Office
from acd.api.words import (
    LARGEST_ID,
    LINE,
    Body,
    CampaignName,
    LeadId,
    LeadName,
    Number,
    Text,
    office_of,
)

router = APIRouter(tags=["leads"])
At = Annotated[Office, Depends(office_of)]
MOST_LEADS = 5000
Header = Annotated[str, Field(min_length=1, max_length=64, pattern=LINE)]
Cell = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")]
LeadPath = Annotated[int, Path(ge=1, le=LARGEST_ID)]
ListName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]


class NewLeads(Body):
    """Leads as a file would have them: the header and the cell of each column."""

    leads: Annotated[list[dict[Header, Cell]], Field(min_length=1, max_length=MOST_LEADS)]


class Rejected(BaseModel):
    """A lead that was refused, or a number of one that was left out."""

    row: int
    """Its place in the request, from 0."""
    rule: str
    reason: str


class Added(BaseModel):
    """What became of them."""

    rows: int
    added: int
    refused: dict[str, int]
    numbers_left_out: int
    rejected: list[Rejected]


class Which(Body):
    """Which leads."""

    reason: Text = ""
    """Only those that were closed for it."""
    leads: Annotated[tuple[LeadId, ...], Field(max_length=500)] = ()
    """Only these."""


class Count(BaseModel):
    """How many."""

    leads: int


class Promise(Body):
    """A call at a time."""

    at: AwareDatetime
    owner: Text | None = None


class Erased(BaseModel):
    """The leads that were theirs."""

    leads: list[int]


class Numbers(Body):
    """Phone numbers, and a list."""

    numbers: Annotated[list[Number], Field(min_length=1, max_length=1000)]
    on_list: ListName = Field(default="own", alias="list")


class OneNumber(Body):
    """One phone number; in the body, for paths end up in logs."""

    number: Number


class Changed(BaseModel):
    """How many numbers are new on the list, or have left it."""

    numbers: int


class Listed(BaseModel):
    """The lists on which a number stands."""

    listed: bool
    lists: list[str]


@router.post("/campaigns/{campaign}/leads")
async def add_leads(
    campaign: CampaignName, new: NewLeads, client: LeadsClient, office: At
) -> Added:
    """Add leads; each is judged as a row of a file is, and refusals are answered row by row."""
    return Added(**await office.add_leads(campaign, new.leads))


@router.post("/campaigns/{campaign}/leads/reset")
async def reset_leads(
    campaign: CampaignName, which: Which, client: LeadsClient, office: At
) -> Count:
    """Let closed leads, and those under review, be dialed again."""
    return Count(leads=await office.reset(campaign, lead_ids=which.leads, reason=which.reason))


@router.get("/leads/{lead}")
async def lead_why(lead: LeadName, client: LeadsClient, office: At) -> list[dict[str, Any]]:
    """Why a lead is not dialed now, and when it will be, for each campaign that has it."""
    return await office.why(lead)


@router.post("/leads/{lead_id}/callback", status_code=204)
async def call_back(lead_id: LeadPath, promise: Promise, client: LeadsClient, office: At) -> None:
    """Promise a lead a call at a time."""
    await office.call_back(lead_id, at=promise.at, owner=promise.owner)


@router.delete("/leads/{lead}")
async def erase_lead(lead: LeadName, client: LeadsClient, office: At) -> Erased:
    """Forget the person behind a lead in every campaign, for good."""
    return Erased(leads=await office.erase(lead))


@router.post("/dnc/add")
async def dnc_add(numbers: Numbers, client: Client, office: At) -> Changed:
    """Put numbers on a do-not-call list; every role may."""
    return Changed(numbers=await office.dnc_add(numbers.numbers, on_list=numbers.on_list))


@router.post("/dnc/remove")
async def dnc_remove(numbers: Numbers, client: LeadsClient, office: At) -> Changed:
    """Take numbers off a list."""
    return Changed(numbers=await office.dnc_remove(numbers.numbers, on_list=numbers.on_list))


@router.post("/dnc/check")
async def dnc_check(number: OneNumber, client: Client, office: At) -> Listed:
    """Say on which lists a number stands."""
    lists = await office.dnc_check(number.number)
    return Listed(listed=bool(lists), lists=lists)
