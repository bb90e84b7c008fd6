"""The tables, one schema for SQLite and PostgreSQL.

Statements live in the modules beside this one; nothing else in the program runs SQL.
`migrations` builds these tables; a test compares.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

SCHEMA_REVISION = "0008"
"""The migration that this program's statements are written for."""


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone must not be stored")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _sqlite_text(moment: datetime | None) -> str | None:
    """A moment as SQLAlchemy writes it for SQLite."""
    return None if moment is None else _utc_text(_in_utc(moment))


@lru_cache(maxsize=64)
def _utc_text(moment: datetime) -> str:
    # The rows of one batch mostly say the same moment: when they are written. Of other zones two
    # moments may be equal, where a clock is put back, and yet not be the same.
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def _from_sqlite_text(text: str | None) -> datetime | None:
    """A moment as SQLAlchemy reads it from SQLite, and in UTC."""
    return None if text is None else _with_zone(datetime.fromisoformat(text))


def _with_zone(moment: datetime) -> datetime:
    """Without a zone it is as we write it; somebody else's hand may have written one."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC; PostgreSQL keeps the zone, SQLite gets it left out."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """`timestamptz` on PostgreSQL."""
        return dialect.type_descriptor(sa.DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a moment without a zone: nobody knows when it is."""
        if value is None:
            return None
        return (
            _in_utc(value) if dialect.name == "postgresql" else _in_utc(value).replace(tzinfo=None)
        )

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """On SQLite the text at once: a call writes a dozen moments, and this takes a third."""
        return _sqlite_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None] | None:
        """On SQLite from the text at once, as it was written."""
        if dialect.name == "sqlite":
            return _from_sqlite_text
        return super().result_processor(dialect, coltype)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        return None if value is None else _with_zone(value)


BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite counts up by itself only in an INTEGER PRIMARY KEY, which is 64 bits wide."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("campaign_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("trunk", sa.String(32), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

campaign_versions = sa.Table(
    "campaign_versions",
    metadata,
    sa.Column("campaign_id", sa.ForeignKey("campaigns.campaign_id"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("definition", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

# Leads of one campaign with one priority whose next number has the same zones: what the calling
# hours say about one of them they say about all, so a claim asks once a lane and not once a lead.
lanes = sa.Table(
    "lanes",
    metadata,
    sa.Column("lane_id", sa.Integer, primary_key=True),
    sa.Column("campaign_id", sa.ForeignKey("campaigns.campaign_id"), nullable=False),
    sa.Column("zones", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("campaign_id", "zones", "priority"),
)

imports = sa.Table(
    "imports",
    metadata,
    sa.Column("import_id", sa.Integer, primary_key=True),
    sa.Column("campaign_id", sa.ForeignKey("campaigns.campaign_id"), nullable=False, index=True),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("summary", sa.JSON, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

leads = sa.Table(
    "leads",
    metadata,
    sa.Column("lead_id", BigId, primary_key=True),
    sa.Column("campaign_id", sa.ForeignKey("campaigns.campaign_id"), nullable=False),
    sa.Column("lane_id", sa.ForeignKey("lanes.lane_id"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(32), nullable=False, server_default=""),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    # Of those, how many a reset has forgiven.
    sa.Column("attempts_before", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_position", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_attempt_at", UtcDateTime, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    # A promise to call at a time, and the agent who gave it; NULL: none, or anybody's.
    sa.Column("callback_at", UtcDateTime),
    sa.Column("callback_agent", sa.String(32)),
    sa.Column("claimed_by", sa.String(64)),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("columns", sa.JSON, nullable=False),
    sa.Column("import_id", sa.ForeignKey("imports.import_id")),
    sa.Column("source_line", sa.Integer),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Index(
        "ix_leads_waiting",
        "lane_id",
        "next_attempt_at",
        "lead_id",
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    ),
    sa.Index(
        "ix_leads_claimed",
        "claimed_by",
        sqlite_where=sa.text("state = 'claimed'"),
        postgresql_where=sa.text("state = 'claimed'"),
    ),
    sa.Index(
        "ix_leads_with_agent",
        "lease_until",
        sqlite_where=sa.text("state = 'with_agent'"),
        postgresql_where=sa.text("state = 'with_agent'"),
    ),
    sa.Index("ix_leads_campaign_id_state", "campaign_id", "state"),
)

lead_numbers = sa.Table(
    "lead_numbers",
    metadata,
    sa.Column("number_id", BigId, primary_key=True),
    sa.Column("lead_id", sa.ForeignKey("leads.lead_id"), nullable=False),
    sa.Column("campaign_id", sa.ForeignKey("campaigns.campaign_id"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("e164", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("region", sa.String(2), nullable=False),
    sa.Column("zones", sa.Text, nullable=False),
    sa.Column("dead", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("lead_id", "position"),
    # A lead is the same when the campaign and any number are the same.
    sa.UniqueConstraint("campaign_id", "e164"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("attempt_id", BigId, primary_key=True),
    # A campaign's attempt has a lead; a TAPI client's has neither, but a client and its number.
    sa.Column("lead_id", sa.ForeignKey("leads.lead_id")),
    sa.Column("campaign_id", sa.ForeignKey("campaigns.campaign_id")),
    sa.Column("number_id", sa.ForeignKey("lead_numbers.number_id")),
    sa.Column("tapi_client", sa.String(32)),
    # NULL once the person has been erased, or for an extension.
    sa.Column("tapi_number", sa.String(16)),
    sa.Column("attempt_no", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("node", sa.String(64), nullable=False),
    sa.Column("trunk", sa.String(32), nullable=False),
    sa.Column("line", sa.Integer, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("answered_at", UtcDateTime),
    # The last REFER, and when an agent had the person.
    sa.Column("referred_at", UtcDateTime),
    sa.Column("transferred_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("cause", sa.String(32)),
    sa.Column("sip_status", sa.Integer),
    sa.Column("q850_cause", sa.Integer),
    sa.Column("ring_seconds", sa.Float),
    sa.Column("wait_seconds", sa.Float),
    # Told by an agent feed later: our leg ends with the transfer.
    sa.Column("talk_seconds", sa.Float),
    sa.Column("transfer_result", sa.String(16)),
    sa.Column("transfer_target", sa.Text),
    sa.Column("transfer_sip_status", sa.Integer),
    sa.Column("abandoned", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("disposition", sa.String(32)),
    # Who has the person, or was offered them last: an extension, or, where no feed tells whose
    # phone it is, a place in a queue ("sales#3").
    sa.Column("agent", sa.String(64)),
    # When the agent said what came of it; NULL: they have not.
    sa.Column("disposed_at", UtcDateTime),
    sa.Column("agent_rang_at", UtcDateTime),
    sa.Column("agent_answered_at", UtcDateTime),
    sa.Column("sip_call_id", sa.Text),
    # What a BYE needs; it names both parties, so it goes when the attempt is closed.
    sa.Column("dialog", sa.JSON(none_as_null=True)),
    # The same attempt can't be begun twice, whatever happens to the two that try.
    sa.UniqueConstraint("lead_id", "attempt_no"),
    sa.Index(
        "uq_attempts_open_lead",
        "lead_id",
        unique=True,
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    ),
    sa.Index(
        "ix_attempts_open_node",
        "node",
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    ),
    sa.Index("ix_attempts_campaign_id_started_at", "campaign_id", "started_at"),
    sa.Index(
        "ix_attempts_tapi_client_started_at",
        "tapi_client",
        "started_at",
        sqlite_where=sa.text("tapi_client IS NOT NULL"),
        postgresql_where=sa.text("tapi_client IS NOT NULL"),
    ),
    # An erasure asks for every row of a number.
    sa.Index(
        "ix_attempts_tapi_number",
        "tapi_number",
        sqlite_where=sa.text("tapi_number IS NOT NULL"),
        postgresql_where=sa.text("tapi_number IS NOT NULL"),
    ),
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("agent_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(32), nullable=False, unique=True),
    # The phone. One agent each: two on one phone would be offered two people.
    sa.Column("extension", sa.String(32), nullable=False, unique=True),
    sa.Column("display_name", sa.String(64), nullable=False),
    # Of those who are ready the highest is given people first.
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    # What people asked for: logged_off, not_ready or ready; `state` follows when a call is over.
    sa.Column("wanted", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    # Who told `state`: a command, the engine, or a feed.
    sa.Column("feed", sa.String(16), nullable=False),
    # The end of the wrap-up that `state` says; NULL: it has none, or there is no wrap-up.
    sa.Column("wraps_up_until", UtcDateTime),
    # Counts what people change, so that an engine sees at a glance whether to read again.
    sa.Column("version", sa.Integer, nullable=False),
)

agent_skills = sa.Table(
    "agent_skills",
    metadata,
    sa.Column("agent_id", sa.ForeignKey("agents.agent_id"), primary_key=True),
    sa.Column("skill", sa.String(32), primary_key=True),
)

agent_campaigns = sa.Table(
    "agent_campaigns",
    metadata,
    sa.Column("agent_id", sa.ForeignKey("agents.agent_id"), primary_key=True),
    sa.Column("campaign_id", sa.ForeignKey("campaigns.campaign_id"), primary_key=True),
)

dnc_lists = sa.Table(
    "dnc_lists",
    metadata,
    sa.Column("list_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    # NULL: the list holds for every campaign.
    sa.Column("campaign_id", sa.ForeignKey("campaigns.campaign_id")),
    # As the publisher says; NULL: made by hand, number by number.
    sa.Column("made_on", sa.Date),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

dnc_numbers = sa.Table(
    "dnc_numbers",
    metadata,
    # The number first: every check asks for one number in all lists.
    sa.Column("e164", sa.String(16), primary_key=True),
    sa.Column("list_id", sa.ForeignKey("dnc_lists.list_id"), primary_key=True),
    sa.Column("added_at", UtcDateTime, nullable=False),
)

# People who asked to be forgotten: what is left of them is enough to know the number again.
suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("number_hash", sa.String(64), primary_key=True),
    sa.Column("erased_at", UtcDateTime, nullable=False),
)

# Engines at work: one that stops renewing is taken for dead by the others.
nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("node", sa.String(64), primary_key=True),
    sa.Column("lease_until", UtcDateTime, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("event_id", BigId, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("subject", sa.String(16), nullable=False),
    sa.Column("subject_id", sa.String(64), nullable=False),
    sa.Column("what", sa.String(32), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("ix_events_subject_subject_id", "subject", "subject_id"),
)
