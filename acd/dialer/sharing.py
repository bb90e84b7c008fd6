"""What campaigns that share agents leave each other: `Sharing`, asked by each one's pacing.

Two measures are taken. The dial level asks how many agents the others' calls are likely to need
(`left_for`). The law asks for the worst case, in which each call is answered (`certain_for`,
`over_dial_room`): who is then left without an agent may be any campaign's person, whichever of
them dialed beyond the agents. So an over-dial is borne by each ledger whose agents it may take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """What one campaign tells those with whom it shares agents."""

    calls: int
    """Those that are unanswered, and people who wait for an agent."""
    agents_needed: int
    """By its dial level and ledger."""
    ledger_headroom: int
    wants_more: bool
    """It has leads at hand and may dial them."""

    @property
    def is_dialing(self) -> bool:
        """Whether its ledger is to be minded.

        Without calls too, when it wants some: those of others that are beyond the agents would
        never leave it an agent for its first.
        """
        return self.calls > 0 or self.wants_more


class ReadyAgents(Protocol):
    """`acd.dialer.crews.Crews`, as far as it is asked."""

    def ready(self, campaign_id: int) -> int:
        """How many agents could take a person of this campaign now."""

    def ready_shared(self, campaign_id: int, other: int) -> tuple[int, int]:
        """Of a campaign's ready agents: those who serve the other one too, and those who do not."""


class Sharing:
    """Every campaign's calls under way, and what each of them leaves the others."""

    def __init__(self, agents: ReadyAgents) -> None:
        self._agents = agents
        self._under_way: dict[int, Callable[[], UnderWay]] = {}

    def tell(self, campaign_id: int, under_way: Callable[[], UnderWay]) -> None:
        """What a campaign has under way; asked by the others, until `forget`."""
        self._under_way[campaign_id] = under_way

    def forget(self, campaign_id: int) -> None:
        """The campaign is over."""
        self._under_way.pop(campaign_id, None)

    def left_for(self, campaign_id: int) -> int:
        """How many ready agents other campaigns' calls are likely to leave to this one.

        Of those calls, as many as can be served by agents whom this campaign has no use for are.
        """
        return self._left(campaign_id, lambda other: other.agents_needed)

    def certain_for(self, campaign_id: int) -> int:
        """How many they leave though each of those calls is answered."""
        return self._left(campaign_id, lambda other: other.calls)

    def over_dial_room(self, campaign_id: int, *, ledger_headroom: int) -> int:
        """How many calls beyond its certain agents a campaign may have, 0 or more.

        Its own ledger bears all of them, and so does that of each campaign whose agents they may
        take: as many as are beyond that one's certain agents too.
        """
        room = ledger_headroom
        for other in self._sharers(campaign_id) if room > 0 else ():
            under_way = self._under_way[other]()
            if not under_way.is_dialing:
                continue
            _, elsewhere = self._agents.ready_shared(campaign_id, other)
            spare = self._certain(other, but_not=campaign_id) - under_way.calls
            most_calls = elsewhere + max(0, spare + under_way.ledger_headroom)
            room = min(room, most_calls - self.certain_for(campaign_id))
        return max(0, room)

    def _sharers(self, campaign_id: int) -> Iterator[int]:
        for other in self._under_way:
            if other != campaign_id and self._agents.ready_shared(campaign_id, other)[0]:
                yield other

    def _left(self, campaign_id: int, needed: Callable[[UnderWay], int]) -> int:
        return max(0, self._agents.ready(campaign_id) - self._taken(campaign_id, needed))

    def _certain(self, campaign_id: int, *, but_not: int) -> int:
        """As `certain_for`, of everybody's calls but those of one; below 0 for calls beyond."""
        taken = self._taken(campaign_id, lambda other: other.calls, but_not=but_not)
        return self._agents.ready(campaign_id) - taken

    def _taken(
        self, campaign_id: int, needed: Callable[[UnderWay], int], *, but_not: int | None = None
    ) -> int:
        taken = 0
        for other, under_way in self._under_way.items():
            if other not in (campaign_id, but_not):
                shared, elsewhere = self._agents.ready_shared(other, campaign_id)
                if shared:
                    taken += min(shared, max(0, needed(under_way()) - elsewhere))
        return taken
