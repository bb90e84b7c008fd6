"""A campaign's `[[filter]]` in SQL, as near to `FilterTable.passes` as SQL comes.

How it works: the judge folds capitals by Unicode, and what SQL's lower() folds differs between
databases and their locales. So each character that folds to one of the wanted text's is replaced
by what it folds to, and lower() has only ASCII left to do. A lead that a filter excludes must not
be found again and again: the claim would see no others, and the campaign would never finish.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import sqlalchemy as sa

from acd.rules.definition import FilterTable
from acd.store import schema as t

_FIRST_OTHER = 0x80
_LAST_CASED = 0x1E943
"""The last letter of Unicode 16 that has capitals (Adlam)."""
_CAPITAL_DOTTED_I = "\u0130"
"""PostgreSQL's lower() makes it an i and drops the dot; to the judge they are two letters."""


def passes(rule: FilterTable) -> sa.ColumnElement[bool]:
    """SQL: the lead passes this filter."""
    wanted = sorted(rule.folded)
    value: sa.ColumnElement[str] = sa.func.trim(t.leads.c.columns[rule.column].as_string())
    for character, folded in _others(wanted).items():
        value = sa.func.replace(value, character, folded)
    known = sa.func.coalesce(sa.func.lower(value), "")
    return known.in_(wanted) if rule.one_of else known.not_in(wanted)


def _others(wanted: Iterable[str]) -> Mapping[str, str]:
    """Characters beyond ASCII that fold to something that stands in the wanted texts."""
    letters = set("".join(wanted))
    return {
        other: folded
        for other, folded in _folding().items()
        if letters >= set(folded) or (other == _CAPITAL_DOTTED_I and "i" in letters)
    }


@lru_cache(maxsize=1)
def _folding() -> Mapping[str, str]:
    """Each character beyond ASCII that folding changes → what it becomes."""
    characters = map(chr, range(_FIRST_OTHER, _LAST_CASED + 1))
    folded = {character: character.casefold() for character in characters}
    return {character: text for character, text in folded.items() if character != text}
