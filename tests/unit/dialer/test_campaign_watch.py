from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from acd.dialer.campaign_watch import seconds_left
from acd.store.counts import CampaignCounts

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def counts(*, waiting: int, closed_lately: int, minutes: int | None) -> CampaignCounts:
    return CampaignCounts(
        leads={"waiting": waiting, "claimed": 2, "closed": 500, "review": 3},
        closed_lately=closed_lately,
        first_attempt_at=None if minutes is None else NOW - timedelta(minutes=minutes),
    )


def test_the_time_left_is_open_leads_over_the_speed_of_closing() -> None:
    # 30 closed in ten minutes: 3 a minute, and 60 to go.
    assert seconds_left(counts(waiting=58, closed_lately=30, minutes=10), now=NOW) == 20 * 60


def test_nobody_knows_before_the_first_lead_was_closed() -> None:
    assert math.isnan(seconds_left(counts(waiting=58, closed_lately=0, minutes=1), now=NOW))
    assert math.isnan(seconds_left(counts(waiting=58, closed_lately=0, minutes=None), now=NOW))


def test_an_empty_list_lasts_no_time() -> None:
    empty = CampaignCounts(leads={"closed": 9}, closed_lately=0, first_attempt_at=None)
    assert seconds_left(empty, now=NOW) == 0.0
