"""Importing a lead file: every row becomes a lead or is refused with a reason.

How it works: the file is inspected, read chunk by chunk and judged (`lead_rows`, on all cores)
into staging tables that only this connection sees; SQL sifts out duplicates and do-not-call.
Refused rows are written beside the lead file, under another name. One short transaction then
writes what is left: an engine that dials meanwhile waits for that transaction only. Whatever
breaks before, or kills the process, leaves nothing behind. With the commit the reject file gets
its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from acd.dialer.campaigns import ensure_campaign, load_definition
from acd.dialer.csv_files import CsvPart, csv_part
from acd.dialer.lead_files import LeadFile, inspect_file, read_rows
from acd.dialer.lead_headers import ColumnPlan, plan_columns
from acd.dialer.lead_rows import RowJudge, RowRule
from acd.dialer.lead_workers import judge_chunks
from acd.lines import Door
from acd.rules.definition import CampaignDefinition
from acd.settings import Settings
from acd.store import Store
from acd.store.campaigns import CampaignRow, find_campaign
from acd.store.imports import publish
from acd.store.staging import DUPLICATE, Reject, Staging, open_staging

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

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "added": self.added,
            "refused": dict(sorted(self.refused.items())),
            "numbers_left_out": self.numbers_left_out,
        }

    @property
    def has_rejects(self) -> bool:
        """Whether anybody would want to read a reject file."""
        return bool(
            self.refused.total() - self.refused[RowRule.BLANK.value] or self.numbers_left_out
        )


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
    campaign = store.read_sync(find_campaign, campaign_name)
    definition = campaign.definition if campaign else load_definition(settings, campaign_name)
    region = definition.default_region or settings.destinations.default_region
    plan = plan_columns(file, definition, header_map=header_map or {}, default_region=region)
    judge = RowJudge(plan=plan, door=_door(settings, campaign, definition), region=region)
    target = path.with_name(f"{path.stem}.rejected.csv")
    with open_staging(store) as staging, csv_part(target) as part:
        rejects = _Rejects(staging, file, plan, part)
        tally = _stage(staging, judge, file, progress)
        _sift(staging, tally, campaign)
        rejects.write(tally)
        created = _write(staging, tally, rejects, settings, campaign_name, now)
        part.publish()
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
        reject_file=str(target) if tally.has_rejects else "",
    )


def _door(settings: Settings, campaign: CampaignRow | None, definition: CampaignDefinition) -> Door:
    """The one that the leads' numbers will be dialed through."""
    name = campaign.trunk if campaign else definition.trunk or settings.trunk[0].name
    trunk = next((trunk for trunk in settings.trunk if trunk.name == name), None)
    return Door(settings.destinations, trunk)


def _stage(staging: Staging, judge: RowJudge, file: LeadFile, progress: Progress) -> _Tally:
    tally = _Tally()
    for judged, bytes_read in judge_chunks(judge, read_rows(file)):
        tally.rows += judged.rows
        tally.numbers_left_out += judged.numbers_left_out
        tally.refused.update(judged.refused)
        staging.stage(judged.staged)
        progress(min(1.0, bytes_read / file.bytes_total))
    return tally


def _sift(staging: Staging, tally: _Tally, campaign: CampaignRow | None) -> None:
    tally.refused.update(staging.sift(campaign.campaign_id if campaign else None))
    tally.refused[DUPLICATE] += staging.sift_twins()


@dataclass(frozen=True, slots=True)
class _Rejects:
    """The reject file of an import, which is there before the leads are."""

    staging: Staging
    file: LeadFile
    plan: ColumnPlan
    part: CsvPart

    def write(self, tally: _Tally) -> None:
        """Write down whatever was refused so far.

        Raises:
            BadInput: it can't be written beside the lead file.
        """
        if not tally.has_rejects:
            return
        head: list[list[object]] = [["line", "lead", "rule", "reason", *self.file.headers]]
        rows: Iterable[list[object]] = (
            [each.line, each.lead, each.rule, each.reason, *self._cells(each)]
            for each in self.staging.rejects()
        )
        self.part.write(chain(head, rows))

    def _cells(self, reject: Reject) -> list[str]:
        """The row's cells in the file's order."""
        cells = [""] * len(self.file.headers)
        for place, cell in zip(self.plan.number_places, reject.number_cells, strict=True):
            cells[place] = cell
        for place, name in self.plan.kept:
            cells[place] = reject.columns[name]
        return cells


def _write(
    staging: Staging,
    tally: _Tally,
    rejects: _Rejects,
    settings: Settings,
    campaign_name: str,
    now: datetime,
) -> bool:
    """The one transaction; whether the campaign was created in it."""
    with staging.publishing() as conn:
        campaign, created = ensure_campaign(conn, settings, campaign_name, now)
        if late := staging.sift_late(campaign.campaign_id):
            tally.refused.update(late)
            rejects.write(tally)
        tally.refused = +tally.refused
        tally.added = tally.rows - tally.refused.total()
        publish(
            conn,
            campaign_id=campaign.campaign_id,
            file_name=rejects.file.path.name,
            sha256=rejects.file.sha256,
            summary=tally.as_json(),
            now=now,
        )
    return created
