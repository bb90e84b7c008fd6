"""What campaigns that share agents leave each other: `Sharing`, asked by each one's pacing.

Two measures are taken. The dial level asks how many agents the others' calls are likely to need
(`left_for`). The law asks for the worst case, in which each call is answered (`certain_for`,
`over_dial_room`): who is then left without an agent may be any campaign's person, whichever of
them dialed beyond the agents. So an over-dial is borne by each ledger whose agents it may take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from acd.dialer.supply import EVERYBODY, Flow, Supply


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
        ...

    def supplies(self) -> list[Supply]:
        """All ready agents."""
        ...


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

    def needs(self) -> dict[int, int]:
        """How many agents the calls of each campaign are likely to need; empty for a single one."""
        if len(self._under_way) < 2:
            return {}
        return {each: under_way().agents_needed for each, under_way in self._under_way.items()}

    def left_for(self, campaign_id: int) -> int:
        """How many ready agents other campaigns' calls are likely to leave to this one."""
        others = self._others(campaign_id)
        return self._left(campaign_id, {each: told.agents_needed for each, told in others.items()})

    def certain_for(self, campaign_id: int) -> int:
        """How many they leave though each of those calls is answered."""
        return self._left(campaign_id, _calls(self._others(campaign_id)))

    def over_dial_room(self, campaign_id: int, *, ledger_headroom: int) -> int:
        """How many calls beyond its certain agents a campaign may have, 0 or more.

        Its own ledger bears all of them, and that of each campaign as many as take its agents.
        """
        others = self._others(campaign_id) if ledger_headroom > 0 else {}
        if not others:
            return max(0, ledger_headroom)
        nobody_served = Flow(self._agents.supplies())
        calls = _calls(others)
        certain = self._left(campaign_id, calls)
        most = certain + ledger_headroom
        for other, told in others.items():
            if told.is_dialing and most > certain:
                third = nobody_served.copy()
                third.serve_all({each: count for each, count in calls.items() if each != other})
                most = min(most, _most_beside(other, told, campaign_id, third))
        return max(0, most - certain)

    def _left(self, campaign_id: int, needs: Mapping[int, int]) -> int:
        if not any(needs.values()):
            return self._agents.ready(campaign_id)
        flow = Flow(self._agents.supplies())
        flow.serve_all(needs)
        return flow.serve(campaign_id)

    def _others(self, campaign_id: int) -> dict[int, UnderWay]:
        under_way = self._under_way.items()
        return {other: told() for other, told in under_way if other != campaign_id}


def _calls(under_way: Mapping[int, UnderWay]) -> dict[int, int]:
    return {campaign_id: told.calls for campaign_id, told in under_way.items()}


def _most_beside(other: int, told: UnderWay, campaign_id: int, third: Flow) -> int:
    """How many calls of a campaign another one's ledger bears.

    Beyond the agents that the other has no use for, each call may take it one.
    """
    worst = third.copy()
    worst.serve(campaign_id)
    best = third.copy()
    left = best.serve(other)
    if left == worst.serve(other):
        return EVERYBODY
    elsewhere = best.serve(campaign_id)
    return elsewhere + max(0, left - told.calls + told.ledger_headroom)
