"""Writing imported leads; one import is one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.numbers import PhoneNumber
from acd.rules.eligibility import LeadState
from acd.store import schema as t
from acd.store.dnc import CHUNK
from acd.store.events import Subject, record
from acd.store.lanes import lane_for, zones_text


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLead:
    """A lead as the importer hands it over; at least one number, the first is tried first."""

    line: int
    numbers: Sequence[PhoneNumber]
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNumber:
    """A number that a lead of the campaign has already."""

    lead_id: int
    import_id: int | None
    line: int | None


def begin_import(
    conn: sa.Connection, *, campaign_id: int, file_name: str, sha256: str, now: datetime
) -> int:
    """The id of a new import; a second import into the campaign waits for this one."""
    conn.execute(
        sa.select(t.campaigns.c.campaign_id)
        .where(t.campaigns.c.campaign_id == campaign_id)
        .with_for_update()
    )
    return int(
        conn.execute(
            sa.insert(t.imports)
            .values(campaign_id=campaign_id, file_name=file_name, sha256=sha256, summary={}, at=now)
            .returning(t.imports.c.import_id)
        ).scalar_one()
    )


def finish_import(
    conn: sa.Connection,
    *,
    import_id: int,
    campaign_id: int,
    summary: Mapping[str, Any],
    now: datetime,
) -> None:
    """Keep the summary. The leads' own rows name their import: that is their first event."""
    conn.execute(
        sa.update(t.imports).where(t.imports.c.import_id == import_id).values(summary=dict(summary))
    )
    record(
        conn,
        at=now,
        subject=Subject.CAMPAIGN,
        subject_id=campaign_id,
        what="leads_imported",
        detail={"import": import_id, **summary},
    )


def known_numbers(
    conn: sa.Connection, campaign_id: int, numbers: Sequence[str]
) -> dict[str, KnownNumber]:
    """Which of the E.164 numbers leads of the campaign have."""
    known: dict[str, KnownNumber] = {}
    for start in range(0, len(numbers), CHUNK):
        rows = conn.execute(
            sa.select(
                t.lead_numbers.c.e164, t.leads.c.lead_id, t.leads.c.import_id, t.leads.c.source_line
            )
            .join(t.leads, t.leads.c.lead_id == t.lead_numbers.c.lead_id)
            .where(
                t.lead_numbers.c.campaign_id == campaign_id,
                t.lead_numbers.c.e164.in_(numbers[start : start + CHUNK]),
            )
        )
        for row in rows:
            known[row.e164] = KnownNumber(
                lead_id=row.lead_id, import_id=row.import_id, line=row.source_line
            )
    return known


def insert_leads(
    conn: sa.Connection,
    leads: Sequence[NewLead],
    *,
    campaign_id: int,
    import_id: int,
    now: datetime,
) -> None:
    """Insert leads whose numbers are new to the campaign."""
    if not leads:
        return
    lanes = {
        zones: lane_for(conn, campaign_id, zones)
        for zones in {zones_text(lead.numbers[0].zones) for lead in leads}
    }
    rows = [
        {
            "campaign_id": campaign_id,
            "lane_id": lanes[zones_text(lead.numbers[0].zones)],
            "state": LeadState.WAITING.value,
            "next_attempt_at": now,
            "columns": dict(lead.columns),
            "import_id": import_id,
            "source_line": lead.line,
            "changed_at": now,
        }
        for lead in leads
    ]
    lead_ids = conn.scalars(
        sa.insert(t.leads).returning(t.leads.c.lead_id, sort_by_parameter_order=True), rows
    ).all()
    conn.execute(
        sa.insert(t.lead_numbers),
        [
            {
                "lead_id": lead_id,
                "campaign_id": campaign_id,
                "position": position,
                "e164": number.e164,
                "kind": number.kind.value,
                "region": number.region,
                "zones": zones_text(number.zones),
            }
            for lead_id, lead in zip(lead_ids, leads, strict=True)
            for position, number in enumerate(lead.numbers)
        ],
    )
