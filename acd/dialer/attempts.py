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

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from math import inf
from pathlib import Path

import structlog
import trio

from acd.agents import AgentFeed, AgentId
from acd.calls import DisconnectCause
from acd.clock import WallClock
from acd.dialer.handover import Handover
from acd.dialer.leftovers import dialog_as_json
from acd.dialer.outcomes import Outcomes
from acd.dialer.person import LegWatch
from acd.dialer.places import AgentPlace
from acd.dialer.routing import Roster
from acd.dialer.store_watch import SLOW_SECONDS, StoreWatch
from acd.errors import BadInput, IllegalTransition, StoreUnavailable, TrunkUnavailable
from acd.lines import (
    CallerId,
    CallId,
    Destination,
    DestinationKind,
    DialogId,
    Door,
    Line,
    OriginateRequest,
    PersonWith,
    Refused,
    TransferAnswered,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    Trunk,
    TrunkStatus,
)
from acd.lines.records import TransferRecord, record_of
from acd.metrics import Metrics, call_exemplar, response_class
from acd.rules.dispositions import Disposition
from acd.settings import TrunkSettings
from acd.store.attempts import AttemptClosed, Blocked, begin_attempt
from acd.store.campaigns import CampaignRow
from acd.store.leads import ClaimedLead
from acd.store.outcomes import AgentTimes, AttemptAnswered, DialogSeen, GivenBack, NotDialed

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CALL_IS_GONE = 481
"""RFC 3261 21.4.19: the dialog was over before the REFER; its end is on its way to us."""
HANG_UP_SECONDS = 40.0
"""Longest that a leg's end is waited for: RFC 3261 timer B is 32 s."""
LEASE_SECONDS = 4 * 3600.0
"""Deadline of a line's lease; nothing legitimate lasts that long."""
NOTIFY_GRACE_SECONDS = 0.5
"""How long a NOTIFY that came in time may take through our own queues."""
NEVER = inf
TRANSFER_SECONDS = 60.0
"""From REFER to the final NOTIFY; Asterisk itself gives up after 60 s (docs/traps.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialing:
    """What an attempt needs of the engine; one for each campaign that runs."""

    campaign: CampaignRow
    trunk: Trunk
    trunk_settings: TrunkSettings
    door: Door
    roster: Roster
    feed: AgentFeed
    store: StoreWatch
    outcomes: Outcomes
    metrics: Metrics
    clock: WallClock
    node: str
    comfort_audio: Path | None = None
    """Of the installation, for campaigns without one of their own; None: silence."""

    @property
    def wait_limit_seconds(self) -> float:
        """How long an answered person may wait for an agent, from the 2xx."""
        return self.campaign.definition.wait_limit_seconds

    @property
    def ring_timeout_seconds(self) -> float:
        """The campaign's, else the trunk's."""
        return (
            self.campaign.definition.ring_timeout_seconds
            or self.trunk_settings.ring_timeout_seconds
        )


@dataclass(slots=True)
class CallsInFlight:
    """Tells the pacing where this campaign's attempts stand; sets of lead ids."""

    unanswered: set[int] = field(default_factory=set)
    """Lead taken, call not yet answered or over."""
    queued: set[int] = field(default_factory=set)
    """Of the unanswered: those that wait for a line."""
    line_given: Callable[[], None] = lambda: None
    """Told whenever one of the queued has got its line."""
    is_wanted: Callable[[], bool] = lambda: True
    """Whether the agents who are left still need one more of the queued."""
    waiting: set[int] = field(default_factory=set)
    """Answered, and no agent reserved."""
    abandoned: set[int] = field(default_factory=set)
    """Abandoned, and not in SQL yet."""
    sql_knows_more: bool = False
    """An abandoned call was written; counts from before would forget it."""

    def got_line(self, lead_id: int) -> bool:
        """Its turn has come; whether it is still wanted, as one with an agent of its own is."""
        wanted = lead_id not in self.queued or self.is_wanted()
        self.queued.discard(lead_id)
        self.line_given()
        return wanted

    def settled(self, lead_id: int) -> None:
        """Nobody needs an agent for this lead any more."""
        self.queued.discard(lead_id)
        self.unanswered.discard(lead_id)
        self.waiting.discard(lead_id)

    def written(self, lead_id: int) -> None:
        """The attempt's end stands in SQL."""
        if lead_id in self.abandoned:
            self.abandoned.remove(lead_id)
            self.sql_knows_more = True


