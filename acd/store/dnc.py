"""Do-not-call lists. A list holds for every campaign, or for the one that it was made for.

Nothing is copied into the leads: every claim and every dial asks the lists themselves, so a
number that is added is in force everywhere with the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from acd.errors import BadInput, UnknownName
from acd.rules.definition import DncTable
from acd.store import schema as t
from acd.store.events import Subject, record
from acd.store.locks import lock_name

CHUNK = 500
"""Values in one IN list; SQLite allows 32,766."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DncList:
    """One list."""

    list_id: int
    name: str
    campaign_id: int | None
    made_on: date | None
    """The publisher's day; None: made by hand, so never fresh where a list is required."""
    numbers: int


def dnc_lists(conn: sa.Connection) -> list[DncList]:
    """Every list with its size, by name."""
    count = (
        sa.select(sa.func.count())
        .where(t.dnc_numbers.c.list_id == t.dnc_lists.c.list_id)
        .scalar_subquery()
    )
    rows = conn.execute(
        sa.select(
            t.dnc_lists.c.list_id,
            t.dnc_lists.c.name,
            t.dnc_lists.c.campaign_id,
            t.dnc_lists.c.made_on,
            count.label("numbers"),
        ).order_by(t.dnc_lists.c.name)
    )
    return [DncList(**row._asdict()) for row in rows]


def open_list(
    conn: sa.Connection, *, name: str, campaign_id: int | None, made_on: date, now: datetime
) -> int:
    """The id of the list of that name, made or renewed with its date.

    Raises:
        BadInput: the list exists, but for another campaign.
    """
    list_id = _known_list(conn, name, campaign_id)
    if list_id is None:
        return _make_list(conn, name, campaign_id, made_on, now)
    conn.execute(
        sa.update(t.dnc_lists)
        .where(t.dnc_lists.c.list_id == list_id)
        .values(made_on=made_on, changed_at=now)
    )
    _changed(conn, list_id, "renewed", {"made_on": made_on.isoformat()}, now)
    return list_id


def list_to_add_to(
    conn: sa.Connection, *, name: str, campaign_id: int | None, now: datetime
) -> int:
    """The id of the list of that name, made where it is new.

    A known one keeps its date, and a new one has none: numbers that are added by hand neither
    make a publisher's old copy fresh nor take the place of one that is missing.

    Raises:
        BadInput: the list exists, but for another campaign.
    """
    list_id = _known_list(conn, name, campaign_id)
    return list_id or _make_list(conn, name, campaign_id, None, now)


def _known_list(conn: sa.Connection, name: str, campaign_id: int | None) -> int | None:
    """Its id, with everybody else who writes to it waiting until we are done."""
    lock_name(conn, f"list {name}")
    row = conn.execute(
        sa.select(t.dnc_lists.c.list_id, t.dnc_lists.c.campaign_id).where(
            t.dnc_lists.c.name == name
        )
    ).first()
    if row is None:
        return None
    if row.campaign_id != campaign_id:
        raise BadInput(
            f"list {name}: it exists and holds for "
            f"{'every campaign' if row.campaign_id is None else 'another campaign'}; "
            "choose another name"
        )
    return int(row.list_id)


def _make_list(
    conn: sa.Connection, name: str, campaign_id: int | None, made_on: date | None, now: datetime
) -> int:
    list_id: int = conn.execute(
        sa.insert(t.dnc_lists)
        .values(name=name, campaign_id=campaign_id, made_on=made_on, changed_at=now)
        .returning(t.dnc_lists.c.list_id)
    ).scalar_one()
    detail = {"made_on": made_on and made_on.isoformat()}
    _changed(conn, list_id, "created", detail, now)
    return list_id


