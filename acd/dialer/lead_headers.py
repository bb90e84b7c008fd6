"""Which columns of a file hold phone numbers: by the campaign's word, or by their headers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from acd.dialer.lead_files import LeadFile
from acd.errors import BadLeadFile, Problem
from acd.numbers import PhoneNumber, read_number
from acd.rules.definition import CampaignDefinition

# Words for a phone in the languages of the lists that we have met; `number` alone is too little.
_PHONE_WORDS = (
    "phone",
    "telephone",
    "tel",
    "telno",
    "mobile",
    "mobilephone",
    "cell",
    "cellphone",
    "msisdn",
    "e164",
    "telefon",
    "telefonnummer",
    "telefonnr",
    "rufnummer",
    "handy",
    "handynummer",
    "mobil",
    "mobiltelefon",
    "mobilnummer",
    "festnetz",
    "téléphone",
    "portable",
    "teléfono",
    "móvil",
    "celular",
    "telefone",
    "telemóvel",
    "telefono",
    "cellulare",
    "telefoon",
    "telefoonnummer",
    "mobiel",
    "telefonszám",
    "mobilszám",
    "telefón",
    "číslo",
    "puhelin",
    "puhelinnumero",
    "telefonnumre",
    "τηλέφωνο",
    "телефон",
    "мобильный",
    "电话",
    "手机",
    "電話",
    "전화",
)
_PHONE_HEADER = re.compile(
    r"^(?:(?:home|work|business|office|private|privat|geschäft|phone|mobile)\s+)?"
    rf"(?:{'|'.join(map(re.escape, _PHONE_WORDS))})"
    r"(?:\s+(?:number|no|nr|nummer|privat|private|geschäftlich|home|work|mobile|mobil))?\s*\d{0,2}$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """Where in a row what stands."""

    number_places: tuple[int, ...]
    """In the order in which the numbers are tried."""
    kept: tuple[tuple[int, str], ...]
    """Place and name of every other column."""
    priority_place: int | None = None


def plan_columns(
    file: LeadFile,
    definition: CampaignDefinition,
    *,
    header_map: Mapping[str, str],
    default_region: str,
) -> ColumnPlan:
    """Decide what the columns of a file are.

    Args:
        file: what was found out about it.
        definition: its `header_map` and `number_columns`.
        header_map: `--map`; wins over the definition's.
        default_region: to recognise a first row that is data.

    Raises:
        BadLeadFile: a header that was named is missing, no column holds numbers, or two that
            hold something else would have one name.
    """
    names = _renamed(file, {**definition.header_map, **header_map}, set(header_map))
    if definition.number_columns:
        places = _named_places(file, names, definition.number_columns)
    else:
        places = known_places(names)
    if not places:
        raise _no_numbers(file, default_region)
    kept = tuple((place, name) for place, name in enumerate(names) if place not in places)
    _check_apart(file, kept)
    return ColumnPlan(
        number_places=tuple(places),
        kept=kept,
        priority_place=_priority_place(file, names, definition.priority_column),
    )


def known_places(headers: Sequence[str]) -> list[int]:
    """Where the headers are that are known to hold phone numbers."""
    return [place for place, name in enumerate(headers) if _PHONE_HEADER.match(_folded(name))]


def place_of(headers: Sequence[str], wanted: str) -> int | None:
    """Where a header stands; capitals and what parts its words don't count."""
    folded = _folded(wanted)
    return next((place for place, name in enumerate(headers) if _folded(name) == folded), None)


def _priority_place(file: LeadFile, names: Sequence[str], column: str) -> int | None:
    if not column:
        return None
    place = place_of(names, column)
    if place is not None:
        return place
    raise BadLeadFile(
        Problem(
            str(file.path),
            f"the campaign's priority_column {column!r} is not in it",
            f"its headers are {', '.join(file.headers)}; --map HEADER={column} maps one",
        )
    )


def _folded(header: str) -> str:
    return " ".join(re.split(r"[\s_.\-:/()]+", header.casefold())).strip()


def _renamed(file: LeadFile, header_map: Mapping[str, str], required: set[str]) -> list[str]:
    wanted = {_folded(header): name for header, name in header_map.items()}
    present = {_folded(header) for header in file.headers}
    for header in required:
        if _folded(header) not in present:
            raise BadLeadFile(
                Problem(
                    f"{file.path}, --map {header}=…",
                    "the file has no such header",
                    f"it has {', '.join(file.headers)}",
                )
            )
    return [wanted.get(_folded(header), header) for header in file.headers]


def _check_apart(file: LeadFile, kept: Sequence[tuple[int, str]]) -> None:
    """A name stands for one column: the other one's cells would be lost."""
    first: dict[str, int] = {}
    for place, name in kept:
        if name in first:
            one, other = file.headers[first[name]], file.headers[place]
            raise BadLeadFile(
                Problem(
                    str(file.path),
                    f"its columns {one} and {other} would both be called {name}",
                    "--map or header_map may give a name to one column only, unless it is a "
                    "phone number's",
                )
            )
        first[name] = place


def _named_places(file: LeadFile, names: Sequence[str], columns: Sequence[str]) -> list[int]:
    """Where the campaign's number columns are; one name may stand for several."""
    folded = [_folded(name) for name in names]
    places = [
        place
        for column in dict.fromkeys(map(_folded, columns))
        for place, name in enumerate(folded)
        if name == column
    ]
    if not places:
        raise BadLeadFile(
            Problem(
                str(file.path),
                f"none of the campaign's number_columns ({', '.join(columns)}) is in it",
                f"its headers are {', '.join(file.headers)}; --map HEADER={columns[0]} maps one",
            )
        )
    return places


def _no_numbers(file: LeadFile, default_region: str) -> BadLeadFile:
    for header in file.headers:
        if isinstance(read_number(header, default_region=default_region), PhoneNumber):
            return BadLeadFile(
                Problem(
                    f"{file.path}, line {file.first_line - 1}",
                    "the first row is a lead and no headers",
                    "put a row with the columns' names on top, such as phone",
                )
            )
    return BadLeadFile(
        Problem(
            str(file.path),
            f"no header is known to hold phone numbers: {', '.join(file.headers)}",
            "--map HEADER=phone names the column, or number_columns in campaign.toml",
        )
    )
