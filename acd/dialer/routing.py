"""Who gets the person: agents with their states, the longest ready first.

`Roster` holds every agent of every campaign once, so that two campaigns that share an agent
can never offer them two people. It walks `acd.agents.AGENT_TRANSITIONS` and nothing else,
whatever a feed has seen.
A queue of the PBX stands here as so many places ("sales#1", "sales#2", …), each of which
takes one person at a time. Where a feed sees the queue, no more of them are ready than it has
members for (`acd.dialer.queue_gate`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

import trio

from acd.agents import AgentId, AgentState, AgentUpdate, Phone, QueueSeen, steps
from acd.dialer.handover import Handover
from acd.dialer.places import AgentPlace, EnrolledAgent, Needs, serving
from acd.dialer.queue_gate import QueueGate
from acd.dialer.queue_persons import QueuePersons
from acd.rules.agent_states import RESTING, resting_steps
from acd.store.agents import Teller

Moved = Callable[[EnrolledAgent, AgentState, Teller], None]
"""Told each state that an agent of SQL comes into."""

AT_WORK = frozenset({AgentState.READY, AgentState.RESERVED, AgentState.ON_CALL, AgentState.WRAP_UP})
_WITH_A_PERSON = frozenset({AgentState.RESERVED, AgentState.ON_CALL})


@dataclass(slots=True)
class _Seat:
    agent: AgentId
    state: AgentState
    since_seconds: float
    places: dict[int, AgentPlace] = field(default_factory=dict)
    """The place by campaign: each states its own handle time."""
    enrolled: EnrolledAgent | None = None
    told: AgentState | None = None
    """The feed's last word since the agent was reserved."""
    call_over: bool = False
    """While reserved, the feed has seen a call, and its end."""
    handover: Handover | None = None
    """Told what the phone does with the present person."""
    queue: str = ""
    """Of which it is a place."""
    confirmed: bool = False
    """While on a call, the queue was seen to have as many people as it has such places."""


@dataclass(slots=True)
class _Waiting:
    campaign_id: int
    but_not: Collection[AgentId]
    place: AgentPlace | None = None
    given: trio.Event = field(default_factory=trio.Event)

    def may_have(self, seat: _Seat) -> bool:
        """Whether this person could be given to that agent."""
        return self.campaign_id in seat.places and seat.agent not in self.but_not


