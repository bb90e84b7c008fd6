"""Who gets the person: agents with their states, the longest ready first.

`Roster` holds every agent of every campaign once, so that two campaigns that share an agent
can never offer them two people. It walks `acd.agents.AGENT_TRANSITIONS` and nothing else.
A queue of the PBX stands here as so many places ("sales#1", "sales#2", …), each of which
takes one person at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import trio

from acd.agents import AGENT_TRANSITIONS, AgentId, AgentState, AgentUpdate
from acd.errors import CallError


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPlace:
    """One agent, or one place in a queue of the PBX."""

    agent: AgentId
    target: str
    """What the REFER asks for: an extension or a queue's name."""
    handle_seconds: float
    """Stated talk and wrap-up time, for feeds that cannot see the phone."""


AT_WORK = frozenset({AgentState.READY, AgentState.RESERVED, AgentState.ON_CALL, AgentState.WRAP_UP})
_WITH_A_PERSON = frozenset({AgentState.RESERVED, AgentState.ON_CALL})


@dataclass(slots=True)
class _Seat:
    place: AgentPlace
    state: AgentState
    since_seconds: float
    campaigns: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Waiting:
    campaign_id: int
    but_not: Collection[AgentId]
    place: AgentPlace | None = None
    given: trio.Event = field(default_factory=trio.Event)

    def may_have(self, seat: _Seat) -> bool:
        """Whether this person could be given to that agent."""
        return self.campaign_id in seat.campaigns and seat.place.agent not in self.but_not


class Roster:
    """Every agent's state, and the people who wait for one; times are trio's clock."""

    def __init__(self) -> None:
        self._seats: dict[AgentId, _Seat] = {}
        self._waiting: list[_Waiting] = []
        self._changed = trio.Event()

    def seat(self, campaign_id: int, places: Iterable[AgentPlace]) -> None:
        """Let these agents, and no others, serve a campaign; new ones are ready from now on.

        Agents without any campaign left are forgotten, those with a person once they are done.
        """
        for seat in self._seats.values():
            seat.campaigns.discard(campaign_id)
        for place in places:
            seat = self._seats.setdefault(
                place.agent, _Seat(place, AgentState.READY, trio.current_time())
            )
            seat.place = place
            seat.campaigns.add(campaign_id)
        self._seats = {
            agent: seat
            for agent, seat in self._seats.items()
            if seat.campaigns or seat.state in _WITH_A_PERSON
        }
        self._notice()

    def unseat(self, campaign_id: int) -> None:
        """The campaign is over."""
        self.seat(campaign_id, ())

    def ready(self, campaign_id: int) -> int:
        """How many agents could take a person of this campaign now."""
        return sum(1 for _ in self._ready_seats(campaign_id))

    def staffed(self, campaign_id: int) -> bool:
        """Whether the campaign has any agent at work, ready or busy."""
        return any(
            seat.state in AT_WORK and campaign_id in seat.campaigns for seat in self._seats.values()
        )

    def states(self) -> Counter[AgentState]:
        """Agents by state."""
        return Counter(seat.state for seat in self._seats.values())

    def apply(self, update: AgentUpdate) -> None:
        """Take a feed's word for one agent.

        Raises:
            CallError: the agent table has no such step.
        """
        seat = self._seats.get(update.agent)
        if seat is None or seat.state is update.state:
            return
        if update.state not in AGENT_TRANSITIONS[seat.state]:
            raise CallError(f"agent {update.agent} cannot go from {seat.state} to {update.state}")
        seat.state, seat.since_seconds = update.state, trio.current_time()
        if not seat.campaigns and seat.state not in _WITH_A_PERSON:
            del self._seats[update.agent]
        elif update.state is AgentState.READY:
            self._hand_out(seat)
        self._notice()

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
            self._reserve(seat)
            return seat.place
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

    def give_back(self, place: AgentPlace) -> None:
        """The person was lost before the agent had them."""
        self.apply(AgentUpdate(agent=place.agent, state=AgentState.READY))

    def joined(self, place: AgentPlace) -> None:
        """The agent has the person; what comes next is the feed's word."""
        self.apply(AgentUpdate(agent=place.agent, state=AgentState.ON_CALL))

    async def wait_change(self) -> None:
        """Wait until some agent's state changes."""
        await self._changed.wait()

    def _ready_seats(self, campaign_id: int) -> Iterable[_Seat]:
        return (
            seat
            for seat in self._seats.values()
            if seat.state is AgentState.READY and campaign_id in seat.campaigns
        )

    def _reserve(self, seat: _Seat) -> None:
        seat.state, seat.since_seconds = AgentState.RESERVED, trio.current_time()
        self._notice()

    def _hand_out(self, seat: _Seat) -> None:
        for waiting in self._waiting:
            if waiting.may_have(seat):
                self._waiting.remove(waiting)
                waiting.place = seat.place
                self._reserve(seat)
                waiting.given.set()
                return

    def _notice(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
