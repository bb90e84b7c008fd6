"""Do-not-call at work: reading list files, adding, removing and checking numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa

from acd.clock import local_day
from acd.dialer.dnc_files import read_list
from acd.errors import BadInput, Problem
from acd.numbers import NumberRefused, read_number
from acd.settings import Settings
from acd.store import Store
from acd.store.campaigns import campaign_by_name
from acd.store.dnc import (
    add_numbers,
    list_by_name,
    list_to_add_to,
    lists_of_number,
    open_list,
    remove_numbers,
    replace_numbers,
)
from acd.store.suppressions import is_erased

OWN_LIST = "own"
"""The list that `acd dnc add` writes to: people who told us."""
_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,63}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DncImport:
    """What became of a list file."""

    list_name: str
    rows: int
    numbers: int
    """Different numbers that now stand on the list."""
    unreadable: tuple[str, ...]
    """`line N: why`, for rows without a number."""


def import_list(
    store: Store,
    settings: Settings,
    *,
    name: str,
    path: Path,
    made_on: date,
    campaign_name: str = "",
    column: str = "",
    now: datetime,
    progress: Callable[[float], None] = lambda share: None,
) -> DncImport:
    """Put a file's numbers in the place of the list's present ones.

    `read_list` says which file, column and progress are meant. A number that is invalid today
    is kept out: nothing invalid is ever dialed.

    Raises:
        BadLeadFile: the file can't be read, or nobody can tell where its numbers are.
        BadInput: a bad name, a day to come, or a list that holds for other campaigns.
    """
    _check_name(name)
    if made_on > local_day(now):
        raise BadInput(
            Problem("--made-on", f"{made_on} is a day to come", "name the day it was made")
        )
    region = settings.destinations.default_region
    file = read_list(path, region=region, column=column, progress=progress)

    def write(conn: sa.Connection) -> None:
        campaign_id = _campaign_id(conn, campaign_name)
        list_id = open_list(conn, name=name, campaign_id=campaign_id, made_on=made_on, now=now)
        replace_numbers(conn, list_id=list_id)
        add_numbers(conn, list_id=list_id, numbers=file.numbers, now=now)

    store.run_sync(write)
    return DncImport(
        list_name=name, rows=file.rows, numbers=len(file.numbers), unreadable=file.unreadable
    )


def add(
    conn: sa.Connection,
    settings: Settings,
    *,
    texts: Sequence[str],
    name: str = OWN_LIST,
    campaign_name: str = "",
    now: datetime,
) -> int:
    """Put numbers on a list, which is made where it is new; how many are new on it.

    Raises:
        BadInput: one of the texts is no number; nothing was added.
    """
    _check_name(name)
    numbers = parse_numbers(texts, settings)
    campaign_id = _campaign_id(conn, campaign_name)
    list_id = list_to_add_to(conn, name=name, campaign_id=campaign_id, now=now)
    return add_numbers(conn, list_id=list_id, numbers=numbers, now=now)


def remove(
    conn: sa.Connection,
    settings: Settings,
    *,
    texts: Sequence[str],
    name: str = OWN_LIST,
    now: datetime,
) -> int:
    """Take numbers off a list; how many stood on it.

    Raises:
        UnknownName: there is no such list.
        BadInput: one of the texts is no number; nothing was removed.
    """
    numbers = parse_numbers(texts, settings)
    found = list_by_name(conn, name)
    return remove_numbers(conn, list_id=found.list_id, numbers=numbers, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class DncAnswer:
    """What is known of one number."""

    lists: Sequence[str]
    """Names of the lists on which it stands."""
    erased: bool
    """It belongs to somebody who was erased: no import takes it."""


def check(conn: sa.Connection, settings: Settings, text: str) -> DncAnswer:
    """Whether a number stands on a list, or belongs to somebody who was erased.

    Raises:
        BadInput: the text is no number.
    """
    [e164] = parse_numbers([text], settings)
    return DncAnswer(lists=lists_of_number(conn, e164), erased=is_erased(conn, e164))


def parse_numbers(texts: Sequence[str], settings: Settings) -> list[str]:
    """E.164 of numbers that a person typed.

    Raises:
        BadInput: with everything that is no number.
    """
    region = settings.destinations.default_region
    numbers, problems = [], []
    for text in texts:
        answer = read_number(text, default_region=region)
        if isinstance(answer, NumberRefused):
            problems.append(
                Problem(
                    repr(text), f"the number {answer.why}", f"write +431505641; region {region}"
                )
            )
        else:
            numbers.append(answer.e164)
    if problems:
        raise BadInput(problems)
    return numbers


def _campaign_id(conn: sa.Connection, campaign_name: str) -> int | None:
    return campaign_by_name(conn, campaign_name).campaign_id if campaign_name else None


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise BadInput(
            Problem(
                f"list {name!r}",
                "this cannot be a list's name",
                "allowed: small letters, digits, - _ and . , at most 64",
            )
        )
