"""The alarm for required do-not-call lists that are missing or too old.

Blocking, where the campaign wants it, is eligibility's business and happens at once; this says
so to people: one log line when the lists of a running campaign change, and a gauge.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from acd.clock import WallClock, local_day
from acd.dialer.store_watch import StoreWatch
from acd.metrics import Metrics
from acd.store.campaigns import CampaignRow
from acd.store.dnc import stale_lists

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_AT_LISTS_SECONDS = 10.0
"""How often the lists' dates are read."""


class ListWatch:
    """What is known of the lists of the campaigns that run here."""

    def __init__(self, store: StoreWatch, metrics: Metrics, clock: WallClock) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._stale: dict[str, tuple[str, ...]] = {}

    async def look(self, campaigns: Iterable[CampaignRow]) -> None:
        """Read the lists of the campaigns that run, and tell what is new.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        running = {campaign.name: campaign for campaign in campaigns}
        for name in self._stale.keys() - running.keys():
            del self._stale[name]
            self._metrics.stale_dnc_lists.labels(name).set(0)
        for campaign in running.values():
            stale = await self._store.read(
                stale_lists,
                campaign.definition.dnc,
                campaign_id=campaign.campaign_id,
                today=local_day(self._clock.now()),
            )
            self._tell(campaign, tuple(stale))

    def _tell(self, campaign: CampaignRow, stale: tuple[str, ...]) -> None:
        before, name = self._stale.get(campaign.name, ()), campaign.name
        self._stale[name] = stale
        self._metrics.stale_dnc_lists.labels(name).set(len(stale))
        if stale and stale != before:
            log.warning(
                "do-not-call lists are missing or too old",
                action="dnc.lists_stale",
                campaign=name,
                lists=list(stale),
                max_age_days=campaign.definition.dnc.max_age_days,
                blocks=campaign.definition.dnc.when_stale == "block",
            )
        elif before and not stale:
            log.info("do-not-call lists are fresh again", action="dnc.lists_fresh", campaign=name)
