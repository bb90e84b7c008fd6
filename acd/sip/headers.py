"""The headers of a SIP message as plain text: what a few lines of ours want to know of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_COMPACT = {"i": "call-id", "f": "from", "t": "to", "m": "contact", "o": "event"}
_NEXT_ROUTE = re.compile(r",\s*(?=<)")


def headers_of(head: str, *wanted: str) -> dict[str, list[str]]:
    """Values of the headers that are wanted, by their lower-case names.

    Lists of routes are taken apart, folded lines joined; what is not there has no entry.
    """
    return values_of(header_lines(head, *wanted))


def header_lines(head: str, *wanted: str) -> list[tuple[str, str]]:
    """Their names and values as they are written, folded lines joined."""
    if "\r\n " in head or "\r\n\t" in head:
        head = re.sub(r"\r\n[ \t]+", " ", head)
    return _lines_of(wanted).findall(head)


def values_of(lines: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """`headers_of` from such lines."""
    found: dict[str, list[str]] = {}
    for written, value in lines:
        name = _name_of(written)
        values = _NEXT_ROUTE.split(value) if name == "record-route" else (value,)
        found.setdefault(name, []).extend(map(str.strip, values))
    return found


@lru_cache(maxsize=16)
def _lines_of(wanted: tuple[str, ...]) -> re.Pattern[str]:
    """To look at each line of every message would take three times as long."""
    names = [*wanted, *(short for short, name in _COMPACT.items() if name in wanted)]
    alternatives = "|".join(map(re.escape, names))
    return re.compile(rf"\r\n({alternatives})[ \t]*:([^\r\n]*)", re.IGNORECASE)


@lru_cache(maxsize=256)
def _name_of(written: str) -> str:
    """The same few names come in every message."""
    name = written.lower()
    return _COMPACT.get(name, name)
