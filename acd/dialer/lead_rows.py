"""What becomes of each row of a lead file: a new lead, or a refusal with its rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from acd.dialer.lead_files import Row
from acd.dialer.lead_headers import ColumnPlan
from acd.lines import Door
from acd.numbers import NumberRefused, PhoneNumber, masked, read_number, split_cell
from acd.store.dnc import listed_numbers
from acd.store.imports import KnownNumber, NewLead, known_numbers


class RowRule(StrEnum):
    """Why a row is refused, besides the rules of its numbers."""

    BLANK = "blank"
    TOO_MANY_CELLS = "too_many_cells"
    NO_NUMBER = "no_number"
    UNKNOWN_ZONE = "unknown_zone"
    DUPLICATE = "duplicate"
    DNC = "dnc"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row, or one of its numbers, is not taken."""

    rule: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """One row's fate; exactly one of `lead` and `refusal` is set in the end."""

    line: int
    cells: tuple[str, ...]
    lead: NewLead | None = None
    refusal: Refusal | None = None
    dropped: tuple[Refusal, ...] = ()


class RowJudge:
    """Judges rows for one import; asks the database once a chunk."""

    def __init__(
        self,
        conn: sa.Connection,
        *,
        plan: ColumnPlan,
        door: Door,
        region: str,
        campaign_id: int,
        import_id: int,
    ) -> None:
        self._conn = conn
        self._plan = plan
        self._door = door
        self._region = region
        self._campaign_id = campaign_id
        self._import_id = import_id

    def judge(self, rows: Sequence[Row]) -> list[Outcome]:
        """One outcome a row, in order."""
        outcomes = [self._by_itself(row) for row in rows]
        numbers = [
            number.e164 for outcome in outcomes if outcome.lead for number in outcome.lead.numbers
        ]
        listed = listed_numbers(self._conn, numbers, self._campaign_id)
        known = known_numbers(self._conn, self._campaign_id, numbers)
        for outcome in outcomes:
            if outcome.lead is not None:
                self._among_others(outcome, outcome.lead, listed, known)
        return outcomes

    def _by_itself(self, row: Row) -> Outcome:
        outcome = Outcome(line=row.line, cells=row.cells)
        if row.blank:
            outcome.refusal = Refusal(RowRule.BLANK.value, "nothing stands in the row")
        elif row.surplus:
            outcome.refusal = Refusal(
                RowRule.TOO_MANY_CELLS.value,
                f"{row.surplus} more cells than headers: an unquoted delimiter?",
            )
        else:
            self._read_numbers(row, outcome)
        return outcome

    def _read_numbers(self, row: Row, outcome: Outcome) -> None:
        taken: dict[str, PhoneNumber] = {}
        refused: list[Refusal] = []
        for text in self._texts(row):
            answer = self._read(text)
            if isinstance(answer, Refusal):
                refused.append(answer)
            else:
                taken.setdefault(answer.e164, answer)
        if taken:
            columns = {name: row.cells[place].strip() for place, name in self._plan.kept}
            outcome.lead = NewLead(line=row.line, numbers=tuple(taken.values()), columns=columns)
            outcome.dropped = tuple(refused)
        elif refused:
            outcome.refusal = refused[0]
        else:
            outcome.refusal = Refusal(RowRule.NO_NUMBER.value, "no number stands in the row")

    def _texts(self, row: Row) -> list[str]:
        return [
            text
            for place in self._plan.number_places
            for text in split_cell(row.cells[place], default_region=self._region)
        ]

    def _read(self, text: str) -> PhoneNumber | Refusal:
        number = read_number(text, default_region=self._region)
        if isinstance(number, NumberRefused):
            return Refusal(number.rule.value, f"the number {number.why}")
        refused = self._door.refusal(number)
        if refused is not None:
            return Refusal(refused.rule.value, refused.sentence)
        if not number.zones:
            return Refusal(
                RowRule.UNKNOWN_ZONE.value,
                "nobody knows in which time zone the number is, so no calling hours can be kept",
            )
        return number

    def _among_others(
        self, outcome: Outcome, lead: NewLead, listed: set[str], known: dict[str, KnownNumber]
    ) -> None:
        """Duplicates and do-not-call: one number is enough, for a lead is one person."""
        for number in lead.numbers:
            twin = known.get(number.e164)
            if twin is not None:
                self._refuse(outcome, RowRule.DUPLICATE, self._twin_reason(number, twin))
                return
        for number in lead.numbers:
            if number.e164 in listed:
                self._refuse(
                    outcome, RowRule.DNC, f"{masked(number.e164)} is on a do-not-call list"
                )
                return
        for number in lead.numbers:
            known[number.e164] = KnownNumber(lead_id=0, import_id=self._import_id, line=lead.line)

    def _twin_reason(self, number: PhoneNumber, twin: KnownNumber) -> str:
        if twin.import_id == self._import_id:
            return f"{masked(number.e164)} is the number of line {twin.line} already"
        return f"{masked(number.e164)} is the number of lead {twin.lead_id} already"

    @staticmethod
    def _refuse(outcome: Outcome, rule: RowRule, reason: str) -> None:
        outcome.lead = None
        outcome.dropped = ()
        outcome.refusal = Refusal(rule.value, reason)
