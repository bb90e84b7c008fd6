"""One person who has answered, from the 2xx to an agent, to the message or to their hanging up.

    answer ─▶ agent reserved ─▶ REFER ─▶ NOTIFY ─▶ the agent has them
                │        ▲        │
                │        └ refused┘
                └ nobody in time ─▶ overflow, or abandoned: who called is said

`acd.dialer.attempts` dials before that, and closes the attempt's row after it.
"""

from __future__ import annotations

from functools import partial
from math import inf

import structlog
import trio

from acd.agents import AgentId, queue_of_place
from acd.dialer.attempt_books import AttemptBooks
from acd.dialer.dialing import CallsInFlight, Dialing, OwnerHold
from acd.dialer.handover import Handover
from acd.dialer.no_answers import PickUp, judge_pick_up
from acd.dialer.overflow import Overflow
from acd.dialer.person import LegWatch
from acd.dialer.places import AgentPlace
from acd.errors import BadInput, IllegalTransition
from acd.lines import (
    Destination,
    DestinationKind,
    Line,
    PersonWith,
    Refused,
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    TransferUnconfirmed,
    TransferWait,
    TrunkStatus,
)
from acd.lines.records import TransferRecord, record_of
from acd.rules.dispositions import TransferOutcome
from acd.store.leads import ClaimedLead

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CALL_IS_GONE = 481
"""RFC 3261 21.4.19: the dialog was over before the REFER; its end is on its way to us."""
NOTIFY_GRACE_SECONDS = 0.5
"""How long a NOTIFY that came in time may take through our own queues."""
TRUNK_LOOK_SECONDS = 0.5
"""How often it is looked whether the PBX lives, while its word on a late transfer is waited for."""
NEVER = inf
TRANSFER_SECONDS = 60.0
"""From REFER to the final NOTIFY; Asterisk itself gives up after 60 s (docs/traps.md)."""


