"""Who is ready and who is at work, booked as each state changes: `Seat`, `Crews`.

    Seat ──belongs to──▶ Crew (same queue, campaigns, priority) ──▶ ready, longest first; at work

Pacing and routing ask several times a call how many agents are ready for a campaign and who has
been so longest. A walk over a thousand agents for each question was a third of the engine's
work, so agents who are alike for every such question stand in one crew, and a change of state
moves one entry. The crews themselves are made anew when campaigns or SQL seat people otherwise.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import chain, count
from operator import attrgetter

from acd.agents import AgentId, AgentState, QueueSeen
from acd.dialer.handover import Handover
from acd.dialer.places import AgentPlace, EnrolledAgent
from acd.dialer.queue_gate import QueueGate
from acd.dialer.supply import Supply, served

AT_WORK = frozenset({AgentState.READY, AgentState.RESERVED, AgentState.ON_CALL, AgentState.WRAP_UP})
WITH_A_PERSON = frozenset({AgentState.RESERVED, AgentState.ON_CALL})

_SEATED = count()
_NO_CREWS: Mapping[str, list[Crew]] = {}
_NO_NEEDS: Mapping[int, int] = {}
_by_number = attrgetter("number")
_by_since = attrgetter("since_seconds")


def _by_turn(seat: Seat) -> tuple[int, float]:
    return -seat.priority, seat.since_seconds


@dataclass(slots=True, eq=False)
class Seat:
    """One agent, or one place in a queue; `Crews.move` alone changes the state."""

    agent: AgentId
    state: AgentState
    since_seconds: float
    """When the state began, on trio's clock."""
    places: dict[int, AgentPlace] = field(default_factory=dict)
    """The place by campaign: each states its own handle time."""
    enrolled: EnrolledAgent | None = None
    told: AgentState | None = None
    """The feed's last word since the agent was reserved, or since they began to wrap up."""
    call_over: bool = False
    """While reserved, the feed has seen a call, and its end."""
    handover: Handover | None = None
    """Told what the phone does with the present person."""
    queue: str = ""
    """Of which it is a place."""
    confirmed: bool = False
    """While on a call, the queue was seen to have as many people as it has such places."""
    wrap_up_seconds: float = 0.0
    """What follows the present person's call."""
    priority: int = 0
    """Among those who are ready the highest is given people first."""
    benched: bool = False
    """Their phone was not picked up too often: not ready until somebody is seen to be there."""
    number: int = field(default_factory=lambda: next(_SEATED))
    """In the order in which they sat down."""

    @property
    def wanted(self) -> AgentState:
        """What the agent shall be while nobody is with them."""
        wanted = AgentState.READY if self.enrolled is None else self.enrolled.wanted
        return AgentState.NOT_READY if self.benched and wanted is AgentState.READY else wanted


@dataclass(slots=True, eq=False)
class Crew:
    """Seats of one queue, or phones, of one priority that serve the same campaigns."""

    queue: str
    campaigns: frozenset[int]
    ready: OrderedDict[AgentId, Seat] = field(default_factory=OrderedDict)
    """Longest ready first."""
    at_work: int = 0


@dataclass(slots=True, eq=False)
class _Queue:
    """What a queue's places are doing, whichever campaigns they serve."""

    gate: QueueGate | None = None
    """None: no feed sees the queue."""
    entering: int = 0
    """People on the way into it who have no place of it."""
    with_a_person: int = 0
    on_call: dict[AgentId, Seat] = field(default_factory=dict)

    @property
    def room(self) -> int | None:
        """How many more people it could take; None: nobody knows."""
        return None if self.gate is None else self.gate.room(self.with_a_person + self.entering)

    def capped(self, ready: int) -> int:
        """So many of these ready places have a member behind them."""
        room = self.room
        return ready if room is None else min(ready, room)