@dataclass(slots=True)
class OwnerHold:
    """The agent who promised a callback, reserved until somebody takes them."""

    place: AgentPlace | None

    def take(self) -> AgentPlace | None:
        """The agent, for the one who asks first."""
        place, self.place = self.place, None
        return place


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
            async with dialing.trunk.lines.lease(
                holder=dialing.campaign.name,
                deadline_seconds=LEASE_SECONDS,
                weight=dialing.campaign.definition.weight,
            ) as line:
                if in_flight.got_line(lead.lead_id) and _may_dial(dialing, stop):
                    await _dial(dialing, lead, line, in_flight, stop, hold)
                else:
                    _give_back(dialing, lead)
        except trio.Cancelled:
            _give_back(dialing, lead)
            raise
        finally:
            in_flight.settled(lead.lead_id)


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
        _give_back(dialing, lead)
        return
    asked_at = trio.current_time()
    try:
        attempt_id = await dialing.store.run(
            begin_attempt,
            lead=lead,
            node=dialing.node,
            trunk=dialing.trunk.name,
            line=line.number,
            now=dialing.clock.now(),
        )
    except StoreUnavailable:
        dialing.outcomes.put(NotDialed(lead=lead))
        return
    if isinstance(attempt_id, Blocked):
        log.info("lead blocked before dialing", action="lead.blocked", rule=attempt_id.rule)
        return
    call_id = CallId(f"a{attempt_id}")
    with structlog.contextvars.bound_contextvars(attempt=attempt_id, call=call_id):
        attempt = Attempt(dialing, lead.lead_id, line, in_flight, attempt_id, hold)
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
    )


