"""Importing a lead file: every row becomes a lead or is refused with a reason.

How it works: the file is inspected before the database is touched. Then one transaction reads
chunk by chunk, judges the rows (`lead_rows`), and writes the good ones; whatever breaks on the
way rolls everything back. Refused rows wait in an unnamed temporary file and are put beside
the lead file only after the commit.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from acd.dialer.campaigns import ensure_campaign
from acd.dialer.lead_files import LeadFile, inspect_file, read_rows
from acd.dialer.lead_headers import ColumnPlan, plan_columns
from acd.dialer.lead_rows import Outcome, Refusal, RowJudge, RowRule
from acd.lines import Door
from acd.settings import Settings
from acd.store import Store
from acd.store.campaigns import CampaignRow
from acd.store.imports import NewLead, begin_import, finish_import, insert_leads

Progress = Callable[[float], None]
"""Called with the share of the file that was read, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What became of a file; `rows` is `added` plus everything in `refused`."""

    campaign: str
    campaign_created: bool
    file: str
    encoding: str
    delimiter: str
    rows: int
    added: int
    refused: Mapping[str, int]
    """Rule → rows."""
    numbers_left_out: int
    """Numbers that could not be taken, of rows that were added with another number."""
    reject_file: str
    """Empty where nothing was refused or left out."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            name: dict(value) if isinstance(value, Mapping) else value
            for name in self.__slots__
            for value in [getattr(self, name)]
        }


@dataclass(slots=True)
class _Tally:
    rows: int = 0
    added: int = 0
    numbers_left_out: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def import_leads(
    store: Store,
    settings: Settings,
    *,
    campaign_name: str,
    path: Path,
    now: datetime,
    header_map: Mapping[str, str] | None = None,
    progress: Progress = lambda share: None,
) -> ImportSummary:
    """Import a file into a campaign, which is created from its definition where it is new.

    Raises:
        BadLeadFile: the file as a whole can't be taken; nothing was changed.
        BadCampaign: the campaign is new and its definition is wrong; nothing was changed.
        UnknownName: there is neither a campaign nor a definition of that name.
    """
    file = inspect_file(path)
    with tempfile.TemporaryFile("w+", encoding="utf-8-sig", newline="") as rejects:
        with store.transaction() as conn:
            campaign, created = ensure_campaign(conn, settings, campaign_name, now)
            importing = _Import(conn, settings, campaign, file, now, header_map or {}, rejects)
            tally = importing.run(progress)
        refused_any = bool(tally.refused.total() - tally.refused[RowRule.BLANK])
        reject_file = ""
        if refused_any or tally.numbers_left_out:
            reject_file = str(_publish(rejects, path))
    return ImportSummary(
        campaign=campaign_name,
        campaign_created=created,
        file=str(path),
        encoding=file.encoding,
        delimiter=file.delimiter,
        rows=tally.rows,
        added=tally.added,
        refused=dict(sorted(tally.refused.items())),
        numbers_left_out=tally.numbers_left_out,
        reject_file=reject_file,
    )


class _Import:
    """One file on its way into one campaign, inside one transaction."""

    def __init__(
        self,
        conn: sa.Connection,
        settings: Settings,
        campaign: CampaignRow,
        file: LeadFile,
        now: datetime,
        header_map: Mapping[str, str],
        rejects: IO[str],
    ) -> None:
        self._conn = conn
        self._campaign_id = campaign.campaign_id
        self._file = file
        self._now = now
        self._tally = _Tally()
        self._writer = csv.writer(rejects)
        region = campaign.definition.default_region or settings.destinations.default_region
        plan: ColumnPlan = plan_columns(
            file, campaign.definition, header_map=header_map, default_region=region
        )
        self._import_id = begin_import(
            conn,
            campaign_id=self._campaign_id,
            file_name=file.path.name,
            sha256=file.sha256,
            now=now,
        )
        self._judge = RowJudge(
            conn,
            plan=plan,
            door=Door(settings.destinations),
            region=region,
            campaign_id=self._campaign_id,
            import_id=self._import_id,
        )
        self._writer.writerow(["line", "lead", "rule", "reason", *file.headers])

    def run(self, progress: Progress) -> _Tally:
        for rows, bytes_read in read_rows(self._file):
            outcomes = self._judge.judge(rows)
            leads = [lead for outcome in outcomes if (lead := self._note(outcome)) is not None]
            insert_leads(
                self._conn,
                leads,
                campaign_id=self._campaign_id,
                import_id=self._import_id,
                now=self._now,
            )
            progress(min(1.0, bytes_read / self._file.bytes_total))
        finish_import(
            self._conn,
            import_id=self._import_id,
            campaign_id=self._campaign_id,
            summary=self._summary(),
            now=self._now,
        )
        return self._tally

    def _summary(self) -> dict[str, Any]:
        return {
            "rows": self._tally.rows,
            "added": self._tally.added,
            "refused": dict(self._tally.refused),
            "numbers_left_out": self._tally.numbers_left_out,
        }

    def _note(self, outcome: Outcome) -> NewLead | None:
        self._tally.rows += 1
        for dropped in outcome.dropped:
            self._tally.numbers_left_out += 1
            self._reject(outcome, dropped, "added")
        if outcome.refusal is not None:
            self._tally.refused[outcome.refusal.rule] += 1
            if outcome.refusal.rule != RowRule.BLANK:
                self._reject(outcome, outcome.refusal, "refused")
            return None
        self._tally.added += 1
        return outcome.lead

    def _reject(self, outcome: Outcome, why: Refusal, fate: str) -> None:
        cells = [safe_cell(cell) for cell in outcome.cells]
        self._writer.writerow([outcome.line, fate, why.rule, why.reason, *cells])


def safe_cell(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; `read_number` strips the sign again.

    OWASP, CSV Injection: cells that begin with = + - @ tab or carriage return.
    """
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _publish(rejects: IO[str], path: Path) -> Path:
    """Put the refused rows beside the lead file, whole or not at all; readable by its owner."""
    target = path.with_name(f"{path.stem}.rejected.csv")
    rejects.flush()
    rejects.seek(0)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as out:
            shutil.copyfileobj(rejects, out)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target
