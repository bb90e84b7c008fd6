"""Leads that come as records instead of a file: judged, sifted and stored as a file's rows are."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from acd.dialer.lead_import import ImportSummary, import_leads
from acd.errors import BadLeadFile, Problem
from acd.settings import Settings
from acd.store import Store
from acd.store.campaigns import campaign_by_name

_LINE_ENDS = re.compile(r"\r\n?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecord:
    """A record that was refused, or of which a number was left out."""

    row: int
    """Its place among the records, from 0."""
    rule: str
    reason: str


def import_records(
    store: Store,
    settings: Settings,
    *,
    campaign_name: str,
    records: Sequence[Mapping[str, str]],
    now: datetime,
) -> tuple[ImportSummary, list[RefusedRecord]]:
    """Import records (header → cell) into a campaign that exists; a missing cell is empty.

    Raises:
        UnknownName: there is no such campaign.
        BadLeadFile: the headers are no lead's, or say the same twice; nothing was changed.
    """
    store.read_sync(campaign_by_name, campaign_name)
    with TemporaryDirectory(prefix="acd-leads-") as folder:
        path = Path(folder) / "records.csv"
        rows_by_line = _write(path, records)
        try:
            summary = import_leads(store, settings, campaign_name=campaign_name, path=path, now=now)
        except BadLeadFile as exc:
            raise _without_path(exc, path) from None
        refused = _refused(Path(summary.reject_file), rows_by_line) if summary.reject_file else []
    return summary, refused


def _write(path: Path, records: Sequence[Mapping[str, str]]) -> dict[int, int]:
    """Write them as CSV; which line of the file each record begins in."""
    headers = list(dict.fromkeys(header for record in records for header in record))
    line, rows_by_line = 2, {}
    # The mark says that it is UTF-8, and the quotes where the headers end.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(headers)
        for row, record in enumerate(records):
            cells = [_LINE_ENDS.sub("\n", record.get(header, "")) for header in headers]
            writer.writerow(cells)
            rows_by_line[line] = row
            line += 1 + "".join(cells).count("\n")
    return rows_by_line


def _refused(path: Path, rows_by_line: Mapping[int, int]) -> list[RefusedRecord]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [
            RefusedRecord(
                row=rows_by_line[int(each["line"])], rule=each["rule"], reason=each["reason"]
            )
            for each in csv.DictReader(file, delimiter=_delimiter(path))
        ]


def _delimiter(path: Path) -> str:
    """The one that the reject file's own headers are written with."""
    with path.open(encoding="utf-8-sig") as file:
        return file.readline().removeprefix("line")[0]


def _without_path(error: BadLeadFile, path: Path) -> BadLeadFile:
    """The same, in the words of somebody who has sent no file."""
    return BadLeadFile(
        [
            Problem(each.where.replace(str(path), "the leads"), each.what, each.allowed)
            for each in error.problems
        ]
    )
