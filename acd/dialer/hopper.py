"""A short store of leads already claimed for one campaign, so that dialing never waits for SQL.

Claims are leases: `acd.dialer.upkeep` renews those of the leads in here, so that a slow campaign
keeps what it has.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection

import trio

from acd.clock import WallClock
from acd.dialer.store_watch import StoreWatch
from acd.store.leads import ClaimedLead, claim_leads

MIN_LEADS = 10
AHEAD = 2
"""Leads kept for each ready agent."""
REST_SECONDS = 0.5
"""How long SQL is not asked after it had few: with every call that ends it would be asked again."""


class Hopper:
    """Leads of one campaign, claimed by this node and not yet given to an attempt."""

    def __init__(self, *, store: StoreWatch, clock: WallClock, campaign_id: int, node: str) -> None:
        self._store = store
        self._clock = clock
        self._campaign_id = campaign_id
        self._node = node
        self._leads: deque[ClaimedLead] = deque()
        self._rest_until = -math.inf
        self._ran_dry = False

    def __len__(self) -> int:
        return len(self._leads)

    @property
    def may_have_leads(self) -> bool:
        """Whether there are any here, or in SQL as far as it was asked."""
        return len(self._leads) > 0 or not self._ran_dry

    async def fill(self, *, ready_agents: int, ready_names: Callable[[], Collection[str]]) -> None:
        """Claim more leads when fewer are at hand than the ready agents can use.

        Args:
            ready_agents: how many.
            ready_names: tells theirs: a callback that is kept for somebody else stays there.

        Raises:
            StoreUnavailable: the database is away.
        """
        wanted = max(MIN_LEADS, AHEAD * ready_agents)
        if ready_agents == 0 or len(self._leads) >= (wanted + 1) // 2:
            return
        if trio.current_time() < self._rest_until:
            return
        missing = wanted - len(self._leads)
        claimed = await self._store.run(
            claim_leads,
            campaign_id=self._campaign_id,
            node=self._node,
            limit=missing,
            now=self._clock.now(),
            ready_names=ready_names(),
        )
        self._ran_dry = not claimed
        if len(claimed) < missing / 2:
            self._rest_until = trio.current_time() + REST_SECONDS
        # A lead whose lease ran out while the database was away may come a second time.
        self.drop({lead.lead_id for lead in claimed})
        self._leads.extend(claimed)

    def take(self, count: int) -> list[ClaimedLead]:
        """The next leads to dial, at most `count`."""
        return [self._leads.popleft() for _ in range(min(count, len(self._leads)))]

    @property
    def lead_ids(self) -> set[int]:
        """Whose claims are to be renewed."""
        return {lead.lead_id for lead in self._leads}

    def drop(self, lead_ids: Collection[int]) -> None:
        """Forget leads that this node no longer holds."""
        self._leads = deque(lead for lead in self._leads if lead.lead_id not in lead_ids)

    def empty(self) -> list[ClaimedLead]:
        """Every lead that is left; the caller gives them back."""
        leads, self._leads = list(self._leads), deque()
        return leads
