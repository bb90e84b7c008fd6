"""One attempt, from the claimed lead to its closed row: the life of a call as code.

    lease a line ─▶ row committed ─▶ INVITE ─▶ answer ─▶ agent reserved ─▶ REFER ─▶ NOTIFY ─┐
                                       │          │            └ none in time ─────────────┤
                                       └ busy, … ─┴ hung up ───────────── row closed ◀─────┘

The row is committed before the INVITE leaves: that is the only time that a call waits for SQL.
All else is put into `Outcomes` and written while the call goes on. The row is closed whatever
happens, also when the engine is being stopped; an engine that dies leaves it open, and the next
start marks it unknown.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from math import inf

import structlog
import trio

from acd.agents import AgentId
from acd.dialer.attempt_books import AttemptBooks
from acd.dialer.dialing import CallsInFlight, Dialing, OwnerHold
from acd.dialer.handover import Handover
from acd.dialer.no_answers import PickUp, judge_pick_up
from acd.dialer.overflow import Overflow
from acd.dialer.person import LegWatch
from acd.dialer.places import AgentPlace
from acd.dialer.redirects import may_follow
from acd.dialer.store_watch import SLOW_SECONDS
from acd.errors import BadInput, IllegalTransition, StoreUnavailable, TrunkUnavailable
from acd.lines import (
    CallerId,
    CallId,
    Destination,
    DestinationKind,
    Line,
    OriginateRequest,
    PersonWith,
    Refused,
    TransferAnswered,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    TransferUnconfirmed,
    TrunkStatus,
)
from acd.lines.records import TransferRecord, record_of
from acd.rules.dispositions import TransferOutcome
from acd.store.beginning import Blocked, NewAttempt
from acd.store.leads import ClaimedLead
from acd.store.outcomes import GivenBack, NotDialed, TurnedAway

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CALL_IS_GONE = 481
"""RFC 3261 21.4.19: the dialog was over before the REFER; its end is on its way to us."""
HANG_UP_SECONDS = 40.0
"""Longest that a leg's end is waited for: RFC 3261 timer B is 32 s."""
LEASE_SECONDS = 4 * 3600.0
"""Deadline of a line's lease; nothing legitimate lasts that long."""
NOTIFY_GRACE_SECONDS = 0.5
"""How long a NOTIFY that came in time may take through our own queues."""
TRUNK_LOOK_SECONDS = 0.5
"""How often it is looked whether the PBX lives, while its word on a late transfer is waited for."""
NEVER = inf
TRANSFER_SECONDS = 60.0
"""From REFER to the final NOTIFY; Asterisk itself gives up after 60 s (docs/traps.md)."""


