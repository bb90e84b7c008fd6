"""Campaigns in SQL: their state, and the copy of the definition that runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from acd.errors import BadInput, Problem, UnknownName
from acd.frozen import frozen
from acd.rules.definition import CampaignDefinition
from acd.rules.eligibility import LeadState
from acd.store import schema as t
from acd.store.events import Subject, record
from acd.store.filters import passes
from acd.store.locks import lock_name


class CampaignState(StrEnum):
    """What a campaign does."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    """No lead can become dialable; more leads and a start make it run again, and so does a word of
    an agent after which a lead is to be dialed again."""


CAMPAIGN_TRANSITIONS: Mapping[CampaignState, frozenset[CampaignState]] = MappingProxyType(
    {
        CampaignState.CREATED: frozenset({CampaignState.RUNNING}),
        CampaignState.RUNNING: frozenset(
            {CampaignState.PAUSED, CampaignState.STOPPED, CampaignState.FINISHED}
        ),
        CampaignState.PAUSED: frozenset({CampaignState.RUNNING, CampaignState.STOPPED}),
        CampaignState.STOPPED: frozenset({CampaignState.RUNNING}),
        # Stopped it stays so: a finished one may run again for an agent's word.
        CampaignState.FINISHED: frozenset({CampaignState.RUNNING, CampaignState.STOPPED}),
    }
)


@frozen(kw_only=True)
class CampaignRow:
    """A campaign as SQL knows it."""

    campaign_id: int
    name: str
    state: CampaignState
    definition: CampaignDefinition
    version: int
    trunk: str
    """Always a name; the definition's empty one was resolved when it was stored."""


def create_campaign(
    conn: sa.Connection,
    *,
    name: str,
    definition: CampaignDefinition,
    trunk: str,
    now: datetime,
) -> CampaignRow:
    """Store a new campaign with version 1 of its definition.

    Raises:
        BadInput: there is one of that name.
    """
    lock_name(conn, f"campaign {name}")
    if conn.scalar(sa.select(t.campaigns.c.campaign_id).where(t.campaigns.c.name == name)):
        raise BadInput(
            f"campaign {name}: it exists already; `acd campaign reload {name}` renews it"
        )
    campaign_id = conn.execute(
        sa.insert(t.campaigns)
        .values(
            name=name,
            state=CampaignState.CREATED.value,
            trunk=trunk,
            version=1,
            created_at=now,
            changed_at=now,
        )
        .returning(t.campaigns.c.campaign_id)
    ).scalar_one()
    _store_version(conn, campaign_id, 1, definition, now)
    record(conn, at=now, subject=Subject.CAMPAIGN, subject_id=campaign_id, what="created")
    return campaign_by_id(conn, campaign_id)


def reload_campaign(
    conn: sa.Connection,
    *,
    campaign_id: int,
    definition: CampaignDefinition,
    trunk: str,
    now: datetime,
) -> CampaignRow:
    """Store the next version of a definition; the same definition again changes nothing.

    Leads that a claim has put off by the old one are to be asked again, for the new one may be
    looser: whoever dials the campaign does that (`acd.store.asking_again`).
    """
    present = campaign_by_id(conn, campaign_id)
    if present.definition == definition and present.trunk == trunk:
        return present
    version = present.version + 1
    _store_version(conn, campaign_id, version, definition, now)
    conn.execute(
        sa.update(t.campaigns)
        .where(t.campaigns.c.campaign_id == campaign_id)
        .values(version=version, trunk=trunk, changed_at=now)
    )
    asks_again = _waits(definition) != _waits(present.definition)
    record(
        conn,
        at=now,
        subject=Subject.CAMPAIGN,
        subject_id=campaign_id,
        what="reloaded",
        detail={"version": version, **({"asks_again": True} if asks_again else {})},
    )
    return campaign_by_id(conn, campaign_id)


