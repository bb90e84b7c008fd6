"""What the crews have booked beside what a walk over every seat finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from acd.agents import AgentId, AgentState, QueueSeen
from acd.dialer.crews import AT_WORK, WITH_A_PERSON, Crews, Seat
from acd.dialer.places import AgentPlace

CAMPAIGNS = (1, 2, 3)
NAMES = ("201", "202", "203", "204", "sales#1", "sales#2", "sales#3", "help#1", "help#2")


def place(agent: AgentId) -> AgentPlace:
    queue = agent.rpartition("#")[0]
    return AgentPlace(agent=agent, target=queue or agent, handle_seconds=30.0, queue=queue)


@dataclass(frozen=True)
class Seated:
    """Someone is given these campaigns, or none at all."""

    name: str
    campaigns: frozenset[int]
    priority: int


@dataclass(frozen=True)
class Moved:
    name: str
    state: AgentState


@dataclass(frozen=True)
class Seen:
    queue: str
    usable: int
    persons: int | None


STEPS = st.lists(
    st.one_of(
        st.builds(
            Seated,
            st.sampled_from(NAMES),
            st.frozensets(st.sampled_from(CAMPAIGNS)),
            st.integers(0, 2),
        ),
        st.builds(Moved, st.sampled_from(NAMES), st.sampled_from(AgentState)),
        st.builds(Moved, st.sampled_from(NAMES), st.just(AgentState.READY)),
        st.builds(
            Seen,
            st.sampled_from(["sales", "help"]),
            st.integers(0, 4),
            st.one_of(st.none(), st.integers(0, 3)),
        ),
    ),
    max_size=60,
)


@dataclass
class Walk:
    """The same floor twice: as crews, and as a list that is walked for every question."""

    crews: Crews = field(default_factory=Crews)
    seats: dict[str, Seat] = field(default_factory=dict)
    queues: dict[str, QueueSeen] = field(default_factory=dict)
    now: float = 0.0

    def take(self, step: Seated | Moved | Seen) -> None:
        self.now += 1.0
        match step:
            case Seated():
                self._seat(step)
            case Moved(name, state) if name in self.seats and self.seats[name].state is not state:
                self.crews.move(self.seats[name], state, now_seconds=self.now)
            case Moved():
                pass
            case Seen(queue, usable, persons):
                self.queues[queue] = QueueSeen(usable=usable, persons=persons)
                self.crews.see(queue, self.queues[queue])

    def _seat(self, step: Seated) -> None:
        seat = self.seats.get(step.name)
        if seat is None:
            agent = AgentId(step.name)
            seat = Seat(agent, AgentState.READY, self.now, queue=place(agent).queue)
            self.seats[step.name] = seat
            self.crews.sit_down(seat)
        seat.priority = step.priority
        seat.places = {campaign: place(seat.agent) for campaign in step.campaigns}
        self.crews.regroup(self.seats.values())
        if not seat.places and seat.state not in WITH_A_PERSON:
            del self.seats[step.name]
            self.crews.leave(seat)

    def room(self, queue: str) -> int | None:
        seen = self.queues.get(queue)
        if seen is None:
            return None
        if seen.persons is None:
            return 0
        ours = sum(s.queue == queue and s.state in WITH_A_PERSON for s in self.seats.values())
        return max(0, seen.usable - max(seen.persons, ours))

    def with_room(self, seats: Iterable[Seat]) -> Iterator[Seat]:
        given: Counter[str] = Counter()
        for seat in seats:
            room = self.room(seat.queue)
            given[seat.queue] += 1
            if room is None or given[seat.queue] <= room:
                yield seat

    def ready(self, campaign: int) -> list[Seat]:
        ready = (s for s in self.seats.values() if s.state is AgentState.READY)
        return list(self.with_room(s for s in ready if campaign in s.places))

    def longest(self, campaign: int, but_not: Collection[AgentId]) -> Seat | None:
        may = (seat for seat in self.ready(campaign) if seat.agent not in but_not)
        return min(may, key=lambda seat: (-seat.priority, seat.since_seconds), default=None)

    def states(self) -> Counter[AgentState]:
        ready = [s for s in self.seats.values() if s.state is AgentState.READY]
        shut = len(ready) - len(list(self.with_room(ready)))
        states = Counter(seat.state for seat in self.seats.values())
        states.subtract({AgentState.READY: shut, AgentState.NOT_READY: -shut})
        return +states


@given(STEPS, st.frozensets(st.sampled_from([AgentId(name) for name in NAMES]), max_size=3))
def test_every_question_is_answered_as_a_walk_over_all_seats_would(
    steps: list[Seated | Moved | Seen], but_not: frozenset[AgentId]
) -> None:
    walk = Walk()
    for step in steps:
        walk.take(step)
        crews = walk.crews
        assert crews.states() == walk.states()
        for campaign in CAMPAIGNS:
            ready = walk.ready(campaign)
            serving = [seat for seat in walk.seats.values() if campaign in seat.places]
            assert crews.ready(campaign) == len(ready)
            assert set(crews.ready_seats(campaign)) == set(ready)
            assert crews.staffed(campaign) is any(seat.state in AT_WORK for seat in serving)
            for tried in (frozenset[AgentId](), but_not):
                assert crews.longest_ready(campaign, tried) is walk.longest(campaign, tried)
        for queue in ("sales", "help"):
            places = [seat for seat in walk.seats.values() if seat.queue == queue]
            on_call = [seat for seat in places if seat.state is AgentState.ON_CALL]
            assert set(crews.on_call(queue)) == set(on_call)
            assert crews.ready_places(queue) == [s for s in places if s.state is AgentState.READY]
