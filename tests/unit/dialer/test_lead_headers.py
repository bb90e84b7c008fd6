from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from acd.dialer.lead_files import LeadFile
from acd.dialer.lead_headers import plan_columns
from acd.errors import BadLeadFile
from acd.rules.definition import CampaignDefinition


def plan(*headers: str, **definition: object) -> tuple[tuple[int, ...], list[str]]:
    file = LeadFile(
        path=Path("x.csv"),
        encoding="utf-8",
        delimiter=",",
        headers=headers,
        first_line=2,
        bytes_total=1,
        sha256="",
    )
    told = CampaignDefinition.model_validate({"agents": {"extensions": ["201"]}, **definition})
    found = plan_columns(file, told, header_map={}, default_region="AT")
    return found.number_places, [name for _, name in found.kept]


@pytest.mark.parametrize(
    "header",
    [
        "phone", "Phone Number", "PHONE_1", "Mobile", "Tel.", "Tel. privat", "Telefonnummer",
        "Rufnummer", "Handy", "Téléphone", "Teléfono", "Móvil", "Telefone", "Cellulare",
        "Telefoonnummer", "Телефон", "电话", "電話", "Τηλέφωνο", "work phone", "phone2",
    ],
)  # fmt: skip
def test_a_phone_column_is_known_in_many_languages(header: str) -> None:
    assert plan("name", header, "city") == ((1,), ["name", "city"])


@pytest.mark.parametrize("header", ["number", "headphone", "customer no", "telefax", "zip"])
def test_another_column_is_not_taken_for_a_phone(header: str) -> None:
    with pytest.raises(BadLeadFile, match="no header is known"):
        plan("name", header)


def test_the_campaigns_columns_and_their_order_win() -> None:
    places, kept = plan(
        "Telefon", "Rufnr", "name",
        number_columns=["second", "first"],
        header_map={"Telefon": "first", "rufnr": "second"},
    )  # fmt: skip
    assert places == (1, 0)
    assert kept == ["name"]


@pytest.mark.parametrize("told", [{}, {"number_columns": ["phone"]}])
def test_several_columns_that_are_mapped_to_a_phone_are_all_numbers(told: dict[str, Any]) -> None:
    mapped = {"A": "phone", "B": "phone"}
    places, kept = plan("name", "B", "A", header_map=mapped, **told)
    assert (places, kept) == ((1, 2), ["name"])


def test_two_columns_of_one_name_are_refused_not_lost() -> None:
    with pytest.raises(BadLeadFile, match="columns x and name would both be called name"):
        plan("x", "phone", "name", header_map={"x": "name"})


def test_a_file_without_any_of_the_campaigns_columns_is_refused() -> None:
    with pytest.raises(BadLeadFile, match="none of the campaign's number_columns"):
        plan("phone", number_columns=["mobile"])
