"""Imported leads on their way: staged where nobody sees them, and sifted there.

How it works: rows go into temporary tables of one connection, which belong to nobody else and
vanish with it, so that reading and judging a file of any size holds no lock. What SQL knows
better (the same number in another row or lead, a do-not-call list) is sifted there too: reasons
go into a table of their own as they are found, and the rows then move by them. A file whose
every row is refused takes no more memory than one whose rows are added.
`imports.publish` then copies what is left in one short transaction: all of it or nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import sqlalchemy as sa

from acd.numbers import PhoneNumber, masked
from acd.store import schema as t
from acd.store.engine import Store
from acd.store.json_text import as_json, from_json
from acd.store.lanes import zones_text
from acd.store.suppressions import erased_hashes, hold_erasures, number_hash

staging = sa.MetaData()

staged_leads = sa.Table(
    "staged_leads",
    staging,
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("zones", sa.Text),
    sa.Column("priority", sa.Integer),
    sa.Column("columns", sa.Text),
    # As they stood in the file: for the reject file, should the row be refused later.
    sa.Column("number_cells", sa.Text),
    prefixes=["TEMPORARY"],
)

staged_numbers = sa.Table(
    "staged_numbers",
    staging,
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("e164", sa.String(16)),
    sa.Column("kind", sa.String(16)),
    sa.Column("region", sa.String(2)),
    sa.Column("zones", sa.Text),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

staged_rejects = sa.Table(
    "staged_rejects",
    staging,
    sa.Column("line", sa.Integer),
    sa.Column("lead", sa.String(8)),
    sa.Column("rule", sa.String(32)),
    sa.Column("reason", sa.Text),
    sa.Column("columns", sa.Text),
    sa.Column("number_cells", sa.Text),
    prefixes=["TEMPORARY"],
)

staged_reasons = sa.Table(
    "staged_reasons",
    staging,
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("reason", sa.Text),
    prefixes=["TEMPORARY"],
)
"""Of one rule, while its rows are being moved to the rejects."""

_IN_ORDER = (staged_numbers.c.line, staged_numbers.c.position)

_BATCH = 5000
"""Rows read, or reasons written, at once."""

Reason = tuple[int, str]
"""The line of a row that is refused, and why."""

DUPLICATE = "duplicate"
DNC = "dnc"
ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLead:
    """A lead as the importer hands it over; at least one number, the first is tried first."""

    line: int
    numbers: Sequence[PhoneNumber]
    columns: Mapping[str, str]
    number_cells: Sequence[str] = ()
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row, or one number of a row, that is not taken."""

    line: int
    lead: str
    """`refused`, or `added` where the lead came in with another number."""
    rule: str
    reason: str
    columns: Mapping[str, str]
    number_cells: Sequence[str]


@dataclass(slots=True)
class StagedRows:
    """Rows for the staging tables, as tuples in the tables' order: cheap to send and to insert."""

    leads: list[tuple[int, str, int, str, str]] = field(default_factory=list)
    numbers: list[tuple[int, int, str, str, str, str]] = field(default_factory=list)
    rejects: list[tuple[int, str, str, str, str, str]] = field(default_factory=list)

    def add(self, lead: NewLead) -> None:
        """Take in a lead."""
        self.leads.append(
            (
                lead.line,
                zones_text(lead.numbers[0].zones),
                lead.priority,
                as_json(lead.columns),
                as_json(lead.number_cells),
            )
        )
        for position, number in enumerate(lead.numbers):
            zones = zones_text(number.zones)
            self.numbers.append(
                (lead.line, position, number.e164, number.kind.value, number.region, zones)
            )

    def reject(self, reject: Reject) -> None:
        """Take in a refusal."""
        self.rejects.append(
            (
                reject.line,
                reject.lead,
                reject.rule,
                reject.reason,
                as_json(reject.columns),
                as_json(reject.number_cells),
            )
        )