def add_numbers(conn: sa.Connection, *, list_id: int, numbers: Sequence[str], now: datetime) -> int:
    """Put E.164 numbers on a list; how many are new on it."""
    wanted = list(dict.fromkeys(numbers))
    present = _on_list(conn, list_id, wanted)
    rows = [
        {"list_id": list_id, "e164": e164, "added_at": now}
        for e164 in wanted
        if e164 not in present
    ]
    if rows:
        conn.execute(sa.insert(t.dnc_numbers), rows)
        _changed(conn, list_id, "numbers_added", {"numbers": len(rows)}, now)
    return len(rows)


def remove_numbers(
    conn: sa.Connection, *, list_id: int, numbers: Sequence[str], now: datetime
) -> int:
    """Take E.164 numbers off a list; how many stood on it."""
    removed = 0
    for some in _chunks(numbers):
        removed += conn.execute(
            sa.delete(t.dnc_numbers).where(
                t.dnc_numbers.c.list_id == list_id, t.dnc_numbers.c.e164.in_(some)
            )
        ).rowcount
    if removed:
        _changed(conn, list_id, "numbers_removed", {"numbers": removed}, now)
    return removed


def replace_numbers(conn: sa.Connection, *, list_id: int) -> None:
    """Empty a list before a newer copy of it is read in, in the same transaction."""
    conn.execute(sa.delete(t.dnc_numbers).where(t.dnc_numbers.c.list_id == list_id))


def _changed(
    conn: sa.Connection, list_id: int, what: str, detail: Mapping[str, Any], now: datetime
) -> None:
    record(conn, at=now, subject=Subject.DNC_LIST, subject_id=list_id, what=what, detail=detail)


def lists_of_number(conn: sa.Connection, e164: str) -> list[str]:
    """Names of the lists on which a number stands."""
    return list(
        conn.scalars(
            sa.select(t.dnc_lists.c.name)
            .join(t.dnc_numbers, t.dnc_numbers.c.list_id == t.dnc_lists.c.list_id)
            .where(t.dnc_numbers.c.e164 == e164)
            .order_by(t.dnc_lists.c.name)
        )
    )


def list_by_name(conn: sa.Connection, name: str) -> DncList:
    """One list.

    Raises:
        UnknownName: there is none of that name.
    """
    for found in dnc_lists(conn):
        if found.name == name:
            return found
    raise UnknownName(f"list {name}: there is no do-not-call list of that name")


def listed_numbers(
    conn: sa.Connection, numbers: Sequence[str], campaign_id: int | None
) -> set[str]:
    """Those of the numbers that must not be dialed by the campaign, or by any (None)."""
    found: set[str] = set()
    for some in _chunks(numbers):
        found.update(
            conn.scalars(
                sa.select(t.dnc_numbers.c.e164)
                .join(t.dnc_lists, t.dnc_lists.c.list_id == t.dnc_numbers.c.list_id)
                .where(
                    t.dnc_numbers.c.e164.in_(some),
                    sa.or_(
                        t.dnc_lists.c.campaign_id.is_(None),
                        t.dnc_lists.c.campaign_id == campaign_id,
                    ),
                )
            )
        )
    return found


def stale_lists(
    conn: sa.Connection, table: DncTable, *, campaign_id: int, today: date
) -> list[str]:
    """Names of the required lists that are missing, for another campaign, or too old.

    One that was made by hand is as good as missing, until the publisher's is imported.
    """
    if not table.required_lists:
        return []
    fresh = {
        row.name
        for row in conn.execute(
            sa.select(t.dnc_lists.c.name, t.dnc_lists.c.made_on, t.dnc_lists.c.campaign_id).where(
                t.dnc_lists.c.name.in_(table.required_lists)
            )
        )
        if row.campaign_id in (None, campaign_id)
        and row.made_on is not None
        and (today - row.made_on).days <= table.max_age_days
    }
    return [name for name in table.required_lists if name not in fresh]


def _on_list(conn: sa.Connection, list_id: int, numbers: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for some in _chunks(numbers):
        found.update(
            conn.scalars(
                sa.select(t.dnc_numbers.c.e164).where(
                    t.dnc_numbers.c.list_id == list_id, t.dnc_numbers.c.e164.in_(some)
                )
            )
        )
    return found


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