class Crews:
    """All seats, by what is asked of them."""

    def __init__(self) -> None:
        self._states: Counter[AgentState] = Counter()
        self._queues: dict[str, _Queue] = {}
        self._crews: dict[tuple[str, frozenset[int], int], Crew] = {}
        self._crew_of: dict[AgentId, Crew] = {}
        self._serving: dict[int, dict[str, list[Crew]]] = {}
        """The crews by campaign and queue."""

    def sit_down(self, seat: Seat) -> None:
        """Somebody new; their places count from the next `regroup`."""
        self._states[seat.state] += 1

    def leave(self, seat: Seat) -> None:
        """Forget somebody who serves nobody and has no person."""
        self._leave_crew(seat)
        del self._crew_of[seat.agent]
        self._states[seat.state] -= 1

    def regroup(self, seats: Iterable[Seat]) -> None:
        """Everybody's places may have changed; the seats are all there are."""
        self._crews, self._crew_of, self._serving = {}, {}, {}
        self._queues = {
            name: _Queue(queue.gate, queue.entering) for name, queue in self._queues.items()
        }
        for seat in sorted(seats, key=_by_since):
            crew = self._crew(seat.queue, frozenset(seat.places), seat.priority)
            self._crew_of[seat.agent] = crew
            self._enter_crew(seat)

    def _crew(self, queue: str, campaigns: frozenset[int], priority: int) -> Crew:
        crew = self._crews.get((queue, campaigns, priority))
        if crew is None:
            crew = self._crews[queue, campaigns, priority] = Crew(queue, campaigns)
            for campaign_id in campaigns:
                self._serving.setdefault(campaign_id, {}).setdefault(queue, []).append(crew)
        return crew

    def move(self, seat: Seat, state: AgentState, *, now_seconds: float) -> None:
        """Book another state; whoever becomes ready stands behind those who are."""
        self._leave_crew(seat)
        self._states[seat.state] -= 1
        seat.state, seat.since_seconds = state, now_seconds
        self._states[state] += 1
        self._enter_crew(seat)

    def _enter_crew(self, seat: Seat) -> None:
        crew, state = self._crew_of[seat.agent], seat.state
        if state is AgentState.READY:
            crew.ready[seat.agent] = seat
        if state in AT_WORK:
            crew.at_work += 1
        if seat.queue and state in WITH_A_PERSON:
            queue = self._queue(seat.queue)
            queue.with_a_person += 1
            if state is AgentState.ON_CALL:
                queue.on_call[seat.agent] = seat

    def _leave_crew(self, seat: Seat) -> None:
        crew, state = self._crew_of[seat.agent], seat.state
        if state is AgentState.READY:
            del crew.ready[seat.agent]
        if state in AT_WORK:
            crew.at_work -= 1
        if seat.queue and state in WITH_A_PERSON:
            queue = self._queue(seat.queue)
            queue.with_a_person -= 1
            queue.on_call.pop(seat.agent, None)

    def _queue(self, name: str) -> _Queue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = _Queue()
        return queue

    def see(self, queue: str, seen: QueueSeen) -> QueueGate:
        """A feed's word for a queue; from now on no more of its places are ready than it says."""
        known = self._queue(queue)
        if known.gate is None:
            known.gate = QueueGate(seen)
        known.gate.seen = seen
        return known.gate

    def gate(self, queue: str) -> QueueGate | None:
        """Of a queue that a feed sees."""
        known = self._queues.get(queue)
        return None if known is None else known.gate

    def sees_queue(self, queue: str) -> bool:
        """Whether a feed sees this queue, or, where none is named, any."""
        if queue:
            return self.gate(queue) is not None
        return any(known.gate is not None for known in self._queues.values())

    def enter(self, queue: str) -> bool:
        """Count a person on the way into a queue of which they have no place, until `entered`.

        False, and nothing is counted: a feed sees that it has no member for them.
        """
        known = self._queue(queue)
        unseen = known.gate is None or known.gate.seen.persons is None
        if not unseen and known.room == 0:
            return False
        known.entering += 1
        return True

    def entered(self, queue: str) -> None:
        """They are there, and seen, or gone."""
        self._queue(queue).entering -= 1

    def on_call(self, queue: str) -> Collection[Seat]:
        """Its places that have a person."""
        known = self._queues.get(queue)
        return () if known is None else known.on_call.values()

    def ready_places(self, queue: str) -> list[Seat]:
        """Its ready places in their order, whether it has a member for them or not."""
        crews = (crew for crew in self._crews.values() if crew.queue == queue)
        return sorted(chain.from_iterable(c.ready.values() for c in crews), key=_by_number)

    def has_room(self, seat: Seat) -> bool:
        """Whether its queue, if it is a place of one, has a member for one more."""
        known = self._queues.get(seat.queue)
        return known is None or known.capped(1) == 1

    def states(self) -> Counter[AgentState]:
        """Agents by state; places of a queue that has no member for them are not ready."""
        states = self._states.copy()
        for name, queue in self._queues.items():
            if queue.gate is not None:
                crews = (crew for crew in self._crews.values() if crew.queue == name)
                ready = sum(len(crew.ready) for crew in crews)
                shut = ready - queue.capped(ready)
                states.subtract({AgentState.READY: shut, AgentState.NOT_READY: -shut})
        return +states

    def staffed(self, campaign_id: int) -> bool:
        """Whether the campaign has any agent at work, ready or busy."""
        crews = chain.from_iterable(self._serving.get(campaign_id, _NO_CREWS).values())
        return any(crew.at_work for crew in crews)

    def ready(self, campaign_id: int) -> int:
        """How many agents could take a person of this campaign now."""
        return sum(
            self._capped(queue, sum(len(crew.ready) for crew in crews))
            for queue, crews in self._serving.get(campaign_id, _NO_CREWS).items()
        )

    def can_spare(self, seat: Seat, needs: Mapping[int, int]) -> bool:
        """Whether as many of these calls would find an agent without this one."""
        return self._first_spared([seat], needs) is seat

    def _first_spared(self, seats: Iterable[Seat], needs: Mapping[int, int]) -> Seat | None:
        with_all = served(self.supplies(), needs)
        spared = (seat for seat in seats if served(self.supplies(seat), needs) == with_all)
        return next(spared, None)

    def supplies(self, without: Seat | None = None) -> list[Supply]:
        """All ready agents, or all but one."""
        less = None if without is None else self._crew_of[without.agent]
        return [
            Supply(
                campaigns=crew.campaigns,
                ready=len(crew.ready) - (crew is less),
                queue=crew.queue,
                room=self._room_without(crew.queue, without),
            )
            for crew in self._crews.values()
            if crew.ready
        ]

    def _room_without(self, queue: str, without: Seat | None) -> int:
        """How many people a queue could take, one fewer when one of its places is taken."""
        known = self._queues.get(queue)
        places = sum(len(crew.ready) for crew in self._crews.values() if crew.queue == queue)
        room = places if known is None else known.capped(places)
        return max(0, room - (without is not None and without.queue == queue))

    def longest_ready(
        self,
        campaign_id: int,
        but_not: Collection[AgentId] = (),
        *,
        needs: Mapping[int, int] = _NO_NEEDS,
    ) -> Seat | None:
        """Of the highest priority who has been ready longest for a campaign; None: nobody is.

        Whoever these calls of all campaigns can spare comes before anybody whom they cannot.
        """
        firsts = [
            seat
            for queue, crews in self._serving.get(campaign_id, _NO_CREWS).items()
            for seat in self._firsts_of(queue, crews, but_not)
        ]
        if len(firsts) > 1 and any(needed > 0 for needed in needs.values()):
            firsts.sort(key=_by_turn)
            return self._first_spared(firsts, needs) or firsts[0]
        return min(firsts, key=_by_turn, default=None)

    def _firsts_of(
        self, queue: str, crews: list[Crew], but_not: Collection[AgentId]
    ) -> Iterable[Seat]:
        """Of each crew of a queue whose turn it is."""
        ready = sum(len(crew.ready) for crew in crews)
        if self._capped(queue, ready) == ready:
            firsts = (_first(crew, but_not) for crew in crews)
            return [seat for seat in firsts if seat is not None]
        found: dict[Crew, Seat] = {}
        for seat in self._open(queue, crews):
            crew = self._crew_of[seat.agent]
            if seat.agent not in but_not:
                found[crew] = min(found.get(crew, seat), seat, key=_by_turn)
        return found.values()

    def ready_seats(self, campaign_id: int) -> Iterator[Seat]:
        """Everybody who could take a person of this campaign now."""
        for queue, crews in self._serving.get(campaign_id, _NO_CREWS).items():
            yield from self._open(queue, crews)

    def _open(self, queue: str, crews: list[Crew]) -> Iterable[Seat]:
        """The ready seats for which there are members: of a queue's places the first ones."""
        seats = chain.from_iterable(crew.ready.values() for crew in crews)
        ready = sum(len(crew.ready) for crew in crews)
        room = self._capped(queue, ready)
        return seats if room == ready else nsmallest(room, seats, key=_by_number)

    def _capped(self, queue: str, ready: int) -> int:
        known = self._queues.get(queue)
        return ready if known is None else known.capped(ready)


def _first(crew: Crew, but_not: Collection[AgentId]) -> Seat | None:
    return next((seat for seat in crew.ready.values() if seat.agent not in but_not), None)
