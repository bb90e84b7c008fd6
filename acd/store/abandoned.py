"""Who was abandoned lately by somebody else: the number is locked out, not the lead.

Campaigns have a lead each for the same person, and a TAPI client has none at all; that person must
not hear nobody on a call of one of them and be called by the next an hour later. A lead's own
attempts are read with its snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from acd.store import schema as t

_LONGEST_CALL = timedelta(days=1)
"""Longer than any line's lease: the index knows when attempts began, not when they were over."""
_ours = t.lead_numbers.alias("ours")
_theirs = t.lead_numbers.alias("theirs")
_over_at = sa.func.coalesce(t.attempts.c.ended_at, t.attempts.c.started_at)
_OTHERS = sa.select(t.campaigns.c.campaign_id).where(
    t.campaigns.c.campaign_id != sa.bindparam("campaign")
)
_LAST = (
    sa.select(_ours.c.lead_id, sa.func.max(_over_at).label("at"))
    .join(
        _theirs,
        sa.and_(
            # Numbers are indexed by campaign.
            _theirs.c.campaign_id.in_(sa.bindparam("others", expanding=True)),
            _theirs.c.e164 == _ours.c.e164,
        ),
    )
    .join(t.attempts, t.attempts.c.lead_id == _theirs.c.lead_id)
    .where(
        _ours.c.lead_id.in_(sa.bindparam("lead_ids", expanding=True)),
        t.attempts.c.abandoned,
    )
    .group_by(_ours.c.lead_id)
)
_LAST_OF_TAPI = (
    sa.select(_ours.c.lead_id, sa.func.max(_over_at).label("at"))
    .join(t.attempts, t.attempts.c.tapi_number == _ours.c.e164)
    .where(
        _ours.c.lead_id.in_(sa.bindparam("lead_ids", expanding=True)),
        t.attempts.c.abandoned,
    )
    .group_by(_ours.c.lead_id)
)


def last_abandoned_elsewhere(
    conn: sa.Connection, campaign_id: int, lead_ids: Sequence[int]
) -> Mapping[int, datetime]:
    """When the person was abandoned last by another campaign or a TAPI client, for these leads."""
    asked = {"lead_ids": list(lead_ids)}
    rows = list(conn.execute(_LAST_OF_TAPI, asked))
    others = conn.scalars(_OTHERS, {"campaign": campaign_id}).all()
    if others:
        rows += conn.execute(_LAST, {"others": others, **asked})
    # The later one counts where both have.
    return {row.lead_id: row.at for row in sorted(rows, key=lambda row: row.at)}


def abandoned_elsewhere(campaign_id: int, *, since: datetime) -> sa.CompoundSelect[int]:
    """SQL: leads of a campaign whose person somebody else has abandoned since then."""
    lately = sa.and_(t.attempts.c.started_at > since - _LONGEST_CALL, t.attempts.c.abandoned)
    by_campaigns = (
        sa.select(_ours.c.lead_id)
        .select_from(t.attempts)
        .join(_theirs, _theirs.c.lead_id == t.attempts.c.lead_id)
        .join(
            _ours,
            sa.and_(_ours.c.campaign_id == campaign_id, _ours.c.e164 == _theirs.c.e164),
        )
        .where(
            # Attempts are indexed by campaign.
            t.attempts.c.campaign_id.in_(
                sa.select(t.campaigns.c.campaign_id).where(t.campaigns.c.campaign_id != campaign_id)
            ),
            lately,
        )
    )
    by_clients = (
        sa.select(_ours.c.lead_id)
        .select_from(t.attempts)
        .join(
            _ours,
            sa.and_(_ours.c.campaign_id == campaign_id, _ours.c.e164 == t.attempts.c.tapi_number),
        )
        # Those of TAPI clients have an index of their own, which is asked for by this.
        .where(t.attempts.c.tapi_client.is_not(None), lately)
    )
    return sa.union_all(by_campaigns, by_clients)
