"""Campaign definitions on disk: read `campaigns/<name>/campaign.toml`, check it, store it."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import sqlalchemy as sa
from pydantic import BaseModel, ValidationError

from acd.errors import BadCampaign, Problem, UnknownName
from acd.lines import DestinationKind, Door, Refused
from acd.rules.definition import (
    AgentsTable,
    CallerIdTable,
    CampaignDefinition,
    DialMode,
    DncTable,
    HoursTable,
)
from acd.settings import Settings
from acd.settings.sounds import PLAYABLE, wrong_with_wav
from acd.settings.toml_lines import find_key_lines
from acd.settings.wording import Places
from acd.store.campaigns import (
    CampaignRow,
    create_campaign,
    find_campaign,
    reload_campaign,
)
from acd.store.locks import lock_name

__all__ = [
    "SOUNDS",
    "AgentsTable",
    "CallerIdTable",
    "CampaignDefinition",
    "DialMode",
    "DncTable",
    "HoursTable",
    "check_definition",
    "create_from_file",
    "definition_file",
    "ensure_campaign",
    "load_definition",
    "reload_from_file",
]

SOUNDS = ("abandon_message", "comfort_audio")
"""Keys that name a WAV, from the campaign's folder on."""
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


def definition_file(settings: Settings, name: str) -> Path:
    """Where a campaign's definition stands.

    Raises:
        BadCampaign: the name could not be a folder's.
    """
    if not _NAME.match(name):
        raise BadCampaign(
            Problem(
                f"campaign {name!r}",
                "this cannot be a campaign's name",
                "allowed: small letters, digits, - and _, at most 64",
            )
        )
    return settings.campaigns_folder / name / "campaign.toml"


def load_definition(settings: Settings, name: str) -> CampaignDefinition:
    """Read and check a definition against the installation; paths become absolute.

    Raises:
        BadCampaign: with everything that is wrong.
        UnknownName: there is no such file.
    """
    file = definition_file(settings, name)
    text = _read_text(file, name)
    return check_definition(settings, _parse(file, text), file=file, text=text)


def check_definition(
    settings: Settings, table: Mapping[str, Any], *, file: Path, text: str = ""
) -> CampaignDefinition:
    """A definition that was read already, checked against the installation.

    Args:
        settings: the installation's.
        table: what the file says, or would say.
        file: where it stands or would; its folder is where paths in it begin.
        text: what was read, so that problems name lines; empty: it comes from no file.

    Raises:
        BadCampaign: with everything that is wrong.
    """
    try:
        definition = CampaignDefinition.model_validate(table)
    except ValidationError as exc:
        places = _Places(file, text)
        raise BadCampaign([_problem(places, error) for error in exc.errors()]) from None
    places = _Places(file, text)
    definition, problems = _with_sounds(definition, places)
    problems += list(_against_settings(definition, settings, places))
    if problems:
        raise BadCampaign(problems)
    return definition


def create_from_file(
    conn: sa.Connection, settings: Settings, name: str, now: datetime
) -> CampaignRow:
    """Store a new campaign from its file."""
    definition = load_definition(settings, name)
    trunk = definition.trunk or settings.trunk[0].name
    return create_campaign(conn, name=name, definition=definition, trunk=trunk, now=now)


def reload_from_file(
    conn: sa.Connection, settings: Settings, campaign: CampaignRow, now: datetime
) -> CampaignRow:
    """Store the file's present definition as the next version, if it differs."""
    definition = load_definition(settings, campaign.name)
    return reload_campaign(
        conn,
        campaign_id=campaign.campaign_id,
        definition=definition,
        trunk=definition.trunk or settings.trunk[0].name,
        now=now,
    )


def ensure_campaign(
    conn: sa.Connection, settings: Settings, name: str, now: datetime
) -> tuple[CampaignRow, bool]:
    """The campaign, made from its file where it is not stored yet; whether it was made."""
    found = find_campaign(conn, name)
    if found is None:
        # Somebody else may be making it at this moment.
        lock_name(conn, f"campaign {name}")
        found = find_campaign(conn, name)
    if found is not None:
        return found, False
    return create_from_file(conn, settings, name, now), True


@dataclass(frozen=True)
class _Places:
    """A definition's file, and where its keys stand in it."""

    file: Path
    text: str

    @cached_property
    def _keys(self) -> Places:
        return Places(self.file, find_key_lines(self.text))

    def where(self, *loc: str | int) -> str:
        """File, key and line; no line where nobody knows it."""
        key = ".".join(map(str, loc)) or "the whole file"
        line = self._keys.line(loc)
        return f"{self.file}, {key}" + (f" (line {line})" if line else "")


def _read_text(file: Path, name: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UnknownName(
            Problem(f"campaign {name}", f"there is no file {file}", "its definition belongs there")
        ) from None
    except (OSError, UnicodeDecodeError) as exc:
        raise BadCampaign(Problem(str(file), f"it cannot be read: {exc}")) from exc


def _parse(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise BadCampaign(Problem(str(file), f"it is no TOML: {exc}")) from exc


def _problem(places: _Places, error: Any) -> Problem:
    where = places.where(*error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "missing":
        return Problem(where, "it is missing")
    if error["type"] == "extra_forbidden":
        return Problem(where, "there is no such key", _known_keys(error["loc"]))
    value = error["input"]
    shown = f"{value!r}" if not isinstance(value, dict) else "this table"
    return Problem(where, f"{shown} is not right", message)


def _known_keys(loc: Sequence[str | int]) -> str:
    """What could have been meant by the last part of `loc`."""
    table: type[BaseModel] = CampaignDefinition
    for part in loc[:-1]:
        field = table.model_fields.get(str(part))
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()
        tables = (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
        table = next(tables, table)
    near = difflib.get_close_matches(str(loc[-1]), table.model_fields, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(table.model_fields)}"


def _with_sounds(
    definition: CampaignDefinition, places: _Places
) -> tuple[CampaignDefinition, list[Problem]]:
    """The definition with its WAVs' absolute paths, and what is wrong with them."""
    paths: dict[str, Path] = {}
    problems: list[Problem] = []
    for key in SOUNDS:
        told: Path | None = getattr(definition, key)
        if told is None:
            continue
        if "\0" in str(told):
            problems.append(Problem(places.where(key), "a file's name has no NUL byte"))
            continue
        paths[key] = wav = (places.file.parent / told).resolve()
        wrong = wrong_with_wav(wav)
        if wrong:
            problems.append(Problem(places.where(key), wrong, PLAYABLE))
    return definition.model_copy(update=paths), problems


def _against_settings(
    definition: CampaignDefinition, settings: Settings, places: _Places
) -> Iterable[Problem]:
    trunks = {trunk.name: trunk for trunk in settings.trunk}
    if definition.trunk and definition.trunk not in trunks:
        yield Problem(
            places.where("trunk"),
            f"there is no trunk {definition.trunk!r}",
            f"there is {_list(trunks)}",
        )
        return
    trunk = trunks[definition.trunk] if definition.trunk else settings.trunk[0]
    door = Door(settings.destinations, trunk)
    agents = definition.agents
    targets_of = {
        "extensions": agents.extensions,
        "queue": (agents.queue,),
        "overflow": (agents.overflow,),
    }
    for key, targets in targets_of.items():
        for target in filter(None, targets):
            answer = door.admit(target, DestinationKind.TRANSFER)
            if isinstance(answer, Refused):
                yield Problem(places.where("agents", key), answer.sentence)


def _list(names: Iterable[str]) -> str:
    listed: Sequence[str] = sorted(names)
    return ", ".join(listed)
