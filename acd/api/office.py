"""What the endpoints need of the engine: `Office`, fulfilled by `acd.app`.

Every method answers with plain values for JSON. All of them raise `UnknownName` for something
that does not exist, `BadInput` for what cannot be done, `StoreUnavailable` without a database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from acd.agents import AgentState
from acd.rules.preview import PreviewEnd

Plain = dict[str, Any]


class AgentsOffice(Protocol):
    """Agents and the people whom they had."""

    async def agents(self) -> list[Plain]:
        """Everybody, by name."""
        ...

    async def agent(self, name: str) -> Plain:
        """One agent by name or extension."""
        ...

    async def agent_times(self, *, since: datetime | None, until: datetime | None) -> list[Plain]:
        """What everybody did with their time, from midnight or `since` to now or `until`."""
        ...

    async def ask(self, name: str, wanted: AgentState, reason: str) -> Plain:
        """Log an agent off, or have them ready or not; the agent after it."""
        ...

    async def wrap_up(self, name: str, *, done: bool) -> Plain:
        """The agent's call is over: they still write, or are done."""
        ...

    def listening(self, name: str) -> AbstractContextManager[None]:
        """While the block lasts an agent's own desktop listens to what happens."""
        ...

    async def person(self, name: str) -> Plain | None:
        """The person whom the agent has or had last, with the lead's columns."""
        ...

    async def dispose(
        self, attempt_id: int, *, code: str, at: datetime | None, owner: str | None, by: str
    ) -> str:
        """Write an agent's disposition; `by` is the one agent whose attempt it must be, or ""."""
        ...


class PreviewsOffice(Protocol):
    """Leads that agents look at before they are dialed."""

    async def take_preview(self, name: str, campaign: str) -> Plain | None:
        """Show an agent the next lead of a campaign; "": of the one that they serve."""
        ...

    async def preview(self, name: str) -> Plain | None:
        """What an agent looks at."""
        ...

    async def finish_preview(self, name: str, end: PreviewEnd) -> Plain:
        """Accept or skip what an agent looks at."""
        ...


class CampaignsOffice(Protocol):
    """Campaigns."""

    async def campaigns(self) -> list[Plain]:
        """Every campaign with its state."""
        ...

    async def campaign(self, name: str) -> Plain:
        """One, with its leads by the rule that blocks them."""
        ...

    async def define(self, name: str, definition: Mapping[str, Any]) -> tuple[Plain, bool]:
        """Create a campaign, or give it its next version; whether it is new."""
        ...

    async def reload(self, name: str) -> Plain:
        """Take over what has changed in its campaign.toml."""
        ...

    async def move(self, name: str, state: str) -> Plain:
        """Start (running), pause (paused) or stop (stopped) it."""
        ...

    async def report(self, name: str) -> Plain:
        """Count it."""
        ...


class LeadsOffice(Protocol):
    """Leads and do-not-call."""

    async def add_leads(self, campaign: str, rows: Sequence[Mapping[str, str]]) -> Plain:
        """Import rows; what was refused, a row each."""
        ...

    async def why(self, lead: str) -> list[Plain]:
        """Why a lead (an id or a number) is not dialed now, for each campaign that has it."""
        ...

    async def reset(self, campaign: str, *, lead_ids: Sequence[int], reason: str) -> int:
        """Let closed leads wait again; how many."""
        ...

    async def call_back(self, lead_id: int, *, at: datetime, owner: str | None) -> None:
        """Promise a call at a time."""
        ...

    async def erase(self, lead: str) -> list[int]:
        """Forget a person; the leads that were theirs."""
        ...

    async def dnc_add(self, numbers: Sequence[str], *, on_list: str) -> int:
        """Put numbers on a list; how many are new on it."""
        ...

    async def dnc_remove(self, numbers: Sequence[str], *, on_list: str) -> int:
        """Take numbers off a list; how many stood on it."""
        ...

    async def dnc_check(self, number: str) -> list[str]:
        """The lists on which a number stands."""
        ...


class Office(AgentsOffice, PreviewsOffice, CampaignsOffice, LeadsOffice, Protocol):
    """All of it."""
