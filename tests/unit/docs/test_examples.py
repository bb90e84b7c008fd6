"""The two example files stay complete."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from acd.rules.definition import CampaignDefinition

ROOT = Path(__file__).parents[3]
COMMENTED = re.compile(r"^# (?=\[|[a-z_]+ = )", re.MULTILINE)


def everything_of(file: str) -> str:
    """The file with each key that stands in a comment."""
    return COMMENTED.sub("", (ROOT / file).read_text(encoding="utf-8"))


def test_acd_example_toml_is_toml_with_every_comment_taken_away() -> None:
    told = tomllib.loads(everything_of("acd.example.toml"))
    assert {"api", "api_client", "feeds", "tapi", "tapi_client", "sip_trace", "log"} <= set(told)


def test_the_sample_campaign_names_every_key() -> None:
    text = everything_of("campaigns/sample/campaign.toml")
    named = set(re.findall(r"^\[*([a-z_]+)", text, re.MULTILINE)) | set(
        re.findall(r"\(([a-z_]+)\)", text)
    )
    assert set(CampaignDefinition.model_fields) <= named
