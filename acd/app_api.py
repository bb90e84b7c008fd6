"""The HTTP API's part of `acd.app`: its server, its feed of agents' words, and its events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress

import structlog
import trio

from acd.agents_feed.merged import MergedFeed
from acd.api.app import api_app
from acd.api.server import open_server
from acd.api.stream import Bulletin
from acd.app_desktops import DesktopWatch
from acd.app_office import EngineOffice
from acd.app_words import DesktopWords
from acd.clock import SystemClock
from acd.dialer.preview import PreviewDesk
from acd.errors import StoreUnavailable
from acd.settings import Settings
from acd.store import Store
from acd.store.agents import agents_version, all_agents
from acd.store.events import Change, Subject, changes_after, last_event_id

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_SECONDS = 0.25
"""How often SQL is asked what has happened: no event is older than that when it is told."""
GAP_SECONDS = 5.0
"""How long an id that is missing is waited for: its transaction may be committed later."""
MOST_MISSING = 1000
"""Ids in a row: a greater leap was a crash of the database, not a transaction under way."""
_MOST = 1000
_TOLD = {Subject.AGENT: "agent", Subject.ATTEMPT: "attempt", Subject.CAMPAIGN: "campaign"}


@asynccontextmanager
async def open_api(
    settings: Settings,
    store: Store,
    feed: MergedFeed,
    previews: PreviewDesk,
    look: Callable[[], None],
) -> AsyncIterator[str]:
    """Serve desktops and CRMs while the block lasts; yields the address.

    Args:
        settings: the installation's; `[api]` is enabled.
        store: the engine's.
        feed: takes what agents say on their desktops.
        previews: shows agents leads before they are dialed.
        look: has the scheduler look at SQL now.

    Raises:
        AddressInUse: another program holds the port.
    """
    words = DesktopWords(feed)
    desktops = DesktopWatch(store, words, grace_seconds=settings.api.desktop_grace_seconds)
    office = EngineOffice(
        store,
        settings,
        words=words,
        desktops=desktops,
        previews=previews,
        clock=SystemClock(),
        look=look,
    )
    bulletin = Bulletin()
    app = api_app(office, bulletin, settings.api_client)
    async with open_server(app, settings.api, name="api") as address, trio.open_nursery() as side:
        side.start_soon(_follow_sql, store, bulletin, words)
        side.start_soon(desktops.run)
        log.info("HTTP API served", action="api.serving", address=address)
        try:
            yield address
        finally:
            bulletin.close()
            side.cancel_scope.cancel()


class EventIds:
    """Which events are new, though their ids are not committed in order."""

    def __init__(self, last: int) -> None:
        self.high = last
        """The highest id that was told."""
        self._missing: dict[int, float] = {}

    @property
    def missing(self) -> Collection[int]:
        """Lower ones that may still come."""
        return tuple(self._missing)

    def news(self, changes: Iterable[Change], now_seconds: float) -> list[Change]:
        """Those not told before, of changes with the lowest ids first."""
        new = [change for change in changes if self._is_new(change.event_id, now_seconds)]
        for event_id, since in list(self._missing.items()):
            if now_seconds - since >= GAP_SECONDS:
                # Rolled back, for nothing takes that long.
                del self._missing[event_id]
        return new

    def _is_new(self, event_id: int, now_seconds: float) -> bool:
        if event_id <= self.high:
            return self._missing.pop(event_id, None) is not None
        left_out = range(max(self.high + 1, event_id - MOST_MISSING), event_id)
        self._missing.update(dict.fromkeys(left_out, now_seconds))
        self.high = event_id
        return True


async def _follow_sql(store: Store, bulletin: Bulletin, words: DesktopWords) -> None:
    """For ever: tell what the log of events has grown by, and see who was changed."""
    ids: EventIds | None = None
    version: tuple[int, int] | None = None
    names: dict[str, str] = {}
    while True:
        with suppress(StoreUnavailable):
            if (now := await store.read(agents_version)) != version:
                agents = await store.read(all_agents)
                words.check(agents)
                names = {agent.extension: agent.name for agent in agents}
                version = now
            if ids is None:
                ids = EventIds(await store.read(last_event_id))
            changes = await store.read(changes_after, ids.high, also=ids.missing, limit=_MOST)
            for change in ids.news(changes, trio.current_time()):
                _tell(bulletin, change, names)
        await trio.sleep(LOOK_SECONDS)


def _tell(bulletin: Bulletin, change: Change, names: dict[str, str]) -> None:
    kind = _TOLD.get(change.subject)
    if kind is None:
        return
    data: dict[str, object] = {"at": change.at, "what": change.what}
    agent = names.get(change.agent, "")
    match change.subject:
        case Subject.AGENT:
            agent = change.subject_id
            data |= {"agent": agent, "reason": change.detail.get("reason", "")}
        case Subject.CAMPAIGN:
            data |= {"campaign": change.campaign}
        case Subject.ATTEMPT:
            data |= {"attempt": int(change.subject_id), "lead": change.lead_id}
            data |= {"campaign": change.campaign, "agent": agent}
            data |= {"disposition": change.detail.get("disposition")}
    bulletin.tell(kind, data, agent=agent)
