"""Many values as one parameter, and one statement for many rows, as both databases take them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from acd.store import Store
from acd.store import schema as t
from acd.store.among import among
from acd.store.each import execute_each
from tests.contract.store.world import NOON, later

_INSERT = sa.insert(t.dnc_lists)
_DATE = (
    sa.update(t.dnc_lists)
    .where(t.dnc_lists.c.name == sa.bindparam("this_list"))
    .values(made_on=sa.bindparam("day"), changed_at=sa.bindparam("now"), campaign_id=None)
)


@pytest.fixture(autouse=True)
def lists(store: Store) -> None:
    rows = [{"name": name, "made_on": None, "changed_at": NOON} for name in ("a", "it's", "%s")]
    store.run_sync(execute_each, _INSERT, rows)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], []),
        (["a"], ["a"]),
        (("%s", "it's", "x"), ["%s", "it's"]),
        ({"a", "it's"}, ["a", "it's"]),
    ],
)
def test_texts_are_found_among_those_given(store: Store, given: Any, found: list[str]) -> None:
    query = sa.select(t.dnc_lists.c.name).where(among(t.dnc_lists.c.name, "names"))
    assert (
        sorted(store.read_sync(lambda conn: conn.scalars(query, {"names": given}).all())) == found
    )


@pytest.mark.parametrize("given", [[], [10**9], range(1, 1000)])
def test_numbers_are_found_among_those_given_or_not_among_them(store: Store, given: Any) -> None:
    column = t.dnc_lists.c.list_id
    among_them = among(column, "ids")

    def ids(conn: sa.Connection, which: sa.ColumnElement[bool]) -> set[int]:
        return set(conn.scalars(sa.select(column).where(which), {"ids": given}))

    everything = store.read_sync(lambda conn: set(conn.scalars(sa.select(column))))
    assert store.read_sync(ids, among_them) == everything & set(given)
    assert store.read_sync(ids, ~among_them) == everything - set(given)


def test_each_row_is_written_as_its_types_say(store: Store) -> None:
    day = date(2026, 11, 1)
    rows: list[dict[str, Any]] = [
        {"this_list": "a", "day": day, "now": later(hours=1)},
        {"this_list": "%s", "day": None, "now": later(hours=2)},
    ]
    store.run_sync(execute_each, _DATE, rows)
    store.run_sync(execute_each, _DATE, [])
    query = sa.select(t.dnc_lists.c.name, t.dnc_lists.c.made_on, t.dnc_lists.c.changed_at)
    assert {tuple(row) for row in store.read_sync(lambda conn: conn.execute(query).all())} == {
        ("a", day, later(hours=1)),
        ("%s", None, later(hours=2)),
        ("it's", None, NOON),
    }