class Staging:
    """The temporary tables of one import."""

    def __init__(self, conn: sa.Connection) -> None:
        self._conn = conn
        conn.execution_options(acd_reads_only=True)
        with conn.begin():
            staging.create_all(conn, checkfirst=False)
        self._seen_import = 0
        self._seen_erased: set[str] = set()

    def stage(self, rows: StagedRows) -> None:
        """Put judged rows in; nothing outside of this connection is written or locked."""
        with self._conn.begin():
            for table, tuples in (
                (staged_leads, rows.leads),
                (staged_numbers, rows.numbers),
                (staged_rejects, rows.rejects),
            ):
                _insert(self._conn, table, tuples)

    def sift(self, campaign_id: int | None) -> Counter[str]:
        """Refuse what leads and lists refuse: rule → rows. None: the campaign is still to come."""
        with self._conn.begin():
            self._seen_import = self._newest_import(campaign_id)
            self._seen_erased = erased_hashes(self._conn)
            return Counter(
                {
                    DUPLICATE: self._refuse(DUPLICATE, _known(self._conn, campaign_id)),
                    DNC: self._refuse(DNC, _listed(self._conn, campaign_id)),
                    ERASED: self._refuse(ERASED, _erased(self._conn, self._seen_erased)),
                }
            )

    def sift_twins(self) -> int:
        """Refuse rows that repeat a number of an earlier row that is taken; how many."""
        with self._conn.begin():
            return self._refuse(DUPLICATE, _twins(self._conn))

    def count(self) -> int:
        """Leads that are still to be added."""
        with self._conn.begin():
            return int(self._conn.scalar(sa.select(sa.func.count()).select_from(staged_leads)) or 0)

    def rejects(self) -> Iterator[Reject]:
        """Everything refused or left out, in the file's order."""
        inside = self._conn.in_transaction()
        with nullcontext() if inside else self._conn.begin():
            query = sa.select(staged_rejects).order_by(staged_rejects.c.line)
            for line, lead, rule, reason, columns, cells in _read(self._conn, query):
                yield Reject(
                    line=line,
                    lead=lead,
                    rule=rule,
                    reason=reason,
                    columns=from_json(columns),
                    number_cells=from_json(cells),
                )

    @contextmanager
    def publishing(self) -> Iterator[sa.Connection]:
        """The one transaction in which everything is written, at its end or not at all."""
        self._conn.execution_options(acd_reads_only=False)
        with self._conn.begin():
            yield self._conn
        self._conn.execution_options(acd_reads_only=True)

    def sift_late(self, campaign_id: int) -> Counter[str]:
        """Inside `publishing`: refuse what has changed since `sift`; rule → rows.

        An import beside this one added the same person first, or somebody had themselves erased.
        Do-not-call lists are asked before each dial anyway.
        """
        _lock_campaign(self._conn, campaign_id)
        late: Counter[str] = Counter()
        if self._newest_import(campaign_id) != self._seen_import:
            late[DUPLICATE] = self._refuse(DUPLICATE, _known(self._conn, campaign_id))
        hold_erasures(self._conn)
        if erased := erased_hashes(self._conn) - self._seen_erased:
            late[ERASED] = self._refuse(ERASED, _erased(self._conn, erased))
        return +late

    def _newest_import(self, campaign_id: int | None) -> int:
        newest = sa.select(sa.func.max(t.imports.c.import_id)).where(
            t.imports.c.campaign_id == campaign_id
        )
        return self._conn.scalar(newest) or 0

    def _refuse(self, rule: str, reasons: Iterator[Reason]) -> int:
        """Move leads to the rejects; how many."""
        lines = 0
        while batch := list(islice(reasons, _BATCH)):
            _insert(self._conn, staged_reasons, batch)
            lines += len(batch)
        if not lines:
            return 0
        moved = sa.select(
            staged_leads.c.line,
            sa.literal("refused"),
            sa.literal(rule),
            staged_reasons.c.reason,
            staged_leads.c.columns,
            staged_leads.c.number_cells,
        ).join_from(staged_reasons, staged_leads, staged_leads.c.line == staged_reasons.c.line)
        names = [column.name for column in staged_rejects.c]
        self._conn.execute(sa.insert(staged_rejects).from_select(names, moved))
        refused = sa.select(staged_reasons.c.line)
        for table in (staged_leads, staged_numbers):
            self._conn.execute(sa.delete(table).where(table.c.line.in_(refused)))
        self._conn.execute(sa.delete(staged_reasons))
        return lines


@contextmanager
def open_staging(store: Store) -> Iterator[Staging]:
    """Staging tables for one import; gone at the end of the block, or with the process."""
    with store.connection() as conn:
        yield Staging(conn)


