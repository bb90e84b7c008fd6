"""One campaign while it runs on this node: how many calls it starts, and when.

Its task looks at its snapshot, starts as many attempts as `pacing` says, and sleeps until an
agent's state or one of its calls has changed, or a while has passed. At full size something
changes a thousand times a second: one look serves all that changed within `LOOKS_APART_BEATS`.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from math import inf

import structlog
import trio

from acd.beat import next_beat
from acd.dialer.callbacks import run_claimed
from acd.dialer.campaign_watch import CampaignWatch
from acd.dialer.dialing import CallsInFlight, Dialing
from acd.dialer.hopper import Hopper
from acd.dialer.ledger_watch import LedgerRoom, LedgerWatch
from acd.dialer.pacing import (
    LineWants,
    PacingSnapshot,
    agents_for,
    calls_beyond,
    calls_to_start,
    calls_to_withdraw,
    each_has_an_agent,
    lines_to_ask_for,
    ramped,
)
from acd.dialer.places import needs_of
from acd.dialer.preview import CampaignPreviews
from acd.dialer.upkeep import keep_claims, show_blocked
from acd.errors import StoreUnavailable
from acd.rules.definition import DialMode
from acd.rules.hold import Hold
from acd.store.campaigns import CampaignRow, finish_if_exhausted, is_exhausted
from acd.store.leads import ClaimedLead
from acd.store.outcomes import GivenBack

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_SECONDS = 0.5
"""How often a campaign looks at its leads unprompted."""
LOOKS_APART_BEATS = 2
"""How often it looks at most, whatever changes."""


class CampaignRun:
    """One campaign while it runs on this node."""

    def __init__(self, dialing: Dialing) -> None:
        self._dialing = dialing
        self._roster = dialing.roster
        self._stop = trio.Event()
        """Another one after each `resume`: what was begun before keeps to the one of its time."""
        self._in_flight = CallsInFlight(line_given=self._wake, is_wanted=self._is_wanted)
        self.previews = CampaignPreviews(
            lambda: self._dialing, self._in_flight, stop=lambda: self._stop, over=self._wake
        )
        self._attempts = 0
        self._news = trio.Event()
        self._looking = trio.CancelScope()
        self._next_look_at = -inf
        self._staffed_since: float | None = None
        ledger_watch = LedgerWatch(
            dialing.campaign.campaign_id,
            store=dialing.store,
            clock=dialing.clock,
            node=dialing.node,
        )
        self._ledger = LedgerRoom(ledger_watch, self._in_flight)
        self._watch = CampaignWatch(
            dialing.campaign.name,
            store=dialing.store,
            ledger=ledger_watch,
            metrics=dialing.metrics,
            clock=dialing.clock,
        )
        self._hopper = Hopper(
            store=dialing.store,
            clock=dialing.clock,
            campaign_id=dialing.campaign.campaign_id,
            node=dialing.node,
        )

    @property
    def campaign(self) -> CampaignRow:
        """The version that is dialed."""
        return self._dialing.campaign

    def renew(self, dialing: Dialing) -> None:
        """Dial by another version of the campaign; calls under way keep to theirs."""
        self._dialing = dialing
        self._seat_agents()

    @property
    def stopped(self) -> bool:
        """Told to stop; calls under way may go on."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Start no more calls."""
        self._stop.set()
        self._in_flight.leave_queue()
        self._wake()
        # A database that hangs must not keep anybody from being told to stop.
        self._looking.cancel()

    def resume(self) -> None:
        """Start calls again, whatever of those from before is still under way."""
        self._stop = trio.Event()
        self._wake()

    def _seat_agents(self) -> None:
        self._roster.seat(self.campaign.campaign_id, needs_of(self.campaign.definition))

    async def run(self) -> None:
        """Dial until told to stop or nothing can become dialable; then let calls finish.

        While they do, `resume` makes it dial on.
        """
        self._seat_agents()
        self._roster.count_calls(self.campaign.campaign_id, self._agents_needed)
        self._roster.tell_changes(self.campaign.campaign_id, self._wake)
        waiting = self._dialing.metrics.waiting_persons.labels(self.campaign.name)
        waiting.set_function(lambda: len(self._in_flight.waiting))
        try:
            async with trio.open_nursery() as upkeep:
                self._start_upkeep(upkeep)
                async with trio.open_nursery() as nursery:
                    self.previews.open(nursery)
                    while await self._dial_all(nursery) and await self._let_finish():
                        pass
                upkeep.cancel_scope.cancel()
        finally:
            self._roster.unseat(self.campaign.campaign_id)
            self._empty_hopper()

    def _empty_hopper(self) -> None:
        if left := self._hopper.empty():
            lead_ids = tuple(lead.lead_id for lead in left)
            self._dialing.outcomes.put(GivenBack(lead_ids=lead_ids))

    def _start_upkeep(self, nursery: trio.Nursery) -> None:
        store, clock = self._dialing.store, self._dialing.clock
        nursery.start_soon(self._count)
        nursery.start_soon(
            partial(
                keep_claims,
                store,
                clock,
                self._dialing.node,
                held=self._held,
                lost=self._hopper.drop,
            )
        )
        nursery.start_soon(show_blocked, store, clock, self._dialing.metrics, lambda: self.campaign)

    def _held(self) -> set[int]:
        """Leads that are claimed and not yet dialed."""
        return self._hopper.lead_ids | self._in_flight.claimed | self.previews.lead_ids

    async def _dial_all(self, nursery: trio.Nursery) -> bool:
        """Until told to stop; False once nothing can become dialable."""
        while not self._stop.is_set():
            with trio.CancelScope() as self._looking:
                await self._look(nursery)
            if self._stop.is_set():
                break
            if await self._finished():
                return False
            await self._wait()
        return True

    async def _let_finish(self) -> bool:
        """Calls under way go on, though agents may leave; True when more are to be started."""
        self._empty_hopper()
        while self._stop.is_set() and (self._attempts or self.previews.lead_ids):
            self._withdraw_unneeded()
            await self._wait()
        return not self._stop.is_set()

    def _withdraw_unneeded(self) -> None:
        """Hang up what rings for agents who have left: nobody would be there at the answer."""
        if self.campaign.definition.dial_mode is DialMode.PROGRESSIVE and self._in_flight.ringing:
            self._in_flight.withdraw(calls_to_withdraw(self._snapshot()))

    async def _count(self) -> None:
        """Show what SQL knows of the campaign, whichever version of it is dialed."""
        await self._watch.count(lambda: self.campaign)

    async def _look(self, nursery: trio.Nursery) -> None:
        campaign_id = self._dialing.campaign.campaign_id
        self._withdraw_unneeded()
        if not self._dialing.store.up:
            self._watch.held(Hold.STORE)
            return
        if not self._dialing.trunk.health.may_dial:
            self._watch.held(Hold.TRUNK)
            return
        if self.previews.on:
            self._empty_hopper()
            self._watch.held(Hold.PREVIEW)
            return
        try:
            await self._hopper.fill(
                ready_agents=self._roster.ready(campaign_id),
                ready_names=partial(self._roster.ready_names, campaign_id),
            )
        except StoreUnavailable:
            return
        await self._start_calls(nursery)

    async def _start_calls(self, nursery: trio.Nursery) -> None:
        try:
            await self._ledger.read(self.campaign.definition)
        except StoreUnavailable:
            return
        snapshot = self._snapshot()
        leads = self._hopper.take(calls_to_start(snapshot))
        self._watch.looked(snapshot, started=len(leads))
        for lead in leads:
            self._in_flight.unanswered.add(lead.lead_id)
            self._in_flight.queued.add(lead.lead_id)
            self._attempts += 1
            nursery.start_soon(self._attempt, lead)

    def _agents_needed(self) -> int:
        """By the calls under way, as far as this campaign's dial level and ledger go."""
        calls = len(self._in_flight.unanswered) + len(self._in_flight.waiting)
        return agents_for(
            calls,
            calls_per_agent=self._dial_level(),
            ledger_headroom=self._ledger.left(self.campaign.definition),
        )

    def _free_lines(self) -> int:
        """The trunk's, as far as the campaign's own limit goes."""
        free, limit = self._dialing.trunk.lines.free, self.campaign.definition.line_limit
        return free if limit is None else min(free, limit - self._attempts)

    def _snapshot(self) -> PacingSnapshot:
        definition = self.campaign.definition
        return PacingSnapshot(
            ready_agents=self._roster.left_for(self.campaign.campaign_id),
            unanswered_calls=len(self._in_flight.unanswered),
            waiting_persons=len(self._in_flight.waiting),
            queued_calls=len(self._in_flight.queued),
            free_lines=self._free_lines(),
            lines_to_ask_for=lines_to_ask_for(
                LineWants(
                    attempts=self._attempts,
                    queued=len(self._in_flight.queued),
                    line_limit=definition.line_limit,
                    calls_per_second=self._dialing.trunk_settings.calls_per_second,
                )
            ),
            leads_at_hand=len(self._hopper),
            calls_per_agent=self._dial_level(),
            ledger_headroom=self._ledger.left(definition),
        )

    def _is_wanted(self) -> bool:
        if self.previews.on:
            # After a reload to previews nobody is dialed whom no agent has looked at.
            return False
        # Asked for each call: most need not look further.
        return (
            each_has_an_agent(
                ready_agents=self._roster.left_for(self.campaign.campaign_id),
                unanswered_calls=len(self._in_flight.unanswered),
                waiting_persons=len(self._in_flight.waiting),
            )
            or calls_beyond(self._snapshot()) == 0
        )

    def _dial_level(self) -> Decimal:
        """Calls for each ready agent, as far as the ramp has come."""
        definition = self.campaign.definition
        return ramped(
            definition.calls_per_agent,
            staffed_seconds=self._staffed_seconds(),
            ramp_seconds=definition.ramp_seconds,
        )

    def _staffed_seconds(self) -> float:
        """Since when the campaign has had agents without a break; 0 without any."""
        if not self._roster.staffed(self.campaign.campaign_id):
            self._staffed_since = None
            return 0.0
        now = trio.current_time()
        if self._staffed_since is None:
            self._staffed_since = now
        return now - self._staffed_since

    async def _attempt(self, lead: ClaimedLead) -> None:
        try:
            await run_claimed(self._dialing, lead, self._in_flight, self._stop)
        finally:
            self._attempts -= 1
            self._wake()

    async def _finished(self) -> bool:
        if self._attempts or len(self._hopper) or self.previews.lead_ids:
            return False
        campaign_id, store = self._dialing.campaign.campaign_id, self._dialing.store
        if not store.up:
            return False
        try:
            # A read keeps nobody else from writing, and this is asked for as long as leads wait.
            if not await store.read(is_exhausted, campaign_id=campaign_id):
                return False
            if not await store.run(
                finish_if_exhausted, campaign_id=campaign_id, now=self._dialing.clock.now()
            ):
                return False
        except StoreUnavailable:
            return False
        name = self._dialing.campaign.name
        log.info("campaign finished", action="campaign.finished", campaign=name)
        return True

    async def _wait(self) -> None:
        """Until an agent's state or one of our calls changes, or it is time to look again."""
        if self._next_look_at > trio.current_time():
            await trio.sleep_until(self._next_look_at)
        if not self._news.is_set():
            with trio.move_on_after(LOOK_SECONDS):
                await self._news.wait()
        self._news = trio.Event()
        self._next_look_at = next_beat(LOOKS_APART_BEATS)

    def _wake(self) -> None:
        self._news.set()
