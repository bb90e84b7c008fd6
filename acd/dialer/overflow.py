"""The overflow: where a person goes whom no agent of the campaign takes in time.

It is a queue or an extension of the PBX, and the person is sent there while there is still time
for somebody to pick up inside the limit. A queue that a feed sees to be full is spared.
"""

from __future__ import annotations

from acd.frozen import frozen
from acd.rules.definition import CampaignDefinition


@frozen(kw_only=True)
class Overflow:
    """One campaign's."""

    target: str
    """What the REFER asks for; empty: there is none."""
    before_limit_seconds: float

    @classmethod
    def of(cls, definition: CampaignDefinition) -> Overflow:
        """What the definition says."""
        agents = definition.agents
        return cls(
            target=agents.overflow, before_limit_seconds=agents.overflow_before_limit_seconds
        )

    def own_until(self, until: float) -> float:
        """How long the campaign's own agents are waited for, of a person whose limit is `until`."""
        return until - self.before_limit_seconds if self.target else until
