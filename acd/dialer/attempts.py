"""One attempt, from the claimed lead to its closed row: the life of a call as code.

    lease a line ─▶ row committed ─▶ INVITE ─▶ answer ─▶ agent reserved ─▶ REFER ─▶ NOTIFY ─┐
                                       │          │            └ none in time ─────────────┤
                                       └ busy, … ─┴ hung up ───────────── row closed ◀─────┘

The row is committed before the INVITE leaves: that is the only time that a call waits for SQL.
All else is put into `Outcomes` and written while the call goes on. The row is closed whatever
happens, also when the engine is being stopped; an engine that dies leaves it open, and the next
start marks it unknown. What is between the answer and the end is in `acd.dialer.serving`.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from math import inf

import structlog
import trio

from acd.dialer.attempt_books import AttemptBooks
from acd.dialer.dialing import CallsInFlight, Dialing, OwnerHold
from acd.dialer.person import LegWatch
from acd.dialer.redirects import may_follow
from acd.dialer.serving import Serving
from acd.dialer.store_watch import SLOW_SECONDS
from acd.errors import StoreUnavailable, TrunkUnavailable
from acd.lines import (
    CallerId,
    CallId,
    Destination,
    DestinationKind,
    Line,
    OriginateRequest,
    Refused,
)
from acd.store.beginning import Blocked, NewAttempt
from acd.store.leads import ClaimedLead
from acd.store.outcomes import GivenBack, NotDialed, TurnedAway

log: structlog.stdlib.BoundLogger = structlog.get_logger()

HANG_UP_SECONDS = 40.0
"""Longest that a leg's end is waited for: RFC 3261 timer B is 32 s."""
LEASE_SECONDS = 4 * 3600.0
"""Deadline of a line's lease; nothing legitimate lasts that long."""


async def run_attempt(
    dialing: Dialing,
    lead: ClaimedLead,
    in_flight: CallsInFlight,
    stop: trio.Event,
    *,
    owner: OwnerHold | None = None,
) -> None:
    """Dial one claimed lead and close its row; in a task of its own, whose log lines name it.

    Args:
        dialing: the campaign's surroundings.
        lead: claimed by this node; freed here whatever happens.
        in_flight: told how far the call is.
        stop: set when no new call may start; a lead not yet dialed is given back.
        owner: reserved for this lead; what is left in it is the caller's.
    """
    hold = owner or OwnerHold(None)
    structlog.contextvars.bind_contextvars(campaign=dialing.campaign.name, lead=lead.lead_id)
    try:
        wanted = False
        with in_flight.in_queue(lead.lead_id):
            if not stop.is_set():
                async with _lease(dialing) as line:
                    wanted = in_flight.got_line(lead.lead_id) and _may_dial(dialing, stop)
                    if wanted:
                        await _dial(dialing, lead, line, in_flight, stop, hold)
        if not wanted:
            _give_back(dialing, lead)
    except trio.Cancelled:
        _give_back(dialing, lead)
        raise
    finally:
        in_flight.settled(lead.lead_id)


def _lease(dialing: Dialing) -> AbstractAsyncContextManager[Line]:
    return dialing.trunk.lines.lease(
        holder=dialing.campaign.name,
        deadline_seconds=LEASE_SECONDS,
        weight=dialing.campaign.definition.weight,
    )


def _may_dial(dialing: Dialing, stop: trio.Event) -> bool:
    return not stop.is_set() and dialing.trunk.health.may_dial and dialing.store.up


def _give_back(dialing: Dialing, lead: ClaimedLead) -> None:
    """Free a lead that was claimed and not dialed; one that was dialed is no longer claimed."""
    dialing.outcomes.put(GivenBack(lead_ids=(lead.lead_id,)))


