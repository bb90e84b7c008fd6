"""The headers of a SIP message as plain text: what a few lines of ours want to know of it."""

from __future__ import annotations

import re
from functools import lru_cache

_COMPACT = {"i": "call-id", "f": "from", "t": "to", "m": "contact", "o": "event"}
_NEXT_ROUTE = re.compile(r",\s*(?=<)")


def headers_of(head: str) -> dict[str, list[str]]:
    """Values by lower-case name; lists of routes are taken apart, folded lines joined."""
    found: dict[str, list[str]] = {}
    if "\r\n " in head or "\r\n\t" in head:
        head = re.sub(r"\r\n[ \t]+", " ", head)
    for line in head.split("\r\n")[1:]:
        written, _, value = line.partition(":")
        name = _name_of(written)
        if name == "record-route":
            values = [part.strip() for part in _NEXT_ROUTE.split(value)]
        else:
            values = [value.strip()]
        if name in found:
            found[name] += values
        else:
            found[name] = values
    return found


@lru_cache(maxsize=256)
def _name_of(written: str) -> str:
    """The same few names come in every message."""
    name = written.strip().lower()
    return _COMPACT.get(name, name)
