"""Who serves a campaign: the places of its definition, and the agents that SQL assigns to it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from acd.agents import AgentId, AgentState
from acd.frozen import frozen
from acd.rules.definition import CampaignDefinition


@frozen(kw_only=True)
class AgentPlace:
    """One agent, or one place in a queue of the PBX."""

    agent: AgentId
    target: str
    """What the REFER asks for: an extension or a queue's name."""
    handle_seconds: float
    """Stated talk and wrap-up time, for feeds that cannot see the phone."""
    queue: str = ""
    """The queue of which it is a place."""
    wrap_up_seconds: float = 0.0
    """Time after a call, where a feed sees the phone."""


@frozen(kw_only=True)
class EnrolledAgent:
    """An agent whom SQL knows; an extension in campaign.toml that is theirs means them."""

    agent: AgentId
    """Their extension: what feeds and campaign.toml call them."""
    name: str
    skills: frozenset[str]
    campaigns: frozenset[int]
    wanted: AgentState
    """What a person asked of them: logged off, not ready or ready."""
    version: int
    """Another one whenever a person has changed anything about them."""
    priority: int = 0
    """Of those who are ready the highest is given people first."""
    wraps_up_until: float = 0.0
    """When a wrap-up ends that an engine before this one began, on trio's clock."""

    def was_asked(self, before: EnrolledAgent) -> bool:
        """Whether somebody has said what they shall do; a file would have changed more."""
        asked = replace(before, wanted=self.wanted, version=self.version)
        return self.version != before.version and self == replace(
            asked, wraps_up_until=self.wraps_up_until
        )


@frozen(kw_only=True)
class Needs:
    """What a campaign says about its agents."""

    places: tuple[AgentPlace, ...]
    skills: frozenset[str] = frozenset()
    """Only agents who have all of them."""
    handle_seconds: float = 180.0
    """For those whom SQL assigns."""
    wrap_up_seconds: float = 0.0
    """The same."""


def agent_places(definition: CampaignDefinition) -> list[AgentPlace]:
    """One place for each extension, or one for each slot of the queue."""
    agents = definition.agents
    if agents.queue:
        return [
            AgentPlace(
                agent=AgentId(f"{agents.queue}#{slot}"),
                target=agents.queue,
                handle_seconds=agents.handle_seconds,
                queue=agents.queue,
            )
            for slot in range(1, agents.slots + 1)
        ]
    return [
        AgentPlace(
            agent=AgentId(extension),
            target=extension,
            handle_seconds=agents.handle_seconds,
            wrap_up_seconds=agents.wrap_up_seconds,
        )
        for extension in agents.extensions
    ]


def needs_of(definition: CampaignDefinition) -> Needs:
    """The agents' side of a definition."""
    return Needs(
        places=tuple(agent_places(definition)),
        skills=frozenset(definition.agents.skills),
        handle_seconds=definition.agents.handle_seconds,
        wrap_up_seconds=definition.agents.wrap_up_seconds,
    )


def serving(
    campaign_id: int, needs: Needs, enrolled: Collection[EnrolledAgent]
) -> dict[AgentId, AgentPlace]:
    """Everybody who serves a campaign: those of its definition, and those whom SQL assigns.

    Where skills are asked for, an extension without an agent in SQL has none of them.
    """
    known = {agent.agent: agent for agent in enrolled}
    found = {
        place.agent: place
        for place in needs.places
        if not needs.skills or (place.agent in known and needs.skills <= known[place.agent].skills)
    }
    for agent in enrolled:
        if campaign_id in agent.campaigns and needs.skills <= agent.skills:
            place = AgentPlace(
                agent=agent.agent,
                target=agent.agent,
                handle_seconds=needs.handle_seconds,
                wrap_up_seconds=needs.wrap_up_seconds,
            )
            found.setdefault(agent.agent, place)
    return found
