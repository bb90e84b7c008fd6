"""`acd agents import`: a CSV file of agents, taken whole or not at all.

    name,extension,display_name,skills,campaigns,priority
    anna,201,Anna Huber,german english,spring sample,5

Columns may stand in any order and be separated by commas, semicolons or tabs; lists within a
cell are separated by spaces. Only `name` and `extension` must be there.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from acd.errors import BadInput, Problem
from acd.lines import DestinationKind, Door, Refused
from acd.rules.definition import MAX_PRIORITY
from acd.settings import Settings
from acd.store.agents import NewAgent, all_agents, save_agents
from acd.store.campaigns import all_campaigns

COLUMNS = ("name", "extension", "display_name", "skills", "campaigns", "priority")
MAX_AGENTS = 10_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_EXTENSION = re.compile(r"[A-Za-z0-9+][A-Za-z0-9._-]{0,31}")
_SKILL = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_PRIORITIES = frozenset({"", *map(str, range(MAX_PRIORITY + 1))})
_BETWEEN = re.compile(r"[\s|]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentsImported:
    """What a file did; agents by name."""

    added: list[str]
    changed: list[str]
    unchanged: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    cells: Mapping[str, str]


def import_agents(
    conn: sa.Connection, settings: Settings, path: Path, *, now: datetime
) -> AgentsImported:
    """Read a file and save its agents; the same file again changes nothing.

    Raises:
        BadInput: with every problem of the file, by line; nothing was changed.
    """
    rows = list(_rows(path))
    agents: list[NewAgent] = []
    problems: list[Problem] = []
    campaigns = {row.name: row.campaign_id for row in all_campaigns(conn)}
    for row in rows:
        found = list(_problems_of(row, settings, campaigns))
        problems += found
        if not found:
            agents.append(_agent(row, campaigns))
    problems += _clashes(conn, rows)
    if problems:
        raise BadInput(problems)
    added, changed = save_agents(conn, agents, now=now)
    return AgentsImported(
        added=added, changed=changed, unchanged=len(agents) - len(added) - len(changed)
    )


def _rows(path: Path) -> Iterator[_Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise BadInput(Problem(str(path), f"it cannot be read: {exc.strerror}")) from exc
    except UnicodeDecodeError as exc:
        raise BadInput(
            Problem(str(path), "it is not written in UTF-8", "save it as UTF-8")
        ) from exc
    records = _records(path, text)
    _, header = next(records, (1, []))
    names = [cell.strip().lower() for cell in header]
    _check_header(path, names)
    for line, cells in records:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}, line {line}"
        if len(cells) > len(names):
            raise BadInput(Problem(where, f"{len(cells)} cells stand under {len(names)} columns"))
        if line > MAX_AGENTS + 1:
            raise BadInput(Problem(str(path), f"more than {MAX_AGENTS} agents are not taken"))
        padded = [*cells, *[""] * (len(names) - len(cells))]
        yield _Row(where, dict(zip(names, (cell.strip() for cell in padded), strict=True)))


def _records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line on which it ends."""
    header = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(), delimiter=max(",;\t", key=header.count))
    last = 0
    try:
        for cells in reader:
            last = reader.line_num
            yield last, cells
    except csv.Error as exc:
        raise BadInput(
            Problem(
                f"{path}, line {last + 1}",
                "no cell is so long; a quote may be opened and not closed",
                'a quote inside a quoted cell is written ""',
            )
        ) from exc


def _check_header(path: Path, names: list[str]) -> None:
    allowed = f"the columns are {', '.join(COLUMNS)}; name and extension must be there"
    unknown = [name for name in names if name not in COLUMNS]
    missing = [name for name in COLUMNS[:2] if name not in names]
    if missing or unknown or len(set(names)) != len(names):
        what = (
            f"there is no column {missing[0]}"
            if missing
            else f"there is no such column as {unknown[0]!r}"
            if unknown
            else "a column stands there twice"
        )
        raise BadInput(Problem(f"{path}, line 1", what, allowed))


def _problems_of(row: _Row, settings: Settings, campaigns: Mapping[str, int]) -> Iterator[Problem]:
    cells = row.cells
    if not _NAME.fullmatch(cells["name"]):
        yield Problem(
            f"{row.where}, name",
            f"{cells['name']!r} cannot be an agent's name",
            "allowed: letters, digits, dot, - and _, at most 32",
        )
    refused = _refused_extension(cells["extension"], settings)
    if refused:
        yield Problem(f"{row.where}, extension", refused)
    if len(cells.get("display_name", "")) > 64:
        yield Problem(f"{row.where}, display_name", "it is longer than 64 signs")
    if cells.get("priority", "") not in _PRIORITIES:
        yield Problem(
            f"{row.where}, priority",
            f"{cells['priority']!r} is no priority",
            f"allowed: 0 to {MAX_PRIORITY}, or nothing, which is 0; the highest go first",
        )
    for skill in _listed(cells.get("skills", "")):
        if not _SKILL.fullmatch(skill):
            yield Problem(
                f"{row.where}, skills",
                f"{skill!r} cannot be a skill",
                "allowed: small letters, digits, - and _, at most 32",
            )
    for name in _listed(cells.get("campaigns", "")):
        if name not in campaigns:
            known = f"there is {', '.join(sorted(campaigns))}" if campaigns else ""
            yield Problem(
                f"{row.where}, campaigns",
                f"campaign {name!r} is not in the database",
                known or f"`acd campaign create {name}` makes it",
            )


def _refused_extension(extension: str, settings: Settings) -> str:
    """Why people cannot be transferred there; empty: they can."""
    if not _EXTENSION.fullmatch(extension):
        return f"{extension!r} is no extension; allowed: letters, digits, +, dot, - and _"
    door = Door(settings.destinations, settings.trunk[0])
    answer = door.admit(extension, DestinationKind.TRANSFER)
    return answer.sentence if isinstance(answer, Refused) else ""


def _clashes(conn: sa.Connection, rows: list[_Row]) -> Iterator[Problem]:
    """Two agents of one name, or two on one phone, in the file or after it."""
    in_file = {row.cells["name"] for row in rows}
    phones = {
        agent.extension: f"agent {agent.name}"
        for agent in all_agents(conn)
        if agent.name not in in_file
    }
    names: dict[str, str] = {}
    for row in rows:
        name, extension = row.cells["name"], row.cells["extension"]
        if name in names:
            yield Problem(f"{row.where}, name", f"{name!r} stands in {names[name]} already")
        if extension in phones:
            yield Problem(
                f"{row.where}, extension",
                f"{extension} is the phone of {phones[extension]}",
                "every agent has a phone of their own",
            )
        names.setdefault(name, row.where.rpartition(", ")[2])
        phones.setdefault(extension, f"agent {name} in {row.where.rpartition(', ')[2]}")


def _agent(row: _Row, campaigns: Mapping[str, int]) -> NewAgent:
    cells = row.cells
    return NewAgent(
        name=cells["name"],
        extension=cells["extension"],
        display_name=cells.get("display_name", ""),
        skills=frozenset(_listed(cells.get("skills", ""))),
        campaign_ids=frozenset(campaigns[name] for name in _listed(cells.get("campaigns", ""))),
        priority=int(cells.get("priority", "") or 0),
    )


def _listed(cell: str) -> list[str]:
    return [part for part in _BETWEEN.split(cell) if part]
