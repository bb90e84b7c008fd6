"""Who gets the person: agents with their states, by priority and then the longest ready first.

`Roster` holds every agent of every campaign once, so that two campaigns that share an agent
can never offer them two people. It walks `acd.agents.AGENT_TRANSITIONS` and nothing else,
whatever a feed has seen.
A queue of the PBX stands here as so many places ("sales#1", "sales#2", …), each of which
takes one person at a time. Where a feed sees the queue, no more of them are ready than it has
members for (`acd.dialer.queue_gate`).
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from acd.agents import AgentId, AgentState, AgentUpdate, Phone, QueueSeen, steps
from acd.dialer.crews import WITH_A_PERSON, Crews, Seat
from acd.dialer.handover import Handover
from acd.dialer.no_answers import NoAnswers, PickUp
from acd.dialer.places import AgentPlace, EnrolledAgent, Needs, serving
from acd.dialer.queue_persons import QueuePersons
from acd.dialer.sharing import Sharing
from acd.dialer.wrap_ups import WrapUps
from acd.rules.agent_states import RESTING, resting_steps
from acd.store.agents import Teller

Moved = Callable[[EnrolledAgent, AgentState, Teller], None]
"""Told each state that an agent of SQL comes into."""
Benched = Callable[[EnrolledAgent], None]
"""Told an agent of SQL whose phone was not picked up too often."""


@dataclass(slots=True, eq=False)
class _Waiting:
    campaign_id: int
    but_not: Collection[AgentId]
    on_given: Callable[[], None]
    priority: int
    place: AgentPlace | None = None
    given: trio.Event = field(default_factory=trio.Event)

    def may_have(self, seat: Seat) -> bool:
        """Whether this person could be given to that agent."""
        return self.campaign_id in seat.places and seat.agent not in self.but_not


class Roster:
    """Every agent's state, and the people who wait for one; times are trio's clock.

    Args:
        moved: told every change of an agent whom SQL knows.
        state_of: the feed's word about an agent who takes a seat.
        benched: told an agent whom SQL is to have not ready.
    """

    def __init__(
        self,
        moved: Moved | None = None,
        state_of: Callable[[AgentId], AgentState] = lambda _: AgentState.READY,
        benched: Benched = lambda _: None,
    ) -> None:
        self._state_of = state_of
        self._seats: dict[AgentId, Seat] = {}
        self._crews = Crews()
        self.sharing = Sharing(self._crews)
        self._needs: dict[int, Needs] = {}
        self._enrolled: dict[AgentId, EnrolledAgent] = {}
        self._waiting: list[_Waiting] = []
        self._changed: trio.Event | None = None
        """There while somebody waits for it."""
        self._wakes: dict[int, Callable[[], None]] = {}
        self._moved = moved
        self._benched = benched
        self._no_answers = NoAnswers()
        self._persons = QueuePersons()
        self._wrap_ups = WrapUps()

    def enrol(self, agents: Iterable[EnrolledAgent]) -> None:
        """The agents whom SQL knows, all of them; what was asked of them takes effect now."""
        self._enrolled = {agent.agent: agent for agent in agents}
        self._reseat()

    def seat(self, campaign_id: int, needs: Needs | Iterable[AgentPlace]) -> None:
        """Let these agents, those whom SQL assigns, and no others, serve a campaign.

        Agents without any campaign left are forgotten, those with a person once they are done.
        """
        self._needs[campaign_id] = needs if isinstance(needs, Needs) else Needs(places=tuple(needs))
        self._reseat()

    def _reseat(self) -> None:
        """Put everybody where campaigns and SQL want them.

        Whoever only campaign.toml names is what the feed says; of others nobody is ready who was
        asked to be something else.
        """
        for seat in self._seats.values():
            seat.places = {}
        for campaign_id, needs in self._needs.items():
            for agent, place in serving(campaign_id, needs, self._enrolled.values()).items():
                seat = self._seats.get(agent) or self._sit_down(agent)
                seat.places[campaign_id], seat.queue = place, place.queue
                known = self._enrolled.get(agent)
                seat.priority = 0 if known is None else known.priority
        self._crews.regroup(self._seats.values())
        for seat in list(self._seats.values()):
            self._follow_wishes(seat)
            self._forget_unneeded(seat)
        self._notice()

    def _sit_down(self, agent: AgentId) -> Seat:
        seat = Seat(agent, self._state_of(agent), trio.current_time())
        self._seats[agent] = seat
        self._crews.sit_down(seat)
        return seat

    def _follow_wishes(self, seat: Seat) -> None:
        """Do what a person has newly asked of an agent, unless there is somebody with them."""
        before, now = seat.enrolled, self._enrolled.get(seat.agent)
        seat.enrolled = now
        if now is None or _is_known(now, before):
            return
        seat.benched = False
        if before is not None and now.was_asked(before) and self.wraps_up_until(seat.agent):
            self._wrap_up_over(seat)
        elif before is None and self._resume_wrap_up(seat, now.wraps_up_until):
            return
        elif (before is None and seat.state not in WITH_A_PERSON) or seat.state in RESTING:
            if seat.state is not now.wanted:
                self._crews.move(seat, now.wanted, now_seconds=trio.current_time())
            # The command itself has written the steps on the way.
            self._tell(seat, Teller.COMMAND)
            self._move(seat, self._state_of(seat.agent), Teller.FEED)
        if seat.state is AgentState.READY:
            self._hand_out(seat)

    def _forget_unneeded(self, seat: Seat) -> None:
        if seat.places or seat.state in WITH_A_PERSON or self.wraps_up_until(seat.agent):
            return
        if seat.agent in self._seats:
            del self._seats[seat.agent]
            self._crews.leave(seat)

    def unseat(self, campaign_id: int) -> None:
        """The campaign is over."""
        self._needs.pop(campaign_id, None)
        self.sharing.forget(campaign_id)
        self._wakes.pop(campaign_id, None)
        self._reseat()

    def ready(self, campaign_id: int) -> int:
        """How many agents could take a person of this campaign now."""
        return self._crews.ready(campaign_id)

    def staffed(self, campaign_id: int) -> bool:
        """Whether the campaign has any agent at work, ready or busy."""
        return self._crews.staffed(campaign_id)

    def tell_changes(self, campaign_id: int, wake: Callable[[], None]) -> None:
        """Call this at every change of any agent's state, until `unseat`."""
        self._wakes[campaign_id] = wake

    def ready_names(self, campaign_id: int) -> frozenset[str]:
        """What the agents are called who could take one: extensions, and names that SQL knows."""
        ready = list(self._crews.ready_seats(campaign_id))
        names = {seat.enrolled.name for seat in ready if seat.enrolled is not None}
        return frozenset(names | {seat.agent for seat in ready})

    def states(self) -> Counter[AgentState]:
        """Agents by state; places of a queue that has no member for them are not ready."""
        return self._crews.states()

    def apply(self, update: AgentUpdate) -> None:
        """Take a feed's word for one agent.

        Whatever it sees is walked to along the agent table. An agent who is reserved stays so
        until `joined` or `give_back`, which then go by the feed's last word. An agent of whom a
        person has asked something else is not ready again after a call.
        """
        if update.person is not None:
            now = trio.current_time()
            self._persons.take(update.agent, update.person, now_seconds=now)
            return
        if update.queue is not None:
            self._apply_queue(update.agent, update.queue)
            return
        seat = self._seats.get(update.agent)
        if seat is None:
            return
        if seat.handover is not None and update.phone is not None:
            seat.handover.take(update.phone, trio.current_time())
        if update.phone is Phone.IN_USE:
            self._no_answers.taken(seat.agent)
        if seat.enrolled is None and update.phone in (Phone.IN_USE, Phone.UNAVAILABLE):
            # Somebody phones, or has plugged the phone in anew: no command could say so.
            seat.benched = False
        if seat.state is AgentState.RESERVED:
            ended = seat.told is AgentState.ON_CALL and update.state is not AgentState.ON_CALL
            seat.call_over = seat.call_over or ended
            seat.told = update.state
        elif self.wraps_up_until(seat.agent):
            self._take_in_wrap_up(seat, update)
        elif seat.state is not AgentState.ON_CALL or update.phone is not Phone.RINGING:
            # With a ring tone the PBX reports an answer while the phone still rings.
            if update.phone in (None, Phone.UNKNOWN):
                self._move(seat, update.state, Teller.FEED)
            else:
                self._end_call(seat, update.state)

    def _end_call(self, seat: Seat, state: AgentState) -> None:
        """A feed sees an agent in another state; after a person their time to write comes first."""
        over = seat.state is AgentState.ON_CALL and state is not AgentState.ON_CALL
        if not over or not seat.wrap_up_seconds:
            self._move(seat, state, Teller.FEED)
            return
        until = trio.current_time() + seat.wrap_up_seconds
        seat.wrap_up_seconds = 0.0
        self._wrap_ups.begin(seat.agent, until_seconds=until)
        self._move(seat, AgentState.WRAP_UP, Teller.FEED)
        seat.told = state

    def _take_in_wrap_up(self, seat: Seat, update: AgentUpdate) -> None:
        """Nothing ends it but its time or the agent; a call of theirs stops the clock."""
        if update.state is AgentState.ON_CALL:
            seat.wrap_up_seconds = self._wrap_ups.end(seat.agent)
            self._move(seat, AgentState.ON_CALL, Teller.FEED)
            return
        seat.told = update.state
        if update.wrapped_up:
            self._wrap_up_over(seat)

    def _wrap_up_over(self, seat: Seat) -> None:
        self._wrap_ups.end(seat.agent)
        self._move(seat, seat.told or AgentState.READY, Teller.ENGINE)

    def _resume_wrap_up(self, seat: Seat, until_seconds: float) -> bool:
        """Go on with what an engine before this one began; False: it is over."""
        if seat.state in WITH_A_PERSON or until_seconds <= trio.current_time():
            return False
        self._crews.move(seat, AgentState.WRAP_UP, now_seconds=trio.current_time())
        self._wrap_ups.begin(seat.agent, until_seconds=until_seconds)
        state = self._state_of(seat.agent)
        self._take_in_wrap_up(seat, AgentUpdate(agent=seat.agent, state=state))
        return True

    def wraps_up_until(self, agent: AgentId) -> float | None:
        """When an agent's wrap-up time is over; None: it does not run."""
        return self._wrap_ups.until(agent)

    async def end_wrap_ups(self) -> None:
        """For ever: let go on whose wrap-up time is over."""
        while True:
            self._wrap_up_over(self._seats[await self._wrap_ups.wait_due()])

    def _apply_queue(self, queue: str, seen: QueueSeen) -> None:
        """Take a feed's word for one queue: its places whose people are gone are ready again."""
        gate = self._crews.see(queue, seen)
        if seen.persons is None:
            self._persons.lost(queue, now_seconds=trio.current_time())
        for seat in gate.over(self._crews.on_call(queue), now_seconds=trio.current_time()):
            self._move(seat, AgentState.READY, Teller.FEED)
        if self._waiting:
            for seat in self._crews.ready_places(queue):
                self._hand_out(seat)
        self._notice()

    @contextmanager
    def entering(self, queue: str) -> Iterator[bool]:
        """Count a person on the way into a queue of which they have no place.

        Yields False where a feed sees that it has no member for them; True also where none sees it.
        """
        if not self._crews.enter(queue):
            yield False
            return
        try:
            yield True
        finally:
            self._crews.entered(queue)
            for seat in self._crews.ready_places(queue):
                self._hand_out(seat)
            self._notice()

    def _move(self, seat: Seat, state: AgentState, told_by: Teller) -> None:
        wanted = seat.wanted
        if state is AgentState.READY and seat.state in RESTING:
            state = wanted
        if seat.state is state:
            return
        now = trio.current_time()
        for step in steps(seat.state, state):
            self._go(seat, step, told_by, now)
        if state is AgentState.READY:
            for step in resting_steps(seat.state, wanted):
                self._go(seat, step, Teller.ENGINE if seat.benched else Teller.COMMAND, now)
        seat.told, seat.call_over = None, False
        if seat.state is AgentState.READY:
            # The person whom it was for never came.
            seat.wrap_up_seconds = 0.0
        self._forget_unneeded(seat)
        if seat.state is AgentState.READY and seat.places:
            self._hand_out(seat)
        self._notice()

    def _go(self, seat: Seat, state: AgentState, told_by: Teller, now_seconds: float) -> None:
        seat.confirmed = False
        self._crews.move(seat, state, now_seconds=now_seconds)
        self._tell(seat, told_by)

    def _tell(self, seat: Seat, told_by: Teller) -> None:
        if seat.enrolled is not None and self._moved is not None:
            self._moved(seat.enrolled, seat.state, told_by)

    def reserve_now(
        self, campaign_id: int, *, but_not: Collection[AgentId] = frozenset()
    ) -> AgentPlace | None:
        """Whose turn it is, reserved; None when nobody is ready.

        Whoever the calls under way can spare goes before an agent whom one of them needs.
        """
        seat = self._crews.longest_ready(campaign_id, but_not, needs=self.sharing.needs())
        return None if seat is None else self._reserve(seat, campaign_id)

    async def reserve(
        self,
        campaign_id: int,
        *,
        until_seconds: float,
        but_not: Collection[AgentId] = frozenset(),
        priority: int = 0,
        on_given: Callable[[], None] = lambda: None,
    ) -> AgentPlace | None:
        """Of the agents of the highest priority who has been ready longest, reserved.

        None when nobody came in time. Of people who wait the highest priority goes first, too.

        Args:
            campaign_id: whose person it is.
            until_seconds: moment on trio's clock at which the person is given up.
            but_not: agents whom this person could not be given to.
            priority: the person's.
            on_given: called in the moment in which an agent is reserved, before anybody else
                could count the two.
        """
        place = self.reserve_now(campaign_id, but_not=but_not)
        if place is not None:
            on_given()
            return place
        waiting = _Waiting(campaign_id, but_not, on_given, priority)
        # Behind those of the same priority who came before.
        insort(self._waiting, waiting, key=lambda one: -one.priority)
        try:
            with trio.move_on_at(until_seconds):
                await waiting.given.wait()
        except trio.Cancelled:
            if waiting.place is not None:
                self.give_back(waiting.place)
            raise
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
        return waiting.place

    def reserve_agent(self, campaign_id: int, name: str) -> AgentPlace | None:
        """One agent by name or extension, reserved.

        None when they are not ready just now, or a call of another campaign has nobody else.
        """
        others = {**self.sharing.needs(), campaign_id: 0}
        for seat in self._crews.ready_seats(campaign_id):
            if name == seat.agent or (seat.enrolled is not None and name == seat.enrolled.name):
                spare = self._crews.can_spare(seat, others)
                return self._reserve(seat, campaign_id) if spare else None
        return None

    def serves(self, campaign_id: int, agent: AgentId) -> bool:
        """Whether an agent has a place in a campaign, whatever they do."""
        return agent in self._seats and campaign_id in self._seats[agent].places

    def may_be_called(self, place: AgentPlace) -> bool:
        """Whether a reserved agent still wants to be ready, as far as they and a feed tell."""
        seat = self._seats[place.agent]
        there = seat.told in (None, AgentState.READY)
        return there and seat.wanted is AgentState.READY

    async def wait_unwilling(self, campaign_id: int, agent: AgentId) -> None:
        """Wait until a reserved agent was asked to be something else, or serves it no more."""
        while self.serves(campaign_id, agent) and self._seats[agent].wanted is AgentState.READY:
            await self.wait_change()

    def follow(self, place: AgentPlace, handover: Handover) -> None:
        """Tell what the phone of a reserved agent does, until it is over or the next person's."""
        self._seats[place.agent].handover = handover
        self.follow_person(handover)

    def follow_person(self, handover: Handover) -> None:
        """Tell what the members of queues do for a person, as far as a feed sees queues."""
        if self._crews.sees_queue(handover.queue):
            self._persons.follow(handover, now_seconds=trio.current_time())

    def picked_up(self, place: AgentPlace, seen: PickUp, *, limit: int) -> bool:
        """Note whether an agent took a person; True when they are not ready from now on.

        Call it before `give_back` or `joined`. `limit` is the campaign's. A queue that the PBX does
        not know is not ready with all its places; otherwise they are nobody's phone.
        """
        who = AgentId(place.queue or place.agent)
        if seen is PickUp.TAKEN:
            self._no_answers.taken(who)
        counts = seen is PickUp.NOBODY_THERE or (seen is PickUp.MISSED and not place.queue)
        if not counts or not self._no_answers.missed(who, limit=limit):
            return False
        for seat in self._places_of(place):
            self._bench(seat)
        return True

    def _places_of(self, place: AgentPlace) -> list[Seat]:
        if not place.queue:
            return [self._seats[place.agent]]
        return [seat for seat in self._seats.values() if seat.queue == place.queue]

    def _bench(self, seat: Seat) -> None:
        seat.benched = True
        if seat.enrolled is not None:
            self._benched(seat.enrolled)
        if seat.state is AgentState.READY:
            self._go(seat, AgentState.NOT_READY, Teller.ENGINE, trio.current_time())
            self._notice()

    def give_back(self, place: AgentPlace) -> None:
        """The person was lost before the agent had them."""
        seat = self._seats[place.agent]
        if seat.handover is not None and not seat.handover.sent_on:
            self._persons.drop(seat.handover)
        seat.handover = None
        self._move(seat, seat.told or AgentState.READY, Teller.ENGINE)

    def joined(self, place: AgentPlace) -> None:
        """The agent has the person; what comes next is the feed's word."""
        seat = self._seats[place.agent]
        after = seat.told if seat.call_over else None
        if not place.queue and seat.handover is not None and seat.handover.picked_up_at is not None:
            self._persons.drop(seat.handover)
        self._move(seat, AgentState.ON_CALL, Teller.ENGINE)
        if (gate := self._crews.gate(seat.queue)) is not None:
            gate.confirm(self._crews.on_call(seat.queue))
        if after is not None:
            self._end_call(seat, after)

    async def wait_change(self) -> None:
        """Wait until some agent's state changes."""
        if self._changed is None:
            self._changed = trio.Event()
        await self._changed.wait()

    def _reserve(self, seat: Seat, campaign_id: int) -> AgentPlace:
        self._go(seat, AgentState.RESERVED, Teller.ENGINE, trio.current_time())
        place = seat.places[campaign_id]
        seat.handover, seat.wrap_up_seconds = None, place.wrap_up_seconds
        self._notice()
        return place

    def _hand_out(self, seat: Seat) -> None:
        if not self._waiting or not self._crews.has_room(seat):
            return
        for waiting in self._waiting:
            if waiting.may_have(seat):
                self._waiting.remove(waiting)
                waiting.on_given()
                waiting.place = self._reserve(seat, waiting.campaign_id)
                waiting.given.set()
                return

    def _notice(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()
        for wake in self._wakes.values():
            wake()


def _is_known(now: EnrolledAgent, before: EnrolledAgent | None) -> bool:
    """Whether nothing was changed; a phone that changes hands is another agent's."""
    return before is not None and (now.name, now.version) == (before.name, before.version)