def _lock_campaign(conn: sa.Connection, campaign_id: int) -> None:
    """Let a second import into the campaign wait; its calls go on (FOR NO KEY UPDATE)."""
    conn.execute(
        sa.select(t.campaigns.c.campaign_id)
        .where(t.campaigns.c.campaign_id == campaign_id)
        .with_for_update(key_share=True)
    )


def _known(conn: sa.Connection, campaign_id: int | None) -> Iterator[Reason]:
    """For rows with a number that a lead of the campaign has."""
    if campaign_id is None:
        return iter(())
    rows = _read(
        conn,
        sa.select(staged_numbers.c.line, staged_numbers.c.e164, t.lead_numbers.c.lead_id)
        .join_from(staged_numbers, t.lead_numbers, t.lead_numbers.c.e164 == staged_numbers.c.e164)
        .where(t.lead_numbers.c.campaign_id == campaign_id)
        .order_by(*_IN_ORDER),
    )
    return _first_reasons(
        (row.line, f"{masked(row.e164)} is the number of lead {row.lead_id} already")
        for row in rows
    )


def _listed(conn: sa.Connection, campaign_id: int | None) -> Iterator[Reason]:
    """For rows with a number on a list that holds for the campaign."""
    rows = _read(
        conn,
        sa.select(staged_numbers.c.line, staged_numbers.c.e164)
        .join_from(staged_numbers, t.dnc_numbers, t.dnc_numbers.c.e164 == staged_numbers.c.e164)
        .join(t.dnc_lists, t.dnc_lists.c.list_id == t.dnc_numbers.c.list_id)
        .where(
            sa.or_(t.dnc_lists.c.campaign_id.is_(None), t.dnc_lists.c.campaign_id == campaign_id)
        )
        .order_by(*_IN_ORDER),
    )
    return _first_reasons(
        (row.line, f"{masked(row.e164)} is on a do-not-call list") for row in rows
    )


def _erased(conn: sa.Connection, hashes: Set[str]) -> Iterator[Reason]:
    """For people who had themselves erased."""
    if not hashes:
        return iter(())
    rows = _read(conn, sa.select(staged_numbers.c.line, staged_numbers.c.e164).order_by(*_IN_ORDER))
    return _first_reasons(
        (row.line, f"{masked(row.e164)} belongs to somebody who was erased: not to be called")
        for row in rows
        if number_hash(row.e164) in hashes
    )


def _twins(conn: sa.Connection) -> Iterator[Reason]:
    """For rows that repeat a number: the first row that holds it keeps it."""
    repeated = (
        sa.select(staged_numbers.c.e164).group_by(staged_numbers.c.e164).having(sa.func.count() > 1)
    )
    rows = _read(
        conn,
        sa.select(staged_numbers.c.line, staged_numbers.c.e164)
        .where(staged_numbers.c.e164.in_(repeated))
        .order_by(*_IN_ORDER),
    )
    holders: dict[str, int] = {}
    for line, numbers in _by_line(rows):
        taken = next((number for number in numbers if number in holders), None)
        if taken is None:
            holders.update(dict.fromkeys(numbers, line))
        else:
            yield line, f"{masked(taken)} is the number of line {holders[taken]} already"


def _by_line(rows: Iterable[Any]) -> Iterator[tuple[int, list[str]]]:
    line, numbers = 0, list[str]()
    for row in rows:
        if row.line != line and numbers:
            yield line, numbers
            numbers = []
        line = row.line
        numbers.append(row.e164)
    if numbers:
        yield line, numbers


def _first_reasons(reasons: Iterable[Reason]) -> Iterator[Reason]:
    """Of several for a line, which follow each other, the first."""
    last = None
    for line, reason in reasons:
        if line != last:
            last = line
            yield line, reason


def _read(conn: sa.Connection, query: sa.Select[Any]) -> Iterator[Any]:
    """The rows of a query, few at a time: they may be as many as the file's."""
    return iter(conn.execute(query, execution_options={"yield_per": _BATCH}))


def _insert(conn: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert tuples the fastest way that the database has."""
    if not rows:
        return
    if conn.dialect.name == "postgresql":
        driver: Any = conn.connection.dbapi_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(table.c))
    # Past SQLAlchemy's own binding, which costs more than SQLite does. Both names are ours.
    statement = f"INSERT INTO {table.name} VALUES ({marks})"  # noqa: S608
    conn.exec_driver_sql(statement, list(rows))