class Roster:
    """Every agent's state, and the people who wait for one; times are trio's clock.

    Args:
        moved: told every change of an agent whom SQL knows.
        state_of: the feed's word about an agent who takes a seat.
    """

    def __init__(
        self,
        moved: Moved | None = None,
        state_of: Callable[[AgentId], AgentState] = lambda _: AgentState.READY,
    ) -> None:
        self._state_of = state_of
        self._seats: dict[AgentId, _Seat] = {}
        self._needs: dict[int, Needs] = {}
        self._enrolled: dict[AgentId, EnrolledAgent] = {}
        self._waiting: list[_Waiting] = []
        self._spoken_for: dict[int, Callable[[], int]] = {}
        self._changed = trio.Event()
        self._moved = moved
        self._gates: dict[str, QueueGate] = {}
        self._persons = QueuePersons()

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
                if agent not in self._seats:
                    state = self._state_of(agent)
                    self._seats[agent] = _Seat(agent, state, trio.current_time())
                self._seats[agent].places[campaign_id] = place
                self._seats[agent].queue = place.queue
        for seat in list(self._seats.values()):
            self._follow_wishes(seat)
            self._forget_unneeded(seat)
        self._notice()

    def _follow_wishes(self, seat: _Seat) -> None:
        """Do what a person has newly asked of an agent, unless there is somebody with them."""
        before, now = seat.enrolled, self._enrolled.get(seat.agent)
        seat.enrolled = now
        if now is None or (before is not None and before.version == now.version):
            return
        if (before is None and seat.state not in _WITH_A_PERSON) or seat.state in RESTING:
            if seat.state is not now.wanted:
                seat.state, seat.since_seconds = now.wanted, trio.current_time()
            # The command itself has written the steps on the way.
            self._tell(seat, Teller.COMMAND)
            self._move(seat, self._state_of(seat.agent), Teller.FEED)
        if seat.state is AgentState.READY:
            self._hand_out(seat)

    def _forget_unneeded(self, seat: _Seat) -> None:
        if not seat.places and seat.state not in _WITH_A_PERSON:
            self._seats.pop(seat.agent, None)

    def unseat(self, campaign_id: int) -> None:
        """The campaign is over."""
        self._needs.pop(campaign_id, None)
        self._spoken_for.pop(campaign_id, None)
        self._reseat()

    def ready(self, campaign_id: int) -> int:
        """How many agents could take a person of this campaign now."""
        return sum(1 for _ in self._ready_seats(campaign_id))

    def staffed(self, campaign_id: int) -> bool:
        """Whether the campaign has any agent at work, ready or busy."""
        return any(
            seat.state in AT_WORK and campaign_id in seat.places for seat in self._seats.values()
        )

    def count_calls(self, campaign_id: int, agents_needed: Callable[[], int]) -> None:
        """How many agents the campaign's calls under way will need; asked by the others."""
        self._spoken_for[campaign_id] = agents_needed

    def left_for(self, campaign_id: int) -> int:
        """How many ready agents other campaigns' calls under way leave to this one.

        Of those calls, as many as can be served by agents whom this campaign has no use for are.
        """
        left = self.ready(campaign_id)
        for other, agents_needed in self._spoken_for.items():
            if other != campaign_id:
                others = self._ready_seats(other)
                elsewhere = sum(1 for seat in others if campaign_id not in seat.places)
                shared = self.ready(other) - elsewhere
                left -= min(shared, max(0, agents_needed() - elsewhere))
        return max(0, left)

    def ready_names(self, campaign_id: int) -> frozenset[str]:
        """What the agents are called who could take one: extensions, and names that SQL knows."""
        ready = list(self._ready_seats(campaign_id))
        names = {seat.enrolled.name for seat in ready if seat.enrolled is not None}
        return frozenset(names | {seat.agent for seat in ready})

    def states(self) -> Counter[AgentState]:
        """Agents by state; places of a queue that has no member for them are not ready."""
        states = Counter(seat.state for seat in self._seats.values())
        ready = [seat for seat in self._seats.values() if seat.state is AgentState.READY]
        shut = len(ready) - len(list(self._with_room(ready)))
        states.subtract({AgentState.READY: shut, AgentState.NOT_READY: -shut})
        return +states

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
        if seat.state is AgentState.RESERVED:
            ended = seat.told is AgentState.ON_CALL and update.state is not AgentState.ON_CALL
            seat.call_over = seat.call_over or ended
            seat.told = update.state
        elif seat.state is not AgentState.ON_CALL or update.phone is not Phone.RINGING:
            # With a ring tone the PBX reports an answer while the phone still rings.
            self._move(seat, update.state, Teller.FEED)

    def _apply_queue(self, queue: str, seen: QueueSeen) -> None:
        """Take a feed's word for one queue: its places whose people are gone are ready again."""
        gate = self._gates.setdefault(queue, QueueGate(seen))
        gate.seen = seen
        if seen.persons is None:
            self._persons.lost(queue, now_seconds=trio.current_time())
        on_call = self._in_queue(queue, {AgentState.ON_CALL})
        for seat in gate.over(on_call, now_seconds=trio.current_time()):
            self._move(seat, AgentState.READY, Teller.FEED)
        for seat in self._in_queue(queue, {AgentState.READY}):
            self._hand_out(seat)
        self._notice()

    def _in_queue(self, queue: str, states: Collection[AgentState]) -> list[_Seat]:
        return [s for s in self._seats.values() if s.queue == queue and s.state in states]

    def _room(self, queue: str) -> int | None:
        """How many more people a queue could take; None: no feed sees it."""
        gate = self._gates.get(queue)
        return None if gate is None else gate.room(len(self._in_queue(queue, _WITH_A_PERSON)))

    def _with_room(self, seats: Iterable[_Seat]) -> Iterator[_Seat]:
        """Those of the seats for whom their queues have members."""
        rooms: dict[str, int | None] = {}
        for seat in seats:
            if seat.queue not in rooms:
                rooms[seat.queue] = self._room(seat.queue)
            room = rooms[seat.queue]
            if room is None:
                yield seat
            elif room > 0:
                rooms[seat.queue] = room - 1
                yield seat

    def _move(self, seat: _Seat, state: AgentState, told_by: Teller) -> None:
        wanted = AgentState.READY if seat.enrolled is None else seat.enrolled.wanted
        if state is AgentState.READY and seat.state in RESTING:
            state = wanted
        if seat.state is state:
            return
        for step in steps(seat.state, state):
            self._go(seat, step, told_by)
        if state is AgentState.READY:
            for step in resting_steps(seat.state, wanted):
                self._go(seat, step, Teller.COMMAND)
        seat.told, seat.call_over = None, False
        self._forget_unneeded(seat)
        if seat.state is AgentState.READY and seat.places:
            self._hand_out(seat)
        self._notice()

    def _go(self, seat: _Seat, state: AgentState, told_by: Teller) -> None:
        seat.confirmed = False
        seat.state, seat.since_seconds = state, trio.current_time()
        self._tell(seat, told_by)

    def _tell(self, seat: _Seat, told_by: Teller) -> None:
        if seat.enrolled is not None and self._moved is not None:
            self._moved(seat.enrolled, seat.state, told_by)

    async def reserve(
        self,
        campaign_id: int,
        *,
        until_seconds: float,
        but_not: Collection[AgentId] = frozenset(),
    ) -> AgentPlace | None:
        """The agent who has been ready longest, reserved; None when nobody came in time.

        Args:
            campaign_id: whose person it is.
            until_seconds: moment on trio's clock at which the person is given up.
            but_not: agents whom this person could not be given to.
        """
        waiting = _Waiting(campaign_id, but_not)
        ready = (seat for seat in self._ready_seats(campaign_id) if waiting.may_have(seat))
        seat = min(ready, key=lambda seat: seat.since_seconds, default=None)
        if seat is not None:
            return self._reserve(seat, campaign_id)
        self._waiting.append(waiting)
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
        """One agent by name or extension, reserved; None when they are not ready just now."""
        for seat in self._ready_seats(campaign_id):
            if name == seat.agent or (seat.enrolled is not None and name == seat.enrolled.name):
                return self._reserve(seat, campaign_id)
        return None

    def follow(self, place: AgentPlace, handover: Handover) -> None:
        """Tell what the phone of a reserved agent does, until it is over or the next person's."""
        self._seats[place.agent].handover = handover
        if place.queue in self._gates:
            self._persons.follow(place.queue, handover, now_seconds=trio.current_time())

    def give_back(self, place: AgentPlace) -> None:
        """The person was lost before the agent had them."""
        seat = self._seats[place.agent]
        if place.queue:
            self._persons.drop(seat.handover)
        seat.handover = None
        self._move(seat, seat.told or AgentState.READY, Teller.ENGINE)

    def joined(self, place: AgentPlace) -> None:
        """The agent has the person; what comes next is the feed's word."""
        seat = self._seats[place.agent]
        after = seat.told if seat.call_over else None
        self._move(seat, AgentState.ON_CALL, Teller.ENGINE)
        if seat.queue in self._gates:
            self._gates[seat.queue].confirm(self._in_queue(seat.queue, {AgentState.ON_CALL}))
        if after is not None:
            self._move(seat, after, Teller.FEED)

    async def wait_change(self) -> None:
        """Wait until some agent's state changes."""
        await self._changed.wait()

    def _ready_seats(self, campaign_id: int) -> Iterable[_Seat]:
        return self._with_room(
            seat
            for seat in self._seats.values()
            if seat.state is AgentState.READY and campaign_id in seat.places
        )

    def _reserve(self, seat: _Seat, campaign_id: int) -> AgentPlace:
        self._go(seat, AgentState.RESERVED, Teller.ENGINE)
        seat.handover = None
        self._notice()
        return seat.places[campaign_id]

    def _hand_out(self, seat: _Seat) -> None:
        if not any(self._with_room([seat])):
            return
        for waiting in self._waiting:
            if waiting.may_have(seat):
                self._waiting.remove(waiting)
                waiting.place = self._reserve(seat, waiting.campaign_id)
                waiting.given.set()
                return

    def _notice(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