class Attempt:
    """One attempt whose row is committed: from the INVITE to the closed row."""

    def __init__(
        self,
        dialing: Dialing,
        lead_id: int,
        line: Line,
        in_flight: CallsInFlight,
        attempt_id: int,
        hold: OwnerHold,
    ) -> None:
        self._dialing = dialing
        self._lead_id = lead_id
        self._line = line
        self._in_flight = in_flight
        self._attempt_id = attempt_id
        self._hold = hold
        self._campaign = dialing.campaign.name
        self._exemplar = call_exemplar(attempt_id)
        self._watch = LegWatch(line, on_dialog=self._note_dialog)
        self._started_at = trio.current_time()
        self._dialed = False
        self._number = ""
        self._sip_call_id = ""
        self._transfer: TransferRecord | None = None
        self._joined_at: float | None = None
        self._reserved: AgentPlace | None = None
        self._tried: set[AgentId] = set()
        self._offered_to: AgentId | None = None
        self._abandoned = False
        self._hears_comfort = False

    async def run(self, request: OriginateRequest) -> None:
        """Dial, and serve whoever answers; returns when the leg is over."""
        try:
            await self._line.originate(request)
        except TrunkUnavailable:
            return
        self._dialed = True
        self._number = request.destination.user
        self._dialing.metrics.originates.labels(self._campaign).inc()
        log.info("dialing", action="call.originate", line=self._line.number)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch.read)
            await self._watch.answered.wait()
            if self._watch.answered_at is not None:
                await self._serve(self._watch.answered_at)
            if not self._watch.ended.is_set():
                await self._line.hang_up()

    async def _serve(self, answered_at: float) -> None:
        """Find the answered person an agent inside the limit, or tell them who called."""
        log.info("answered", action="call.answered")
        metrics = self._dialing.metrics
        metrics.live_answers.labels(self._campaign).inc(exemplar=self._exemplar)
        metrics.ring_seconds.labels(self._campaign).observe(
            max(0.0, answered_at - self._started_at), self._exemplar
        )
        until = answered_at + self._dialing.wait_limit_seconds
        self._dialing.outcomes.put(
            AttemptAnswered(attempt_id=self._attempt_id, at=self._wall(answered_at))
        )
        while await self._offer(answered_at, until):
            pass
        self._judge(until)
        if self._abandoned and self._person_is_ours:
            await self._say_who_called()

    def _note_dialog(self, dialog: DialogId) -> None:
        self._sip_call_id = dialog.call_id
        self._dialing.outcomes.put(
            DialogSeen(
                attempt_id=self._attempt_id,
                sip_call_id=dialog.call_id,
                dialog=dialog_as_json(dialog),
            )
        )

    async def _offer(self, answered_at: float, until: float) -> bool:
        """Offer the person to one agent; True when another one may be tried."""
        if self._watch.ended.is_set() or trio.current_time() >= until:
            return False
        handed_over = False
        try:
            await self._reserve(until)
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
        self._in_flight.unanswered.discard(self._lead_id)
        self._in_flight.waiting.add(self._lead_id)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_at_end, nursery.cancel_scope)
            # Where an agent is ready this comes to nothing: the wait is over before it begins.
            nursery.start_soon(self._comfort)
            # Kept on self: a cancellation that comes now must not lose a reserved agent.
            self._reserved = await self._dialing.roster.reserve(
                self._dialing.campaign.campaign_id, until_seconds=until, but_not=self._tried
            )
            # In the same moment: the agent and the person are no longer counted, either of them.
            self._in_flight.settled(self._lead_id)
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

    async def _cancel_at_end(self, scope: trio.CancelScope) -> None:
        await self._watch.ended.wait()
        scope.cancel()

    async def _hand_over(self, place: AgentPlace, answered_at: float, until: float) -> bool:
        """REFER the person to one agent; True when the agent has them."""
        target = self._dialing.door.admit(place.target, DestinationKind.TRANSFER)
        if isinstance(target, Refused):
            log.error("agent's extension refused", action="transfer.refused", rule=target.rule)
            return False
        metrics = self._dialing.metrics
        if len(self._tried) > 1:
            metrics.transfer_retries.labels(self._campaign).inc(exemplar=self._exemplar)
        metrics.answer_to_refer_seconds.labels(self._campaign).observe(
            max(0.0, trio.current_time() - answered_at), self._exemplar
        )
        log.info("transferring", action="transfer.start", agent=place.agent)
        handover = Handover(
            on_change=partial(self._note_agent, answered_at),
            seen=self._dialing.feed.sees_phone(place.agent),
            number=self._number,
        )
        self._dialing.roster.follow(place, handover)
        result = await self._refer(target, until, handover)
        if result is None:
            return False
        joined_at = await self._joined(result, handover, until)
        late = self._abandoned or joined_at > until
        self._transfer = record_of(result, target=place.target, late=late)
        metrics.transfers.labels(self._campaign, self._transfer.outcome).inc(
            exemplar=self._exemplar
        )
        log.info("transfer over", action="transfer.end", result=self._transfer.outcome)
        if not self._transfer.agent_has_person:
            return False
        self._joined_at = joined_at if joined_at < NEVER else None
        self._dialing.roster.joined(place)
        self._dialing.feed.handed_over(place.agent, handle_seconds=place.handle_seconds)
        if self._joined_at is not None:
            metrics.answer_to_agent_seconds.labels(self._campaign).observe(
                max(0.0, joined_at - answered_at), self._exemplar
            )
        return True

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

    def _note_agent(self, answered_at: float, handover: Handover) -> None:
        """The feed has seen something of the agent's phone; also after our own leg is over."""
        times = (handover.rang_at, handover.answered_at)
        rang_at, agent_at = (None if at is None else self._wall(at) for at in times)
        if handover.rang_at is not None and handover.answered_at is None:
            self._dialing.metrics.answer_to_ring_seconds.labels(self._campaign).observe(
                max(0.0, handover.rang_at - answered_at), self._exemplar
            )
        self._dialing.outcomes.put(
            AgentTimes(
                attempt_id=self._attempt_id,
                rang_at=rang_at,
                answered_at=agent_at,
                talk_seconds=handover.talk_seconds,
            )
        )

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
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._end_at_limit, limit, handover, nursery.cancel_scope)
                result = await self._line.blind_transfer(target, timeout_seconds=TRANSFER_SECONDS)
                nursery.cancel_scope.cancel()
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
    def _person_is_ours(self) -> bool:
        taken = self._transfer is not None and self._transfer.person_with is PersonWith.PBX
        return not taken and not self._watch.ended.is_set()

    def _judge(self, until: float) -> None:
        """Abandoned: a live answer that no agent had within the limit (16 CFR 310.4(b)(1)(iv)).

        Somebody who hangs up by themselves inside the limit was not abandoned.
        """
        end = self._watch.end
        if self._abandoned:
            return
        settled_at = self._joined_at
        if settled_at is None and end is not None and self._transfer is None:
            settled_at = end.at_seconds
        if settled_at is None or settled_at > until:
            self._abandon()

    async def _end_at_limit(
        self, at_seconds: float, handover: Handover, transfer: trio.CancelScope
    ) -> None:
        """Abandon the person whom no agent has; end the wait for a transfer that is decided.

        It is when an agent was seen picking up, and when the trunk is lost.
        """
        await trio.sleep_until(at_seconds)
        if handover.joined_at is None:
            self._abandon()
            trunk = self._dialing.trunk
            health = trunk.health
            while health.status is not TrunkStatus.UNREACHABLE:
                health = await trunk.wait_health_change(health)
        transfer.cancel()

    def _abandon(self) -> None:
        self._abandoned = True
        self._in_flight.abandoned.add(self._lead_id)
        self._dialing.metrics.abandoned.labels(self._campaign).inc(exemplar=self._exemplar)
        log.warning("abandoned", action="call.abandoned")

    async def _say_who_called(self) -> None:
        """The campaign's message, until it is over or the person hangs up."""
        message = self._dialing.campaign.definition.abandon_message
        if message is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_at_end, nursery.cancel_scope)
            try:
                await self._line.play(message)
            except BadInput as error:
                # It was good when the campaign was loaded: somebody changed the file since.
                log.warning("message not played", action="message.unplayable", why=str(error))
            except IllegalTransition:
                log.info("hung up before the message", action="message.unheard")
            nursery.cancel_scope.cancel()

    def _wall(self, at_seconds: float) -> datetime:
        """A moment on trio's clock as time of day."""
        return self._dialing.clock.now() - timedelta(seconds=trio.current_time() - at_seconds)

    async def close(self) -> None:
        """End the leg if it still lives, and have the row closed; call it shielded."""
        if self._dialed and self._watch.end is None:
            await self._line.hang_up()
            with trio.move_on_after(HANG_UP_SECONDS):
                await self._watch.read()
        self._count_end()
        self._dialing.outcomes.put(self._closed(), settled=self._settled)

    def _count_end(self) -> None:
        end, metrics = self._watch.end, self._dialing.metrics
        if (progress_at := self._watch.progress_at) is not None:
            metrics.setup_seconds.labels(self._campaign).observe(
                max(0.0, progress_at - self._started_at), self._exemplar
            )
        if end is not None:
            log.info(
                "call over",
                action="call.ended",
                cause=end.cause,
                sip_status=end.sip_status,
                sip_call_id=self._sip_call_id,
            )
            metrics.ended.labels(self._campaign, end.cause).inc(exemplar=self._exemplar)
            answered = self._watch.answered_at is not None
            seen = response_class(200 if answered else end.sip_status)
            metrics.responses.labels(self._campaign, seen).inc(exemplar=self._exemplar)

    def _settled(self, disposition: Disposition) -> None:
        """The row is closed; this runs in the task that writes."""
        self._in_flight.written(self._lead_id)
        self._dialing.metrics.dispositions.labels(self._campaign, disposition).inc(
            exemplar=self._exemplar
        )
        log.info(
            "attempt closed",
            action="attempt.closed",
            campaign=self._campaign,
            lead=self._lead_id,
            attempt=self._attempt_id,
            call=f"a{self._attempt_id}",
            disposition=disposition,
        )

    def _closed(self) -> AttemptClosed:
        end, answered_at, transfer = self._watch.end, self._watch.answered_at, self._transfer
        joined_at = self._joined_at
        return AttemptClosed(
            attempt_id=self._attempt_id,
            # A row whose INVITE never left has no doubt about it: nobody's phone rang.
            cause=end.cause if end else None if self._dialed else DisconnectCause.HUNG_UP,
            sip_status=end.sip_status if end else None,
            q850_cause=end.q850_cause if end else None,
            ring_seconds=None if answered_at is None else answered_at - self._started_at,
            wait_seconds=None
            if joined_at is None or answered_at is None
            else joined_at - answered_at,
            transfer_result=transfer.outcome if transfer else None,
            transfer_target=transfer.target if transfer else None,
            transfer_sip_status=transfer.sip_status if transfer else None,
            answered_at=None if answered_at is None else self._wall(answered_at),
            transferred_at=None if joined_at is None else self._wall(joined_at),
            ended_at=self._wall(end.at_seconds) if end else self._dialing.clock.now(),
            abandoned=self._abandoned,
            agent=self._offered_to,
        )
