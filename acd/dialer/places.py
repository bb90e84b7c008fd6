"""The agents of a campaign's definition, as places in the roster."""

from __future__ import annotations

from acd.agents import AgentId
from acd.dialer.routing import AgentPlace
from acd.rules.definition import CampaignDefinition


def agent_places(definition: CampaignDefinition) -> list[AgentPlace]:
    """One place for each extension, or one for each slot of the queue."""
    agents = definition.agents
    if agents.queue:
        return [
            AgentPlace(
                agent=AgentId(f"{agents.queue}#{slot}"),
                target=agents.queue,
                handle_seconds=agents.handle_seconds,
            )
            for slot in range(1, agents.slots + 1)
        ]
    return [
        AgentPlace(agent=AgentId(extension), target=extension, handle_seconds=agents.handle_seconds)
        for extension in agents.extensions
    ]
