from __future__ import annotations

from typing import Any, cast

from acd.api.app import api_app
from acd.api.campaigns import definition_schemas
from acd.api.office import Office
from acd.api.stream import Bulletin
from acd.rules.definition import CampaignDefinition


def described() -> dict[str, Any]:
    """What the application says of itself."""
    app: Any = api_app(cast("Office", None), Bulletin(), [])
    schema: dict[str, Any] = app._app.openapi()
    return schema


def test_a_definition_is_described_key_by_key() -> None:
    whole = definition_schemas()["CampaignDefinition"]
    assert set(whole["properties"]) == set(CampaignDefinition.model_fields)
    assert whole["properties"]["abandon_window"] == {
        "default": "day",
        "title": "Abandon Window",
        "type": "string",
    }
    hours = definition_schemas()["HoursTable"]["properties"]["monday"]
    assert hours["items"] == {"type": "string"}
    assert hours["default"] == ["10:00-13:00", "14:00-20:00"]


def test_every_reference_leads_somewhere_and_no_name_means_two_things() -> None:
    schema = described()
    names = schema["components"]["schemas"]
    wanted = set(references(schema))
    assert wanted <= set(names)
    assert "CampaignDefinition" in wanted
    for name, table in definition_schemas().items():
        assert names[name] == table


def references(value: Any) -> list[str]:
    """The names of all that is referred to."""
    if isinstance(value, list):
        return [each for item in value for each in references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"].rpartition("/")[2]] if isinstance(value.get("$ref"), str) else []
    return own + [each for item in value.values() for each in references(item)]