class Serving:
    """What is done for one person, and what has become of it."""

    def __init__(
        self,
        dialing: Dialing,
        lead: ClaimedLead,
        line: Line,
        in_flight: CallsInFlight,
        hold: OwnerHold,
        *,
        books: AttemptBooks,
        watch: LegWatch,
    ) -> None:
        self._dialing = dialing
        self._lead_id = lead.lead_id
        self._waits_before = lead.waits_before
        self._line = line
        self._in_flight = in_flight
        self._hold = hold
        self._campaign = dialing.campaign.name
        self._books = books
        self._watch = watch
        self._number = ""
        self.transfer: TransferRecord | None = None
        """The last one."""
        self.referred_at: float | None = None
        self.joined_at: float | None = None
        """When an agent had the person."""
        self.abandoned = False
        self._unconfirmed_at: float | None = None
        self._reserved: AgentPlace | None = None
        self._tried: set[AgentId] = set()
        self._offered_to: AgentId | None = None
        self._handover: Handover | None = None
        self._hears_comfort = False

    @property
    def agent(self) -> AgentId | None:
        """Who has the person, or was offered them last."""
        return (self._handover and self._handover.agent) or self._offered_to

    async def serve(self, answered_at: float, number: str) -> None:
        """Find the answered person an agent inside the limit, or tell them who called.

        Args:
            answered_at: when the person answered.
            number: whom we called.
        """
        self._number = number
        until = answered_at + self._dialing.wait_limit_seconds
        overflow = Overflow.of(self._dialing.campaign.definition)
        while await self._offer(answered_at, until, own_until=overflow.own_until(until)):
            pass
        if overflow.target and await self._overflow(overflow.target, answered_at, until):
            while await self._offer(answered_at, until, own_until=until):
                pass
        self._judge(until)
        if self.abandoned and self._person_is_ours:
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
            metrics.transfer_retries.labels(self._campaign).inc(exemplar=self._books.exemplar)
        handover = self._begin_handover(answered_at, place.agent, queue=place.queue)
        self._dialing.roster.follow(place, handover)
        result = await self._transfer_to(place.target, handover, answered_at, until)
        if result is None or self.transfer is None:
            return False
        late = self.abandoned or self.transfer.outcome is TransferOutcome.WITH_PBX
        self._judge_agent(place, judge_pick_up(result, handover, late=late))
        if not self.transfer.agent_has_person or handover.sent_on:
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
        if self.transfer is not None and self.transfer.target == target:
            result = self.transfer.outcome
            self._dialing.metrics.overflows.labels(self._campaign, result).inc(
                exemplar=self._books.exemplar
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
        self.referred_at = trio.current_time()
        self._books.series.answer_to_refer_seconds.observe(
            max(0.0, self.referred_at - answered_at), self._books.exemplar
        )
        self._books.log.info("transferring", action="transfer.start", agent=self._offered_to)
        try:
            result = await self._refer(target, until, handover)
            if isinstance(result, TransferUnconfirmed):
                self._unconfirmed_at = result.at_seconds
                result = await self._settle(result, handover)
            if result is None:
                return None
            result, joined_at = await self._joined(result, handover, until)
        except trio.Cancelled:
            # A PBX that has taken the REFER goes on with the person without us.
            unconfirmed = TransferUnconfirmed(at_seconds=trio.current_time())
            self.transfer = record_of(unconfirmed, target=name, late=self.abandoned)
            raise
        late = self.abandoned or joined_at > until
        self.transfer = record_of(result, target=name, late=late, missed=handover.missed)
        series = self._books.series.transfers[self.transfer.outcome]
        series.inc(exemplar=self._books.exemplar)
        self._books.log.info("transfer over", action="transfer.end", result=self.transfer.outcome)
        if self.transfer.agent_has_person and joined_at < NEVER:
            self.joined_at = joined_at
            self._books.joined(joined_at - answered_at)
        return result

    def _judge_agent(self, place: AgentPlace, seen: PickUp) -> None:
        """Have an agent not ready whose phone is not picked up again and again.

        A queue that the PBX does not know counts once a person, whichever places were tried.
        """
        if seen is PickUp.NOBODY_THERE and self._offers_of(place.queue) > 1:
            return
        limit = self._dialing.campaign.definition.agents.no_answer_limit
        if self._dialing.roster.picked_up(place, seen, limit=limit):
            who = place.queue or place.agent
            self._dialing.metrics.agents_benched.labels(self._campaign).inc()
            log.warning("agent not ready", action="agent.benched", agent=who, limit=limit)

    def _offers_of(self, queue: str) -> int:
        return sum(queue != "" and queue_of_place(agent) == queue for agent in self._tried)

    async def _joined(
        self, result: TransferResult, handover: Handover, until: float
    ) -> tuple[TransferResult, float]:
        """What became of the transfer, and when, by whoever tells the truth.

        `NEVER`: no agent answered inside the limit. Of a person who was seen to hang up while
        they were on the way nothing else is known than of one whose BYE came then.
        """
        answered_at: float | None = result.at_seconds
        limit = until + NOTIFY_GRACE_SECONDS
        match result:
            case TransferAnswered(at_seconds=told_at):
                answered_at = await handover.wait_answer(told_at=told_at, until_seconds=limit)
            case TransferFailed(at_seconds=told_at, person_with=PersonWith.PBX):
                await handover.wait_hang_up(told_at=told_at, until_seconds=limit)
        gone_at = handover.hung_up_at
        if gone_at is not None and handover.picked_up_at is None:
            self._unconfirmed_at = gone_at
            return TransferUnconfirmed(at_seconds=gone_at), gone_at
        if answered_at is None and not self.abandoned:
            self.abandon()
        return result, NEVER if answered_at is None else answered_at

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
        try:
            transfer = self._line.blind_transfer(target, timeout_seconds=TRANSFER_SECONDS)
        except IllegalTransition:
            await self._watch.ended.wait()
            return None
        result = await self._wait_decided(transfer, until + NOTIFY_GRACE_SECONDS, handover)
        gone = isinstance(result, TransferRefused) and result.sip_status == CALL_IS_GONE
        if gone:
            await self._watch.ended.wait()
            return None
        if handover.joined_at is not None and not isinstance(result, TransferAnswered):
            return TransferAnswered(at_seconds=handover.joined_at)
        return result

    async def _wait_decided(
        self, transfer: TransferWait, limit: float, handover: Handover
    ) -> TransferResult:
        """The transfer's result, or what it stays once the limit has decided it."""
        look_at = limit
        while True:
            with trio.CancelScope(deadline=look_at):
                return await transfer()
            if self._watch.end is None and self._passed_limit_decides(handover):
                return TransferTimedOut(at_seconds=limit, person_with=PersonWith.PBX)
            look_at = trio.current_time() + TRUNK_LOOK_SECONDS

    @property
    def _pbx_has_person(self) -> bool:
        return self.transfer is not None and self.transfer.person_with is PersonWith.PBX

    @property
    def _person_is_ours(self) -> bool:
        return not self._pbx_has_person and not self._watch.ended.is_set()

    def _judge(self, until: float) -> None:
        """Abandoned: a live answer that no agent had within the limit (16 CFR 310.4(b)(1)(iv)).

        Somebody who hangs up by themselves inside the limit was not abandoned.
        """
        end = self._watch.end
        if self.abandoned:
            return
        settled_at = self._unconfirmed_at if self.joined_at is None else self.joined_at
        if settled_at is None and end is not None and not self._pbx_has_person:
            settled_at = end.at_seconds
        if settled_at is None or settled_at > until:
            self.abandon()

    def _passed_limit_decides(self, handover: Handover) -> bool:
        """At the limit, and every while after it: whether the transfer needs no more waiting for.

        It does not when an agent was seen picking up. Then, should the trunk be lost, neither.
        """
        if not self.abandoned and handover.joined_at is not None:
            return True
        if not self.abandoned:
            self.abandon()
        return self._dialing.trunk.health.status is TrunkStatus.UNREACHABLE

    def cut_short(self) -> None:
        """We are about to hang up, whoever has the person; nobody has whom no agent was found."""
        if not self.abandoned and self.joined_at is None and self._person_is_ours:
            self.abandon()

    def abandon(self) -> None:
        """No agent had them inside the limit: the ledger knows it from now on."""
        self.abandoned = True
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
