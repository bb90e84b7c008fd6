"""Endpoints for campaigns."""

from __future__ import annotations

import json
import tomllib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from acd.api.access import LeadsClient, refuse
from acd.api.office import Office
from acd.api.words import CampaignName, office_of
from acd.rules.definition import CampaignDefinition, HoursTable

router = APIRouter(tags=["campaigns"])
At = Annotated[Office, Depends(office_of)]
SCHEMAS = "#/components/schemas/"
_DEFINITION = {
    "requestBody": {
        "required": True,
        "description": "what campaign.toml would say",
        "content": {
            "application/json": {"schema": {"$ref": f"{SCHEMAS}CampaignDefinition"}},
            "application/toml": {"schema": {"type": "string"}},
        },
    }
}


class Campaign(BaseModel):
    """One campaign."""

    name: str
    state: str
    trunk: str
    version: int


class CampaignStatus(Campaign):
    """One campaign, and its leads by the first rule that keeps them from being dialed now."""

    leads: dict[str, int]


@router.get("/campaigns")
async def list_campaigns(client: LeadsClient, office: At) -> list[Campaign]:
    """Every campaign with its state."""
    return [Campaign(**each) for each in await office.campaigns()]


@router.get("/campaigns/{campaign}")
async def campaign_status(
    campaign: CampaignName, client: LeadsClient, office: At
) -> CampaignStatus:
    """Count a campaign's leads by the rule that keeps them from being dialed now."""
    return CampaignStatus(**await office.campaign(campaign))


@router.put(
    "/campaigns/{campaign}",
    openapi_extra=_DEFINITION,
    responses={201: {"model": Campaign, "description": "the campaign is new"}},
)
async def define_campaign(
    campaign: CampaignName, client: LeadsClient, office: At, request: Request, response: Response
) -> Campaign:
    """Create a campaign from a definition in JSON or TOML, or give it its next version."""
    definition = _read(await request.body(), request.headers.get("content-type", ""))
    shown, created = await office.define(campaign, definition)
    response.status_code = 201 if created else 200
    return Campaign(**shown)


@router.post("/campaigns/{campaign}/reload")
async def reload_campaign(campaign: CampaignName, client: LeadsClient, office: At) -> Campaign:
    """Take over what has changed in the campaign's campaign.toml."""
    return Campaign(**await office.reload(campaign))


@router.post("/campaigns/{campaign}/start")
async def start(campaign: CampaignName, client: LeadsClient, office: At) -> Campaign:
    """Let a campaign dial."""
    return Campaign(**await office.move(campaign, "running"))


@router.post("/campaigns/{campaign}/pause")
async def pause(campaign: CampaignName, client: LeadsClient, office: At) -> Campaign:
    """Start no new calls; those in progress go on."""
    return Campaign(**await office.move(campaign, "paused"))


@router.post("/campaigns/{campaign}/stop")
async def stop(campaign: CampaignName, client: LeadsClient, office: At) -> Campaign:
    """Stop a campaign."""
    return Campaign(**await office.move(campaign, "stopped"))


@router.get("/campaigns/{campaign}/report")
async def report(campaign: CampaignName, client: LeadsClient, office: At) -> dict[str, Any]:
    """What a campaign has done, as `acd report --json` says it."""
    return await office.report(campaign)


def definition_schemas() -> dict[str, Any]:
    """By name what a definition looks like, and the tables in it."""
    whole = CampaignDefinition.model_json_schema(ref_template=SCHEMAS + "{model}")
    tables = whole.pop("$defs")
    # pydantic would show how they are kept here, not how they are written.
    for model, shown in ((CampaignDefinition, whole), (HoursTable, tables["HoursTable"])):
        plain = model().model_dump(mode="json")
        for name, key in shown["properties"].items():
            if "default" in key:
                key["default"] = plain[name]
    return {**tables, "CampaignDefinition": whole}


def _read(body: bytes, kind: str) -> dict[str, Any]:
    try:
        text = body.decode("utf-8")
        # A lone surrogate would be no text for the database.
        value = tomllib.loads(text) if "toml" in kind else json.loads(text)
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except (ValueError, RecursionError):
        refuse(422, "the body is neither a JSON object nor, as application/toml, a TOML file")
    if not isinstance(value, dict):
        refuse(422, "the body is no JSON object")
    return value