def _waits(definition: CampaignDefinition) -> tuple[object, ...]:
    """What leads are put off by."""
    return (
        definition.gap_seconds,
        definition.max_attempts_per_day,
        definition.abandon_lock_out_seconds,
        definition.calling_hours,
    )


def _store_version(
    conn: sa.Connection,
    campaign_id: int,
    version: int,
    definition: CampaignDefinition,
    now: datetime,
) -> None:
    conn.execute(
        sa.insert(t.campaign_versions).values(
            campaign_id=campaign_id,
            version=version,
            definition=definition.as_json(),
            created_at=now,
        )
    )


_WITH_DEFINITION = sa.select(
    t.campaigns.c.campaign_id,
    t.campaigns.c.name,
    t.campaigns.c.state,
    t.campaigns.c.version,
    t.campaigns.c.trunk,
    sa.cast(t.campaign_versions.c.definition, sa.Text).label("definition"),
).join(
    t.campaign_versions,
    sa.and_(
        t.campaign_versions.c.campaign_id == t.campaigns.c.campaign_id,
        t.campaign_versions.c.version == t.campaigns.c.version,
    ),
)


# Built once: every batch of attempts asks for its campaign, an engine twice a second for those that
# run, and building costs more than asking.
_BY_ID = _WITH_DEFINITION.where(t.campaigns.c.campaign_id == sa.bindparam("wanted_id"))
_RUNNING = _WITH_DEFINITION.where(t.campaigns.c.state == CampaignState.RUNNING.value).order_by(
    t.campaigns.c.name
)


def all_campaigns(conn: sa.Connection) -> list[CampaignRow]:
    """Every campaign, by name."""
    return [_row(row) for row in conn.execute(_WITH_DEFINITION.order_by(t.campaigns.c.name))]


def running_campaigns(conn: sa.Connection) -> list[CampaignRow]:
    """Those that dial, by name."""
    return [_row(row) for row in conn.execute(_RUNNING)]


def campaign_by_id(conn: sa.Connection, campaign_id: int) -> CampaignRow:
    """One campaign.

    Raises:
        UnknownName: there is none.
    """
    row = conn.execute(_BY_ID, {"wanted_id": campaign_id}).first()
    if row is None:
        raise UnknownName(f"campaign number {campaign_id}: there is none")
    return _row(row)


def find_campaign(conn: sa.Connection, name: str) -> CampaignRow | None:
    """One campaign by its name, or None."""
    row = conn.execute(_WITH_DEFINITION.where(t.campaigns.c.name == name)).first()
    return None if row is None else _row(row)


def campaign_by_name(conn: sa.Connection, name: str) -> CampaignRow:
    """One campaign by its name.

    Raises:
        UnknownName: there is none; the sentence names those that exist.
    """
    found = find_campaign(conn, name)
    if found is None:
        names = [row.name for row in all_campaigns(conn)]
        raise UnknownName(
            Problem(
                f"campaign {name}",
                "it is not in the database",
                f"there is {', '.join(names)}"
                if names
                else f"`acd campaign create {name}` makes it",
            )
        )
    return found


def set_campaign_state(
    conn: sa.Connection, *, campaign_id: int, state: CampaignState, now: datetime
) -> None:
    """Move a campaign along `CAMPAIGN_TRANSITIONS`; the state that it has already is fine.

    Raises:
        BadInput: it cannot go there from where it is.
    """
    sources = [source for source, targets in CAMPAIGN_TRANSITIONS.items() if state in targets]
    moved = conn.execute(
        sa.update(t.campaigns)
        .where(
            t.campaigns.c.campaign_id == campaign_id,
            t.campaigns.c.state.in_([source.value for source in sources]),
        )
        .values(state=state.value, changed_at=now)
    )
    if moved.rowcount:
        record(conn, at=now, subject=Subject.CAMPAIGN, subject_id=campaign_id, what=state.value)
        return
    present = campaign_by_id(conn, campaign_id)
    if present.state is not state:
        raise BadInput(
            Problem(
                f"campaign {present.name}",
                f"it is {present.state} and cannot become {state}",
                f"only a campaign that is {' or '.join(sources)} can",
            )
        )


