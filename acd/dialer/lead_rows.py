"""What becomes of each row of a lead file by itself: a lead to stage, or a refusal with its rule.

Rows against one another and against the database are `acd.store.staging`'s business: there SQL
sees all of them at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from acd.dialer.lead_files import Row
from acd.dialer.lead_headers import ColumnPlan
from acd.lines import Door
from acd.numbers import NumberRefused, PhoneNumber, read_number, split_cell
from acd.rules.definition import MAX_PRIORITY
from acd.store.staging import NewLead, Reject, StagedRows


class RowRule(StrEnum):
    """Why a row is refused, besides the rules of its numbers and those of the database."""

    BLANK = "blank"
    TOO_MANY_CELLS = "too_many_cells"
    NO_NUMBER = "no_number"
    UNKNOWN_ZONE = "unknown_zone"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row, or one of its numbers, is not taken."""

    rule: str
    reason: str


@dataclass(slots=True)
class Judged:
    """What became of some rows."""

    rows: int = 0
    numbers_left_out: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    staged: StagedRows = field(default_factory=StagedRows)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowJudge:
    """Judges rows for one import; knows neither clock nor database, so any process may."""

    plan: ColumnPlan
    door: Door
    region: str

    def judge(self, rows: Sequence[Row]) -> Judged:
        """Every row either staged or refused."""
        judged = Judged(rows=len(rows))
        for row in rows:
            if row.blank:
                judged.refused[RowRule.BLANK.value] += 1
            elif row.surplus:
                why = f"{row.surplus} more cells than headers: an unquoted delimiter?"
                self._refuse(judged, row, Refusal(RowRule.TOO_MANY_CELLS, why))
            else:
                self._read_numbers(judged, row)
        return judged

    def _priority(self, row: Row) -> int | None:
        """0 to 9, an empty cell is 0; None: something else stands there."""
        place = self.plan.priority_place
        text = "" if place is None else row.cells[place].strip()
        if not text:
            return 0
        return int(text) if text.isdecimal() and int(text) <= MAX_PRIORITY else None

    def _read_numbers(self, judged: Judged, row: Row) -> None:
        priority = self._priority(row)
        if priority is None:
            self._refuse(judged, row, Refusal(RowRule.PRIORITY, "the priority is not 0 to 9"))
            return
        taken: dict[str, PhoneNumber] = {}
        refused: list[Refusal] = []
        for place in self.plan.number_places:
            for text in split_cell(row.cells[place], default_region=self.region):
                answer = self._read(text)
                if isinstance(answer, Refusal):
                    refused.append(answer)
                else:
                    taken.setdefault(answer.e164, answer)
        if not taken:
            nothing = Refusal(RowRule.NO_NUMBER, "no number stands in the row")
            self._refuse(judged, row, refused[0] if refused else nothing)
            return
        judged.staged.add(
            NewLead(
                line=row.line,
                numbers=tuple(taken.values()),
                columns=self._columns(row),
                number_cells=self._number_cells(row),
                priority=priority,
            )
        )
        judged.numbers_left_out += len(refused)
        for refusal in refused:
            self._reject(judged, row, refusal, "added")

    def _read(self, text: str) -> PhoneNumber | Refusal:
        number = read_number(text, default_region=self.region)
        if isinstance(number, NumberRefused):
            return Refusal(number.rule, f"the number {number.why}")
        refused = self.door.refusal(number)
        if refused is not None:
            return Refusal(refused.rule, refused.sentence)
        if not number.zones:
            return Refusal(
                RowRule.UNKNOWN_ZONE,
                "nobody knows in which time zone the number is, so no calling hours can be kept",
            )
        return number

    def _refuse(self, judged: Judged, row: Row, why: Refusal) -> None:
        judged.refused[str(why.rule)] += 1
        self._reject(judged, row, why, "refused")

    def _reject(self, judged: Judged, row: Row, why: Refusal, fate: str) -> None:
        judged.staged.reject(
            Reject(
                line=row.line,
                lead=fate,
                rule=str(why.rule),
                reason=why.reason,
                columns=self._columns(row),
                number_cells=self._number_cells(row),
            )
        )

    def _columns(self, row: Row) -> dict[str, str]:
        return {name: row.cells[place].strip() for place, name in self.plan.kept}

    def _number_cells(self, row: Row) -> list[str]:
        return [row.cells[place] for place in self.plan.number_places]
