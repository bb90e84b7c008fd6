"""Leads and reports as CSV files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from acd.dialer.csv_files import write_csv
from acd.dialer.reports import CampaignReport
from acd.store.campaigns import campaign_by_name
from acd.store.exports import exported_columns, exported_leads

_OWN = ("lead", "state", "reason", "attempts", "next attempt", "numbers")


def export_leads(conn: sa.Connection, campaign_name: str, target: Path) -> int:
    """Write every lead of a campaign, its own columns behind ours; how many.

    Raises:
        UnknownName: there is no such campaign.
        BadInput: the file cannot be written.
    """
    campaign_id = campaign_by_name(conn, campaign_name).campaign_id
    columns = exported_columns(conn, campaign_id)
    written = 0

    def rows() -> Iterator[list[object]]:
        nonlocal written
        yield [*_OWN, *columns]
        for lead in exported_leads(conn, campaign_id):
            written += 1
            yield [
                lead.lead_id,
                lead.state,
                lead.reason,
                lead.attempts,
                _iso(lead.next_attempt_at) if lead.state == "waiting" else "",
                " | ".join(lead.numbers),
                *(lead.columns.get(name, "") for name in columns),
            ]

    write_csv(target, rows())
    return written


def export_report(report: CampaignReport, target: Path) -> None:
    """Write a report as rows of figure, key and value.

    Raises:
        BadInput: the file cannot be written.
    """
    write_csv(target, [("figure", "key", "value"), *_flat(report.as_json())])


def _flat(values: Mapping[str, object]) -> Iterator[tuple[object, ...]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((name, key, inner) for key, inner in value.items())
        else:
            yield (name, "", value)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