def is_exhausted(conn: sa.Connection, campaign_id: int) -> bool:
    """Whether nothing in the campaign can become dialable.

    Leads on a do-not-call list, those that a filter excludes and those that wait for a review
    don't count: only a person can bring them back.
    """
    return not conn.scalar(sa.select(_open_leads(campaign_by_id(conn, campaign_id)).exists()))


def finish_if_exhausted(conn: sa.Connection, campaign_id: int, now: datetime) -> bool:
    """Finish a running campaign that `is_exhausted`; whether it was finished just now."""
    finished = conn.execute(
        sa.update(t.campaigns)
        .where(
            t.campaigns.c.campaign_id == campaign_id,
            t.campaigns.c.state == CampaignState.RUNNING.value,
            ~_open_leads(campaign_by_id(conn, campaign_id)).exists(),
        )
        .values(state=CampaignState.FINISHED.value, changed_at=now)
    )
    if not finished.rowcount:
        return False
    record(conn, at=now, subject=Subject.CAMPAIGN, subject_id=campaign_id, what="finished")
    return True


def take_up_again(conn: sa.Connection, campaign_id: int, now: datetime) -> None:
    """Let a finished campaign run: one of its leads is to be dialed again after all.

    It was finished by itself, maybe while the agent of its last person was still talking.
    """
    taken_up = conn.execute(
        sa.update(t.campaigns)
        .where(
            t.campaigns.c.campaign_id == campaign_id,
            t.campaigns.c.state == CampaignState.FINISHED.value,
        )
        .values(state=CampaignState.RUNNING.value, changed_at=now)
    )
    if taken_up.rowcount:
        record(conn, at=now, subject=Subject.CAMPAIGN, subject_id=campaign_id, what="taken_up")


def _open_leads(campaign: CampaignRow) -> sa.Select[int]:
    """Leads that are being worked on, or may be once time has gone by."""
    waiting = [
        t.leads.c.state == LeadState.WAITING.value,
        ~dnc_listed(t.leads.c.lead_id, t.leads.c.campaign_id),
        *map(passes, campaign.definition.filter),
    ]
    return sa.select(t.leads.c.lead_id).where(
        t.leads.c.campaign_id == campaign.campaign_id,
        sa.or_(
            t.leads.c.state.in_([LeadState.CLAIMED.value, LeadState.WITH_AGENT.value]),
            sa.and_(*waiting),
        ),
    )


def dnc_listed(
    lead_id: sa.ColumnElement[int], campaign_id: sa.ColumnElement[int]
) -> sa.ColumnElement[bool]:
    """SQL: any number of the lead is on a list that holds for its campaign."""
    return (
        sa.select(t.dnc_numbers.c.e164)
        .join(t.lead_numbers, t.lead_numbers.c.e164 == t.dnc_numbers.c.e164)
        .join(t.dnc_lists, t.dnc_lists.c.list_id == t.dnc_numbers.c.list_id)
        .where(
            t.lead_numbers.c.lead_id == lead_id,
            sa.or_(
                t.dnc_lists.c.campaign_id.is_(None),
                t.dnc_lists.c.campaign_id == campaign_id,
            ),
        )
        .exists()
    )


def _row(row: sa.Row[Any]) -> CampaignRow:
    return CampaignRow(
        campaign_id=row.campaign_id,
        name=row.name,
        state=CampaignState(row.state),
        definition=_definition(row.definition),
        version=row.version,
        trunk=row.trunk,
    )


@lru_cache(maxsize=256)
def _definition(json_text: str) -> CampaignDefinition:
    """Validating costs far more than the query: the scheduler asks every second."""
    return CampaignDefinition.model_validate_json(json_text)
