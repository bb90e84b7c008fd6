"""Previews as the HTTP API sees them: `PreviewOffice`, a part of the engine's office."""

from __future__ import annotations

from acd.agents import AgentId
from acd.api.office import Plain
from acd.dialer.preview import Preview, PreviewDesk
from acd.rules.preview import PreviewEnd
from acd.store import Store
from acd.store.agents import agent_named

_STATES = {None: "shown", PreviewEnd.SKIPPED: "skipped"}
"""Whatever else has ended is being dialed, as long as it is there."""


class PreviewOffice:
    """Lets agents of SQL take leads, and says what they look at."""

    def __init__(self, store: Store, desk: PreviewDesk) -> None:
        self._agents = store
        self._desk = desk

    async def take_preview(self, name: str, campaign: str) -> Plain | None:
        """Show an agent the next lead."""
        row = await self._agents.read(agent_named, name)
        found = await self._desk.take(AgentId(row.extension), row.name, campaign)
        return None if found is None else _shown(found)

    async def preview(self, name: str) -> Plain | None:
        """What an agent looks at."""
        row = await self._agents.read(agent_named, name)
        found = self._desk.of(AgentId(row.extension))
        return None if found is None else _shown(found)

    async def finish_preview(self, name: str, end: PreviewEnd) -> Plain:
        """Dial, or skip, what an agent looks at."""
        row = await self._agents.read(agent_named, name)
        return _shown(await self._desk.finish(AgentId(row.extension), row.name, end))


def _shown(preview: Preview) -> Plain:
    lead = preview.lead
    return {
        "lead": lead.lead_id,
        "campaign": preview.campaign,
        "state": _STATES.get(preview.end, "dialing"),
        "attempt_no": lead.attempt_no,
        "callback_at": lead.callback_at,
        "until": preview.until,
        "columns": dict(lead.columns),
    }