async def _dial(
    dialing: Dialing,
    lead: ClaimedLead,
    line: Line,
    in_flight: CallsInFlight,
    stop: trio.Event,
    hold: OwnerHold,
) -> None:
    destination = dialing.door.admit(lead.e164, DestinationKind.LEAD)
    if isinstance(destination, Refused):
        log.warning("destination refused", action="destination.refused", rule=destination.rule)
        dialing.outcomes.put(TurnedAway(lead=lead, rule=destination.rule))
        return
    asked_at = trio.current_time()
    try:
        attempt_id = await dialing.beginnings.begin(
            NewAttempt(lead=lead, trunk=dialing.trunk.name, line=line.number)
        )
    except StoreUnavailable:
        dialing.outcomes.put(NotDialed(lead=lead))
        return
    if isinstance(attempt_id, Blocked):
        log.info("lead blocked before dialing", action="lead.blocked", rule=attempt_id.rule)
        return
    call_id = CallId(f"a{attempt_id}")
    structlog.contextvars.bind_contextvars(attempt=attempt_id, call=call_id)
    attempt = Attempt(dialing, lead, line, in_flight, attempt_id, hold)
    try:
        late = trio.current_time() - asked_at >= SLOW_SECONDS
        if late:
            # A server that only hung commits this, and the next outcomes a moment later.
            await dialing.store.wait_up(at_most_seconds=SLOW_SECONDS)
        if not stop.is_set() and (not late or _may_dial(dialing, stop)):
            await attempt.run(_request(dialing, call_id, destination))
    finally:
        await attempt.close()


def _request(dialing: Dialing, call_id: CallId, destination: Destination) -> OriginateRequest:
    shown = dialing.campaign.definition.caller_id
    return OriginateRequest(
        call_id=call_id,
        destination=destination,
        ring_timeout_seconds=dialing.ring_timeout_seconds,
        caller_id=None
        if shown is None
        else CallerId(number=shown.number, display_name=shown.display_name),
        may_follow=partial(
            may_follow,
            dialing.store,
            campaign_id=dialing.campaign.campaign_id,
            hours=dialing.campaign.definition.calling_hours.hours,
            clock=dialing.clock,
        ),
    )


class Attempt:
    """One attempt whose row is committed: from the INVITE to the closed row."""

    def __init__(
        self,
        dialing: Dialing,
        lead: ClaimedLead,
        line: Line,
        in_flight: CallsInFlight,
        attempt_id: int,
        hold: OwnerHold,
    ) -> None:
        self._dialing = dialing
        self._lead_id = lead.lead_id
        self._line = line
        self._in_flight = in_flight
        self._books = AttemptBooks(dialing, in_flight, lead_id=lead.lead_id, attempt_id=attempt_id)
        self._watch = LegWatch(line, on_dialog=self._books.saw_dialog)
        self._serving = Serving(
            dialing, lead, line, in_flight, hold, books=self._books, watch=self._watch
        )
        self._dialed = False
        self._withdrawn = False

    async def run(self, request: OriginateRequest) -> None:
        """Dial, and serve whoever answers; returns when the leg is over."""
        self._watch.begin()
        try:
            await self._line.originate(request)
        except TrunkUnavailable:
            return
        self._dialed = True
        self._books.series.originates.inc(exemplar=self._books.exemplar)
        self._books.log.info("dialing", action="call.originate", line=self._line.number)
        if self._lead_id in self._in_flight.unanswered:
            self._in_flight.ringing[self._lead_id] = self._withdraw
        answered_at = await self._watch.wait_answer()
        if answered_at is None:
            return
        await self._serve(answered_at, request.destination.user)
        if self._watch.end is None:
            self._line.hang_up_soon()
        await self._watch.wait_end()

    def _withdraw(self) -> bool:
        """Hang up for want of an agent; False: it is answered, or must ring on."""
        rang_at = self._watch.progress_at
        rung_seconds = inf if rang_at is None else trio.current_time() - rang_at
        shortest_seconds = self._dialing.campaign.definition.shortest_ring_seconds
        answered = self._watch.answered_at is not None
        if answered or self._watch.ended.is_set() or rung_seconds < shortest_seconds:
            return False
        self._withdrawn = True
        self._in_flight.settled(self._lead_id)
        self._line.hang_up_soon()
        log.info("no agent is left for it", action="call.withdrawn", **self._books.names)
        return True

    async def _serve(self, answered_at: float, number: str) -> None:
        self._books.answered(answered_at)
        if self._withdrawn:
            # The answer was on its way to us when we hung up.
            self._serving.abandon()
        else:
            await self._serving.serve(answered_at, number)

    async def close(self) -> None:
        """End the leg if it still lives, and have the row closed; nothing cuts it short."""
        if self._dialed and self._watch.end is None:
            if self._watch.answered_at is not None:
                self._serving.cut_short()
            self._line.hang_up_soon()
            with trio.move_on_after(HANG_UP_SECONDS, shield=True):
                await self._watch.ended.wait()
        serving = self._serving
        self._books.close(
            self._watch,
            dialed=self._dialed,
            transfer=serving.transfer,
            referred_at=serving.referred_at,
            joined_at=serving.joined_at,
            abandoned=serving.abandoned,
            agent=serving.agent,
        )
