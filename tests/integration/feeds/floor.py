"""A feed on a real Asterisk, and what it has told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from pydantic import SecretStr

from acd.agents import AgentId, AgentState, AgentUpdate
from acd.agents_feed.dialog_info import Watch
from acd.agents_feed.merged import MergedFeed
from acd.app import open_feeds
from acd.metrics import Metrics
from acd.settings import AmiSettings, FeedsSettings
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import MANAGER, MANAGER_SECRET

BOUND_SECONDS = 20.0


async def hand_over(addresses: Addresses, extension: str) -> None:
    """SIPp dials a lead and refers it to an extension or a queue."""
    dialer = phones.dialer_refers(
        addresses.dialer, addresses.pbx, number=phones.ANSWERS, extension=extension
    )
    with dialer:
        await trio.to_thread.run_sync(dialer.wait, 20)


class Told:
    """Everything that a feed has told so far, and its metrics."""

    def __init__(self, feed: MergedFeed, metrics: Metrics) -> None:
        self.feed = feed
        self.metrics = metrics
        self.updates: list[AgentUpdate] = []
        self.at_seconds: list[float] = []
        """When each update came, on the wall clock that the wire has too."""
        self._news = trio.Event()

    async def read(self) -> None:
        async for update in self.feed.updates:
            self.updates.append(update)
            self.at_seconds.append(time.time())
            self._news.set()
            self._news = trio.Event()

    async def wait_news(self) -> None:
        await self._news.wait()

    def states(self, extension: str) -> list[AgentState]:
        """The states of one agent, in order, each once."""
        states: list[AgentState] = []
        for update in self.updates:
            if update.agent == extension and states[-1:] != [update.state]:
                states.append(update.state)
        return states

    def now(self, extension: str) -> AgentState:
        return self.feed.state_of(AgentId(extension))

    async def until(self, extension: str, state: AgentState) -> AgentUpdate:
        """The update with which this agent came into this state; the present one counts."""
        with trio.move_on_after(BOUND_SECONDS):
            while True:
                of_agent = [update for update in self.updates if update.agent == extension]
                if of_agent and of_agent[-1].state is state:
                    return of_agent[-1]
                await self._news.wait()
        raise AssertionError(f"{extension} never was {state}; told were {self.updates}")

    def is_up(self) -> bool:
        return self.metrics.registry.get_sample_value("acd_feed_up", {"feed": "ami"}) == 1


def manager(host: str, port: int = 5038, **changes: object) -> FeedsSettings:
    """As `[feeds.ami]` with the documented account."""
    ami = AmiSettings(host=host, port=port, user=MANAGER, password=SecretStr(MANAGER_SECRET))
    return FeedsSettings(ami=ami.model_copy(update=changes))


@asynccontextmanager
async def told(settings: FeedsSettings, *, watch: Watch | None = None) -> AsyncIterator[Told]:
    """A feed with these settings, read all the time; `watch` is a trunk's."""
    metrics = Metrics()
    async with open_feeds(settings, metrics, watch=watch) as feed, trio.open_nursery() as nursery:
        told = Told(feed, metrics)
        nursery.start_soon(told.read)
        yield told
        nursery.cancel_scope.cancel()
