"""The carrier's log and the database, held against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tests.acceptance.support.carrier import Carrier

Rows = Callable[[str], list[dict[str, Any]]]
"""Everything in one table, by its name."""


def rows_at(url: str) -> Rows:
    """The tables of any database, asked anew each time."""

    def rows(table: str) -> list[dict[str, Any]]:
        engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        try:
            with engine.connect() as conn:
                found = conn.execute(sa.text(f"SELECT * FROM {table}"))  # noqa: S608 # ours
                return [dict(row) for row in found.mappings()]
        finally:
            engine.dispose()

    return rows


def seconds(moment: datetime | str) -> float:
    """Of a row's moment since the epoch; SQLite gives its text, in UTC."""
    stamp = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Records:
    """What both sides wrote down."""

    invites: dict[str, set[str]]
    """Dialed number → Call-IDs, by the carrier."""
    attempts: dict[str, list[dict[str, Any]]]
    """Number → rows, by the database."""
    leads: dict[str, dict[str, Any]]
    """First number → row."""

    @classmethod
    def of(cls, carrier: Carrier, rows: Rows) -> Records:
        numbers = rows("lead_numbers")
        attempts = rows("attempts")
        leads = {lead["lead_id"]: lead for lead in rows("leads")}
        by_number: dict[int, list[dict[str, Any]]] = {}
        for attempt in attempts:
            by_number.setdefault(attempt["number_id"], []).append(attempt)
        return cls(
            invites=dict(carrier.invites()),
            attempts={row["e164"]: by_number.get(row["number_id"], []) for row in numbers},
            leads={row["e164"]: leads[row["lead_id"]] for row in numbers},
        )

    def assert_never_twice(self) -> None:
        """Nobody was dialed a second time: no retry rule of these campaigns allows it so soon."""
        twice = {number: ids for number, ids in self.invites.items() if len(ids) > 1}
        assert not twice

    def assert_nothing_unrecorded(self) -> None:
        """Each INVITE has a row, and the row's Call-ID is the INVITE's."""
        for number, call_ids in self.invites.items():
            (attempt,) = self.attempts[number]
            assert attempt["sip_call_id"] in (*call_ids, None)

    def assert_the_same_calls(self) -> None:
        """Number by number: one INVITE, and one row, closed, which is of that dialog."""
        carried = {number: sorted(call_ids) for number, call_ids in self.invites.items()}
        written = {
            number: [row["sip_call_id"] for row in rows]
            for number, rows in self.attempts.items()
            if rows
        }
        assert carried == written
        self.assert_never_twice()
        self.assert_nothing_open()

    def assert_nothing_open(self) -> None:
        """No attempt is open, and no lead is held by anybody."""
        assert {row["state"] for rows in self.attempts.values() for row in rows} <= {"closed"}
        assert not [lead for lead in self.leads.values() if lead["state"] == "claimed"]

    def assert_unknown_waits_for_review(self) -> None:
        """Who was being dialed when the engine died is looked at by a person."""
        for number, lead in self.leads.items():
            unknown = [row["disposition"] == "unknown" for row in self.attempts[number]]
            assert (lead["state"] == "review") == any(unknown), number

    def dispositions(self) -> set[str]:
        return {row["disposition"] for rows in self.attempts.values() for row in rows}

    def with_disposition(self, disposition: str) -> list[dict[str, Any]]:
        rows = (row for rows in self.attempts.values() for row in rows)
        return [row for row in rows if row["disposition"] == disposition]
