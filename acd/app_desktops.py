"""Whether agents' own desktops listen to what happens: `DesktopWatch`.

A desktop that has crashed says nothing: its agent would stay ready until people were sent there in
vain. One that has listened to `/v1/events` once and does so no more for a while is gone, and its
agent not ready until it is back, or somebody says otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import trio

from acd.app_words import DesktopWords
from acd.errors import StoreUnavailable, UnknownName
from acd.store import Store
from acd.store.agents import agent_named

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RETRY_SECONDS = 1.0


class DesktopWatch:
    """Told when desktops come and go; `run` says so to the words, after the grace time.

    Args:
        store: knows the agents.
        words: where a desktop that is gone counts.
        grace_seconds: how long it may be away; 0: for ever.
    """

    def __init__(self, store: Store, words: DesktopWords, *, grace_seconds: float) -> None:
        self._store = store
        self._words = words
        self._grace_seconds = grace_seconds
        self._listening: Counter[str] = Counter()
        self._came: Counter[str] = Counter()
        self._send, self._receive = trio.open_memory_channel[str](float("inf"))

    @contextmanager
    def listening(self, agent: str) -> Iterator[None]:
        """A desktop of this agent listens while the block lasts."""
        self._listening[agent] += 1
        self._came[agent] += 1
        self._words.desktop_back(agent)
        try:
            yield
        finally:
            self._listening[agent] -= 1
            if not self._listening[agent] and self._grace_seconds:
                self._send.send_nowait(agent)

    async def run(self) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            async for agent in self._receive:
                nursery.start_soon(self._miss, agent, self._came[agent])

    async def _miss(self, agent: str, came: int) -> None:
        await trio.sleep(self._grace_seconds)
        while self._came[agent] == came:
            try:
                row = await self._store.read(agent_named, agent)
            except UnknownName:
                return
            except StoreUnavailable:
                await trio.sleep(RETRY_SECONDS)
                continue
            if self._came[agent] == came:
                log.warning("an agent's desktop is gone", action="desktop.gone", agent=agent)
                self._words.desktop_gone(row)
            return
