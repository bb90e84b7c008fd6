"""A running campaign with leads, for tests that speak about statements."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import sqlalchemy as sa

from acd.calls import DisconnectCause
from acd.numbers import NumberKind, PhoneNumber
from acd.rules.definition import CampaignDefinition
from acd.rules.dispositions import Disposition
from acd.store import Store
from acd.store import schema as t
from acd.store.agents import NewAgent, save_agents
from acd.store.asking_again import all_asked_again, ask_again, next_slice, version_to_ask_by
from acd.store.attempts import AttemptClosed, close_attempts
from acd.store.beginning import Blocked, NewAttempt, begin_attempts
from acd.store.campaigns import (
    CampaignRow,
    CampaignState,
    create_campaign,
    reload_campaign,
    set_campaign_state,
)
from acd.store.imports import publish
from acd.store.leads import ClaimedLead, claim_leads
from acd.store.outcomes import Outcome, write_outcomes
from acd.store.staging import NewLead, StagedRows, open_staging

NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
"""A Monday, 12:00 in Vienna."""
ALL_DAY = {
    day: ["00:00-24:00"]
    for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
}


def definition(**changes: Any) -> CampaignDefinition:
    """Calls at any hour, unless told otherwise."""
    values = {"agents": {"extensions": ["201"]}, "calling_hours": ALL_DAY, **changes}
    return CampaignDefinition.model_validate(values)


@dataclass
class World:
    """What a test says about its database."""

    store: Store
    _names: count[int] = field(default_factory=lambda: count(1))
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def campaign(self, *, running: bool = True, **changes: Any) -> int:
        row = self.store.run_sync(
            create_campaign,
            name=f"campaign-{next(self._names)}",
            definition=definition(**changes),
            trunk="main",
            now=NOON,
        )
        if running:
            self.store.run_sync(
                set_campaign_state,
                campaign_id=row.campaign_id,
                state=CampaignState.RUNNING,
                now=NOON,
            )
        return row.campaign_id

    def number(self, zones: tuple[str, ...] = ("Europe/Vienna",)) -> PhoneNumber:
        return PhoneNumber(
            e164=f"+4315056{next(self._numbers):05}",
            region="AT",
            kind=NumberKind.FIXED,
            zones=zones,
        )

    def leads(
        self,
        campaign_id: int,
        how_many: int = 1,
        *,
        numbers: int = 1,
        zones: tuple[str, ...] = ("Europe/Vienna",),
        now: datetime = NOON,
        priority: int = 0,
    ) -> list[str]:
        """Insert leads; the first number of each."""
        new = [
            NewLead(
                line=line,
                numbers=[self.number(zones) for _ in range(numbers)],
                columns={"name": f"lead {line}"},
                priority=priority,
            )
            for line in range(1, 1 + how_many)
        ]

        rows = StagedRows()
        for lead in new:
            rows.add(lead)
        with open_staging(self.store) as staging:
            staging.stage(rows)
            with staging.publishing() as conn:
                publish(
                    conn, campaign_id=campaign_id, file_name="x", sha256="", summary={}, now=now
                )
        return [lead.numbers[0].e164 for lead in new]

    def staged(self, *leads: list[str]) -> StagedRows:
        """A lead with each of these lists of numbers, as an import hands them over."""
        rows = StagedRows()
        for line, numbers in enumerate(leads, 1):
            known = [
                PhoneNumber(e164=e164, region="AT", kind=NumberKind.FIXED, zones=("Europe/Vienna",))
                for e164 in numbers
            ]
            rows.add(NewLead(line=line, numbers=known, columns={"name": "again"}))
        return rows

    def reload(self, campaign_id: int, *, now: datetime = NOON, **changes: Any) -> CampaignRow:
        return self.store.run_sync(
            reload_campaign,
            campaign_id=campaign_id,
            definition=definition(**changes),
            trunk="main",
            now=now,
        )

    def ask_again(self, campaign_id: int, *, now: datetime = NOON) -> None:
        """What a reload has left to whoever dials."""
        version = self.store.read_sync(version_to_ask_by, campaign_id)
        assert version is not None
        some = self.store.read_sync(next_slice, campaign_id=campaign_id, after=0, now=now)
        assert some.last is None
        self.store.run_sync(ask_again, lead_ids=some.put_off, now=now)
        self.store.run_sync(all_asked_again, campaign_id=campaign_id, version=version, now=now)

    def agent(self, name: str, extension: str) -> None:
        """Brought in, or with another phone from now on."""
        new = NewAgent(
            name=name,
            extension=extension,
            display_name="",
            skills=frozenset(),
            campaign_ids=frozenset(),
        )
        self.store.run_sync(save_agents, [new], now=NOON)

    def claim(
        self, campaign_id: int, *, limit: int = 10, node: str = "a", now: datetime = NOON
    ) -> list[ClaimedLead]:
        return self.store.run_sync(
            claim_leads, campaign_id=campaign_id, node=node, limit=limit, now=now
        )

    def begin(self, lead: ClaimedLead, *, node: str = "a", now: datetime = NOON) -> int | Blocked:
        wanted = NewAttempt(lead=lead, trunk="main", line=1)
        [begun] = self.store.run_sync(begin_attempts, [wanted], node=node, now=now)
        return begun

    def dial(self, lead: ClaimedLead, *, node: str = "a", now: datetime = NOON) -> int:
        """Begin an attempt that nothing blocks."""
        begun = self.begin(lead, node=node, now=now)
        assert isinstance(begun, int), begun
        return begun

    def close(
        self,
        attempt_id: int,
        cause: DisconnectCause | None = DisconnectCause.BUSY,
        *,
        now: datetime = NOON,
        **changes: Any,
    ) -> Disposition:
        end = closed(attempt_id, cause, now, **changes)
        [disposition] = self.store.run_sync(close_attempts, [end], now=now)
        return disposition

    def write(self, *outcomes: Outcome, node: str = "a") -> list[Disposition | None]:
        """As an engine's writer does, in one batch."""
        return self.store.run_sync(write_outcomes, outcomes, node=node, now=NOON)

    def lead(self, lead_id: int) -> sa.Row[Any]:
        def read(conn: sa.Connection) -> sa.Row[Any]:
            return conn.execute(sa.select(t.leads).where(t.leads.c.lead_id == lead_id)).one()

        return self.store.read_sync(read)

    def attempt(self, attempt_id: int) -> sa.Row[Any]:
        def read(conn: sa.Connection) -> sa.Row[Any]:
            query = sa.select(t.attempts).where(t.attempts.c.attempt_id == attempt_id)
            return conn.execute(query).one()

        return self.store.read_sync(read)


def closed(
    attempt_id: int, cause: DisconnectCause | None, now: datetime, **changes: Any
) -> AttemptClosed:
    values: dict[str, Any] = {
        "sip_status": 486,
        "q850_cause": None,
        "ring_seconds": 3.5,
        "wait_seconds": None,
        "transfer_result": None,
        "transfer_target": None,
        "transfer_sip_status": None,
        "answered_at": None,
        "transferred_at": None,
        "abandoned": False,
        **changes,
    }
    return AttemptClosed(attempt_id=attempt_id, cause=cause, ended_at=now, **values)


def later(**units: float) -> datetime:
    """`NOON` and so much."""
    return NOON + timedelta(**units)