async def run_attempt(
    dialing: Dialing,
    lead: ClaimedLead,
    in_flight: CallsInFlight,
    stop: trio.Event,
    *,
    owner: OwnerHold | None = None,
) -> None:
    """Dial one claimed lead and close its row.

    Args:
        dialing: the campaign's surroundings.
        lead: claimed by this node; freed here whatever happens.
        in_flight: told how far the call is.
        stop: set when no new call may start; a lead not yet dialed is given back.
        owner: reserved for this lead; what is left in it is the caller's.
    """
    hold = owner or OwnerHold(None)
    with structlog.contextvars.bound_contextvars(campaign=dialing.campaign.name, lead=lead.lead_id):
        try:
            async with AsyncExitStack() as leases:
                line: Line | None = None
                with in_flight.in_queue(lead.lead_id):
                    if not stop.is_set():
                        line = await leases.enter_async_context(_lease(dialing))
                wanted = line and in_flight.got_line(lead.lead_id) and _may_dial(dialing, stop)
                if line and wanted:
                    await _dial(dialing, lead, line, in_flight, stop, hold)
                else:
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
    with structlog.contextvars.bound_contextvars(attempt=attempt_id, call=call_id):
        attempt = Attempt(dialing, lead, line, in_flight, attempt_id, hold)
        try:
            late = trio.current_time() - asked_at >= SLOW_SECONDS
            if late:
                # A server that only hung commits this, and the next outcomes a moment later.
                await dialing.store.wait_up(at_most_seconds=SLOW_SECONDS)
            if not stop.is_set() and (not late or _may_dial(dialing, stop)):
                await attempt.run(_request(dialing, call_id, destination))
        finally:
            with trio.CancelScope(shield=True):
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
        may_follow=partial(may_follow, dialing.store, dialing.campaign.campaign_id),
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
        self._waits_before = lead.waits_before
        self._line = line
        self._in_flight = in_flight
        self._hold = hold
        self._campaign = dialing.campaign.name
        self._books = AttemptBooks(dialing, in_flight, lead_id=lead.lead_id, attempt_id=attempt_id)
        self._exemplar = self._books.exemplar
        self._watch = LegWatch(line, on_dialog=self._books.saw_dialog)
        self._dialed = False
        self._number = ""
        self._transfer: TransferRecord | None = None
        self._referred_at: float | None = None
        self._joined_at: float | None = None
        self._unconfirmed_at: float | None = None
        self._reserved: AgentPlace | None = None
        self._tried: set[AgentId] = set()
        self._offered_to: AgentId | None = None
        self._handover: Handover | None = None
        self._abandoned = False
        self._withdrawn = False
        self._hears_comfort = False

    async def run(self, request: OriginateRequest) -> None:
        """Dial, and serve whoever answers; returns when the leg is over."""
        try:
            await self._line.originate(request)
        except TrunkUnavailable:
            return
        self._dialed = True
        self._number = request.destination.user
        self._dialing.metrics.originates.labels(self._campaign).inc(exemplar=self._exemplar)
        log.info("dialing", action="call.originate", line=self._line.number)
        if self._lead_id in self._in_flight.unanswered:
            self._in_flight.ringing[self._lead_id] = self._withdraw
        answered_at = await self._watch.wait_answer()
        if answered_at is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch.read)
            await self._serve(answered_at)
            if not self._watch.ended.is_set():
                await self._line.hang_up()

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

    async def _serve(self, answered_at: float) -> None:
        """Find the answered person an agent inside the limit, or tell them who called."""
        self._books.answered(answered_at)
        until = answered_at + self._dialing.wait_limit_seconds
        if self._withdrawn:
            # The answer was on its way to us when we hung up.
            self._abandon()
            return
        overflow = Overflow.of(self._dialing.campaign.definition)
        while await self._offer(answered_at, until, own_until=overflow.own_until(until)):
            pass
        if overflow.target and await self._overflow(overflow.target, answered_at, until):
            while await self._offer(answered_at, until, own_until=until):
                pass
        self._judge(until)
        if self._abandoned and self._person_is_ours:
            await self._say_who_called()

    async def _offer(self, answered_at: float, until: float, *, own_until: float) -> bool:
        """Offer the person to one agent; True when another one may be tried.

        Args:
            answered_at: when the person answered.
            until: when they are abandoned.
            own_until: how long an agent is waited for.
        """
        if not self._may_refer(until):
            return False
        handed_over = False
        try:
            await self._reserve(own_until)
            if self._reserved is None:
                return False
            self._offered_to = self._reserved.agent
            self._tried.add(self._reserved.agent)
            handed_over = await self._hand_over(self._reserved, answered_at, until)
        finally:
            if self._reserved is not None and not handed_over:
                self._dialing.roster.give_back(self._reserved)
            self._reserved = None
        return not handed_over and self._person_is_ours

    async def _reserve(self, until: float) -> None:
        """Reserve an agent, unless the limit passes or the person hangs up first.

        Whoever promised this call is reserved already; if they cannot be reached, others may.
        """
        self._reserved = self._hold.take()
        if self._reserved is not None:
            return
        roster, campaign_id = self._dialing.roster, self._dialing.campaign.campaign_id
        self._in_flight.settled(self._lead_id)
        self._reserved = roster.reserve_now(campaign_id, but_not=self._tried)
        if self._reserved is not None:
            return
        self._in_flight.waiting.add(self._lead_id)
        with self._watch.until_end():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._comfort)
                # Kept on self: a cancellation that comes now must not lose a reserved agent.
                self._reserved = await roster.reserve(
                    campaign_id,
                    until_seconds=until,
                    but_not=self._tried,
                    priority=self._waits_before,
                    on_given=partial(self._in_flight.settled, self._lead_id),
                )
                nursery.cancel_scope.cancel()
        self._in_flight.settled(self._lead_id)

    async def _comfort(self) -> None:
        """Something to hear for the person who waits; it goes on until something else plays."""
        wav = self._dialing.campaign.definition.comfort_audio or self._dialing.comfort_audio
        if wav is None or self._hears_comfort:
            return
        try:
            await self._line.play(wav, repeat=True)
            self._hears_comfort = True
        except BadInput as error:
            log.warning("comfort audio not played", action="comfort.unplayable", why=str(error))
        except IllegalTransition:
            log.info("hung up before the comfort audio", action="comfort.unheard")

    async def _hand_over(self, place: AgentPlace, answered_at: float, until: float) -> bool:
        """REFER the person to one agent; True when the agent has them."""
        if len(self._tried) > 1:
            metrics = self._dialing.metrics
            metrics.transfer_retries.labels(self._campaign).inc(exemplar=self._exemplar)
        handover = self._begin_handover(answered_at, place.agent, queue=place.queue)
        self._dialing.roster.follow(place, handover)
        result = await self._transfer_to(place.target, handover, answered_at, until)
        if result is None or self._transfer is None:
            return False
        late = self._abandoned or self._transfer.outcome is TransferOutcome.WITH_PBX
        self._judge_agent(place, judge_pick_up(result, handover, late=late))
        if not self._transfer.agent_has_person or handover.sent_on:
            return False
        self._dialing.roster.joined(place)
        self._dialing.feed.handed_over(place.agent, handle_seconds=place.handle_seconds)
        return True

    def _begin_handover(self, answered_at: float, agent: AgentId, *, queue: str) -> Handover:
        """What is seen of the way to one agent, or to a place of a queue, from now on."""
        self._handover = Handover(
            on_change=partial(self._books.saw_agent, answered_at),
            seen=self._dialing.feed.sees_phone(agent),
            number=self._number,
            queue=queue,
            agent=None if queue else agent,
        )
        return self._handover

    async def _overflow(self, target: str, answered_at: float, until: float) -> bool:
        """REFER the person to the overflow, where it has room; True: they still are ours."""
        with self._dialing.roster.entering(target) as has_room:
            if not self._may_refer(until):
                return False
            if not has_room:
                log.info("the overflow is full", action="overflow.full", target=target)
                return True
            log.info("nobody in time", action="overflow.start", target=target)
            self._offered_to = AgentId(target)
            place = AgentId(f"{target}#overflow")
            handover = self._begin_handover(answered_at, place, queue=target)
            self._dialing.roster.follow_person(handover)
            await self._transfer_to(target, handover, answered_at, until)
        if self._transfer is not None and self._transfer.target == target:
            result = self._transfer.outcome
            self._dialing.metrics.overflows.labels(self._campaign, result).inc(
                exemplar=self._exemplar
            )
        return self._may_refer(until)

    def _may_refer(self, until: float) -> bool:
        """Whether the person is ours, and there is time."""
        return self._person_is_ours and trio.current_time() < until

    async def _transfer_to(
        self, name: str, handover: Handover, answered_at: float, until: float
    ) -> TransferResult | None:
        """REFER the person to an extension or a queue; None where nothing came of it."""
        target = self._dialing.door.admit(name, DestinationKind.TRANSFER)
        if isinstance(target, Refused):
            log.error("agent's extension refused", action="transfer.refused", rule=target.rule)
            return None
        metrics = self._dialing.metrics
        self._referred_at = trio.current_time()
        metrics.answer_to_refer_seconds.labels(self._campaign).observe(
            max(0.0, self._referred_at - answered_at), self._exemplar
        )
        log.info("transferring", action="transfer.start", agent=self._offered_to)
        result = await self._refer(target, until, handover)
        if isinstance(result, TransferUnconfirmed):
            self._unconfirmed_at = result.at_seconds
            # What it stays, where the wait is cut short.
            self._transfer = record_of(result, target=name, late=self._abandoned)
            result = await self._settle(result, handover)
        if result is None:
            return None
        joined_at = await self._joined(result, handover, until)
        late = self._abandoned or joined_at > until
        self._transfer = record_of(result, target=name, late=late, missed=handover.missed)
        metrics.transfers.labels(self._campaign, self._transfer.outcome).inc(
            exemplar=self._exemplar
        )
        log.info("transfer over", action="transfer.end", result=self._transfer.outcome)
        if self._transfer.agent_has_person and joined_at < NEVER:
            self._joined_at = joined_at
            self._books.joined(joined_at - answered_at)
        return result

    def _judge_agent(self, place: AgentPlace, seen: PickUp) -> None:
        """Have an agent not ready whose phone is not picked up again and again."""
        limit = self._dialing.campaign.definition.agents.no_answer_limit
        if self._dialing.roster.picked_up(place, seen, limit=limit):
            self._dialing.metrics.agents_benched.labels(self._campaign).inc()
            log.warning("agent not ready", action="agent.benched", agent=place.agent, limit=limit)

    async def _joined(self, result: TransferResult, handover: Handover, until: float) -> float:
        """When the agent answered, by whoever tells the truth; `NEVER`: not inside the limit."""
        if not isinstance(result, TransferAnswered):
            return result.at_seconds
        answered_at = await handover.wait_answer(
            told_at=result.at_seconds, until_seconds=until + NOTIFY_GRACE_SECONDS
        )
        if answered_at is None and not self._abandoned:
            self._abandon()
        return NEVER if answered_at is None else answered_at

    async def _settle(self, unconfirmed: TransferUnconfirmed, handover: Handover) -> TransferResult:
        """What the feed makes of a BYE that came after the 202 and before a final NOTIFY."""
        picked_up_at = await handover.wait_settled(
            over_at=unconfirmed.at_seconds, until_seconds=unconfirmed.at_seconds + TRANSFER_SECONDS
        )
        return unconfirmed if picked_up_at is None else TransferAnswered(at_seconds=picked_up_at)

    async def _refer(
        self, target: Destination, until: float, handover: Handover
    ) -> TransferResult | None:
        """The transfer's result; None when the person hung up while an agent was being found.

        Once the limit has passed the person is abandoned, whatever the PBX says later: the
        ledger must know it now, not when the transfer times out. From then on nothing is waited
        for that a PBX which is dead can no longer say. An agent who was seen picking up has the
        person, whatever the PBX says of the transfer.
        """
        limit = until + NOTIFY_GRACE_SECONDS
        # What it stays, where the wait is cut short.
        result: TransferResult = TransferTimedOut(at_seconds=limit, person_with=PersonWith.PBX)
        try:
            with (
                trio.CancelScope() as wait,
                self._watch.alarm(limit, partial(self._pass_limit, wait, handover)),
            ):
                result = await self._line.blind_transfer(target, timeout_seconds=TRANSFER_SECONDS)
        except IllegalTransition:
            await self._watch.ended.wait()
            return None
        gone = isinstance(result, TransferRefused) and result.sip_status == CALL_IS_GONE
        if gone:
            await self._watch.ended.wait()
            return None
        if handover.joined_at is not None and not isinstance(result, TransferAnswered):
            return TransferAnswered(at_seconds=handover.joined_at)
        return result

    @property
    def _pbx_has_person(self) -> bool:
        return self._transfer is not None and self._transfer.person_with is PersonWith.PBX

    @property
    def _person_is_ours(self) -> bool:
        return not self._pbx_has_person and not self._watch.ended.is_set()

    def _judge(self, until: float) -> None:
        """Abandoned: a live answer that no agent had within the limit (16 CFR 310.4(b)(1)(iv)).

        Somebody who hangs up by themselves inside the limit was not abandoned.
        """
        end = self._watch.end
        if self._abandoned:
            return
        settled_at = self._unconfirmed_at if self._joined_at is None else self._joined_at
        if settled_at is None and end is not None and not self._pbx_has_person:
            settled_at = end.at_seconds
        if settled_at is None or settled_at > until:
            self._abandon()

    def _pass_limit(self, transfer: trio.CancelScope, handover: Handover) -> None:
        """At the limit; end the wait for a transfer that is decided.

        It is when an agent was seen picking up. Then, should the trunk be lost, it is as well.
        """
        if not self._abandoned and handover.joined_at is not None:
            transfer.cancel()
            return
        if not self._abandoned:
            self._abandon()
        if self._dialing.trunk.health.status is TrunkStatus.UNREACHABLE:
            transfer.cancel()
        else:
            self._watch.ring_again(trio.current_time() + TRUNK_LOOK_SECONDS)

    def _abandon(self) -> None:
        self._abandoned = True
        self._books.abandoned()

    async def _say_who_called(self) -> None:
        """The campaign's message, until it is over or the person hangs up."""
        message = self._dialing.campaign.definition.abandon_message
        if message is None:
            return
        with self._watch.until_end():
            try:
                await self._line.play(message)
            except BadInput as error:
                # It was good when the campaign was loaded: somebody changed the file since.
                log.warning("message not played", action="message.unplayable", why=str(error))
            except IllegalTransition:
                log.info("hung up before the message", action="message.unheard")

    async def close(self) -> None:
        """End the leg if it still lives, and have the row closed; call it shielded."""
        if self._dialed and self._watch.end is None:
            await self._line.hang_up()
            with trio.move_on_after(HANG_UP_SECONDS):
                await self._watch.read()
        self._books.close(
            self._watch,
            dialed=self._dialed,
            transfer=self._transfer,
            referred_at=self._referred_at,
            joined_at=self._joined_at,
            abandoned=self._abandoned,
            agent=(self._handover and self._handover.agent) or self._offered_to,
        )
