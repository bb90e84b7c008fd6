"""What a campaign that runs keeps fresh beside its calls.

Its claims, a gauge of its leads, and after a reload those who were put off by the old definition.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress

import structlog
import trio

from acd.clock import WallClock
from acd.dialer.store_watch import StoreWatch
from acd.errors import StoreUnavailable
from acd.metrics import Metrics
from acd.rules.eligibility import Rule
from acd.store.asking_again import all_asked_again, ask_again, next_slice, version_to_ask_by
from acd.store.blocking import leads_by_blocking_rule
from acd.store.campaigns import CampaignRow
from acd.store.leads import renew_claims

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RENEW_CLAIMS_SECONDS = 60.0
"""A claim's lease is 5 minutes: four renewals may fail before anybody else could have the lead."""
RELOADED_SECONDS = 0.5
"""How often the version that is dialed is looked at."""
BLOCKED_SECONDS = 15.0
"""Least time between two counts of the blocked leads: as often as Prometheus asks."""
BLOCKED_SHARE = 0.02
"""Most of the time that counting may take: a million tried leads are counted less often."""


async def keep_claims(
    store: StoreWatch,
    clock: WallClock,
    node: str,
    *,
    held: Callable[[], Collection[int]],
    lost: Callable[[set[int]], None],
) -> None:
    """Renew the claims of leads in the hopper and in attempts, for ever.

    Args:
        store: the database.
        clock: dates the new leases.
        node: who holds the leads.
        held: ids of the leads that are held at this moment.
        lost: told which of them somebody else has, or nobody any more.
    """
    while True:
        await trio.sleep(RENEW_CLAIMS_SECONDS)
        lead_ids = set(held())
        if not lead_ids:
            continue
        with suppress(StoreUnavailable):
            kept = await store.run(
                renew_claims, node=node, lead_ids=sorted(lead_ids), now=clock.now()
            )
            lost(lead_ids - kept)


async def show_blocked(
    store: StoreWatch, clock: WallClock, metrics: Metrics, campaign: Callable[[], CampaignRow]
) -> None:
    """Count the leads that each rule keeps from being dialed, for ever."""
    while True:
        began = trio.current_time()
        with suppress(StoreUnavailable):
            row = campaign()
            counted = await store.read_at_leisure(leads_by_blocking_rule, row, clock.now())
            for rule in Rule:
                metrics.leads_blocked.labels(row.name, rule).set(counted.get(rule.value, 0))
        took = trio.current_time() - began
        await trio.sleep(max(BLOCKED_SECONDS, took / BLOCKED_SHARE))


async def ask_put_off_again(
    store: StoreWatch, clock: WallClock, campaign: Callable[[], CampaignRow]
) -> None:
    """Ask again after each reload, and what an engine that died has left to be asked; for ever."""
    asked: int | None = None
    while True:
        row = campaign()
        if row.version != asked:
            with suppress(StoreUnavailable):
                await _ask_all_again(store, clock, row.campaign_id)
                asked = row.version
        await trio.sleep(RELOADED_SECONDS)


async def _ask_all_again(store: StoreWatch, clock: WallClock, campaign_id: int) -> None:
    version = await store.read(version_to_ask_by, campaign_id)
    after = 0 if version is not None else None
    while after is not None:
        some = await store.read_at_leisure(
            next_slice, campaign_id=campaign_id, after=after, now=clock.now()
        )
        if some.put_off:
            # Others who write get their turn between two slices.
            await store.run(ask_again, lead_ids=some.put_off, now=clock.now())
        after = some.last
    if version is not None:
        await store.run(all_asked_again, campaign_id=campaign_id, version=version, now=clock.now())
