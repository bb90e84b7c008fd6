"""Subscriptions to agents' extensions as a feed, for any PBX: `DialogInfoFeed`.

Who is watched is whoever the dialer asks about; whom the PBX says nothing of is not ready. The
feed is up with the first that it tells of, or while nobody is watched, and lost when it tells of
nobody any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from itertools import starmap
from types import MappingProxyType

import structlog
import trio

from acd.agents import AgentId, FeedName, Phone
from acd.agents_feed.sightings import Listener, Sighting
from acd.errors import BindingTooSmall
from acd.lines import ExtensionState, ExtensionUpdate, ExtensionUpdates

log: structlog.stdlib.BoundLogger = structlog.get_logger()

Watch = Callable[[str], AbstractAsyncContextManager[ExtensionUpdates]]
"""`Trunk.watch` of the trunk whose PBX has the extensions."""

PHONES: Mapping[ExtensionState, Phone] = MappingProxyType(
    {
        ExtensionState.UNKNOWN: Phone.UNKNOWN,
        ExtensionState.UNAVAILABLE: Phone.UNAVAILABLE,
        ExtensionState.IDLE: Phone.IDLE,
        ExtensionState.RINGING: Phone.RINGING,
        ExtensionState.IN_USE: Phone.IN_USE,
    }
)


class DialogInfoFeed:
    """Watches every extension that it is asked about."""

    def __init__(self, watch: Watch, listener: Listener) -> None:
        self._watch = watch
        self._listener = listener
        self._phones: dict[AgentId, Phone] = {}
        self._up = True
        self._full = False
        self._send, self._receive = trio.open_memory_channel[AgentId](float("inf"))

    def ask(self, agent: AgentId) -> None:
        """Somebody wants to know of this agent from now on; returns at once."""
        if agent not in self._phones:
            if self._up and not self._tells:
                # The first one: as long as nobody is watched, nothing is amiss.
                self._up = False
                self._listener.feed_down(FeedName.DIALOG_INFO, "nothing was told yet")
            self._note(agent, Phone.UNKNOWN)
            self._send.send_nowait(agent)

    async def run(self) -> None:
        """Keep the listener told for ever."""
        if self._up:
            self._listener.feed_up(FeedName.DIALOG_INFO, [])
        async with trio.open_nursery() as nursery:
            async for agent in self._receive:
                nursery.start_soon(self._follow, agent)

    async def _follow(self, agent: AgentId) -> None:
        try:
            async with self._watch(agent) as updates:
                async for update in updates:
                    self._take(agent, update)
        except BindingTooSmall as error:
            self._tell_full(str(error))

    def _tell_full(self, why: str) -> None:
        """Once: everybody who comes after that one has no room either."""
        if not self._full:
            self._full = True
            log.error("agents are not watched, and so not ready", action="feed.full", why=why)

    def _take(self, agent: AgentId, update: ExtensionUpdate) -> None:
        if update.state is ExtensionState.UNKNOWN:
            log.warning(
                "an agent's phone is unknown",
                action="feed.agent_unknown",
                agent=agent,
                why=update.detail,
            )
        self._note(agent, PHONES[update.state])
        if self._up and not self._tells:
            self._up = False
            self._listener.feed_down(FeedName.DIALOG_INFO, update.detail)
        elif self._tells and not self._up:
            self._up = True
            self._listener.feed_up(FeedName.DIALOG_INFO, starmap(_sighting, self._phones.items()))

    @property
    def _tells(self) -> bool:
        """Whether the PBX says something of anybody."""
        return any(phone is not Phone.UNKNOWN for phone in self._phones.values())

    def _note(self, agent: AgentId, phone: Phone) -> None:
        self._phones[agent] = phone
        self._listener.saw(FeedName.DIALOG_INFO, _sighting(agent, phone))


def _sighting(agent: AgentId, phone: Phone) -> Sighting:
    return Sighting(agent=agent, phone=phone)
