"""Which line of a TOML file each key stands in; `tomllib` tells what is there, not where. Pure.

Lines are gathered until they are a whole statement, and `tomllib` itself says when that is: strings
and arrays over several lines, quoted, dotted and inline keys are read by the one real parser.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Loc = tuple[str | int, ...]
"""A key as pydantic names it: ("trunk", 0, "lines")."""

_MAY_END = ("]", '"""', "'''")
"""One of these ends whatever did not end in its first line."""


def find_key_lines(text: str) -> dict[Loc, int]:
    """Where each table and key begins, lines counted from 1.

    Args:
        text: a file that `tomllib` can read; of another one the keys before the fault are found.
    """
    found: dict[Loc, int] = {}
    many: dict[Loc, int] = {}
    at: Loc = ()
    for number, statement, table in _statements(text):
        if statement.lstrip().startswith("["):
            at = _place(table, many)
            found[at] = number
            _add_above(found, at, number)
        else:
            for loc in _locs_below(at, table):
                found.setdefault(loc, number)
                _add_above(found, loc, number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Line number, text and meaning of each header and each key with its value."""
    gathered: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        gathered.append(line)
        if len(gathered) > 1 and not any(end in line for end in _MAY_END):
            continue
        statement = "\n".join(gathered)
        try:
            table = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # it goes on
        if table:
            yield number - len(gathered) + 1, statement, table
        gathered.clear()


def _place(table: Mapping[str, Any], many: dict[Loc, int]) -> Loc:
    """Of a header, read by itself; below one of many tables it belongs to the last of them."""
    at: Loc = ()
    value: Any = table
    while value:
        ((key, value),) = value.items()
        at = (*at, key)
        if isinstance(value, list):
            many[at] = many.get(at, -1) + 1
            value = value[0]
        if at in many:
            at = (*at, many[at])
    return at


def _locs_below(at: Loc, value: Any) -> Iterator[Loc]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield (*at, key)
            yield from _locs_below((*at, key), below)
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _locs_below((*at, index), below)


def _add_above(found: dict[Loc, int], loc: Loc, number: int) -> None:
    """A table that nothing else has opened begins with its first key."""
    for length in range(1, len(loc)):
        found.setdefault(loc[:length], number)
