"""The same promises of a feed, kept by the clock, by a script and by a real Asterisk's manager.

A `Side` has two agents, 101 and 102, and gives one of them a person for a moment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest
import trio

from acd.agents import AgentFeed, AgentId, AgentState, FeedName, Phone
from acd.agents_feed.merged import MergedFeed, open_merged_feed
from acd.agents_feed.sightings import Sighting
from acd.app import open_feeds
from acd.metrics import Metrics
from acd.settings import FeedsSettings
from tests.integration.feeds.floor import manager
from tests.integration.sip.call_centre import open_engine
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import open_centre
from tests.peers.sipp.runner import Sipp

ANNA, BERT = AgentId("101"), AgentId("102")
TALK_SECONDS = 0.3


class Side(Protocol):
    """Whoever keeps the promises."""

    @property
    def feed(self) -> AgentFeed: ...

    async def hand_over(self, agent: AgentId) -> None:
        """Give them a person; they talk for `TALK_SECONDS`."""
        ...


class ClockSide:
    """Nobody sees any phone."""

    def __init__(self, feed: MergedFeed) -> None:
        self.feed: AgentFeed = feed

    async def hand_over(self, agent: AgentId) -> None:
        await trio.lowlevel.checkpoint()
        self.feed.handed_over(agent, handle_seconds=TALK_SECONDS)


class ScriptedSide:
    """A PBX's words, said by the test."""

    def __init__(self, feed: MergedFeed) -> None:
        self.feed: AgentFeed = feed
        self._merged = feed
        idle = [Sighting(agent=agent, phone=Phone.IDLE) for agent in (ANNA, BERT)]
        feed.feed_up(FeedName.AMI, idle)

    async def hand_over(self, agent: AgentId) -> None:
        for phone in (Phone.RINGING, Phone.IN_USE):
            self._merged.saw(FeedName.AMI, Sighting(agent=agent, phone=phone))
        self.feed.handed_over(agent, handle_seconds=3600)
        await trio.sleep(TALK_SECONDS)
        self._merged.saw(FeedName.AMI, Sighting(agent=agent, phone=Phone.IDLE))


class AsteriskSide:
    """Phones and a lead played by SIPp, and acd's part of the call too."""

    def __init__(self, feed: MergedFeed, addresses: Addresses) -> None:
        self.feed: AgentFeed = feed
        self._addresses = addresses

    async def hand_over(self, agent: AgentId) -> None:
        here = self._addresses
        dialer = phones.dialer_refers(here.dialer, here.pbx, number=phones.ANSWERS, extension=agent)
        with dialer:
            await trio.to_thread.run_sync(dialer.wait, 20)
        self.feed.handed_over(agent, handle_seconds=3600)


def desks_of(addresses: Addresses) -> list[Sipp]:
    return [
        phones.agent_answers(address, ring_ms=100, talk_ms=int(TALK_SECONDS * 1000))
        for address in (addresses.agent_101, addresses.agent_102)
    ]


async def until_ready(feed: MergedFeed) -> None:
    for agent in (ANNA, BERT):
        while feed.state_of(agent) is not AgentState.READY:
            await feed.updates.receive()


@asynccontextmanager
async def asterisk_side() -> AsyncIterator[AsteriskSide]:
    """Told by the manager interface."""
    addresses = Addresses.free()
    async with (
        open_centre(addresses, *desks_of(addresses)),
        open_feeds(manager(addresses.pbx), Metrics()) as feed,
    ):
        await until_ready(feed)
        yield AsteriskSide(feed, addresses)


@asynccontextmanager
async def dialog_info_side() -> AsyncIterator[AsteriskSide]:
    """Told by subscriptions alone."""
    addresses = Addresses.free()
    async with (
        open_centre(addresses, *desks_of(addresses)),
        # SIPp dials from the dialer's own address.
        open_engine(addresses, bind_address="127.0.0.1") as (_, trunk),
        open_feeds(FeedsSettings(), Metrics(), watch=trunk.watch) as feed,
    ):
        await until_ready(feed)
        yield AsteriskSide(feed, addresses)


@pytest.fixture(
    params=[
        *("clock", "script"),
        pytest.param("asterisk", marks=pytest.mark.real),
        pytest.param("dialog_info", marks=pytest.mark.real),
    ]
)
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    if request.param == "dialog_info":
        async with dialog_info_side() as subscribed:
            yield subscribed
    elif request.param == "asterisk":
        async with asterisk_side() as asterisk:
            yield asterisk
    elif request.param == "script":
        async with open_merged_feed(Metrics(), [FeedName.AMI], confirm_seconds=0.5) as merged:
            yield ScriptedSide(merged)
    else:
        async with open_feeds(FeedsSettings(), Metrics()) as merged:
            yield ClockSide(merged)
