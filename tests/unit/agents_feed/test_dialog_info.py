from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from acd.agents import AgentId, AgentState, FeedName
from acd.agents_feed.dialog_info import PHONES, DialogInfoFeed
from acd.agents_feed.merged import MergedFeed, open_merged_feed
from acd.errors import BindingTooSmall
from acd.lines import ExtensionState, ExtensionUpdate, ExtensionUpdates
from acd.metrics import Metrics

ANNA, BERT, CARL = AgentId("101"), AgentId("102"), AgentId("103")


class Pbx:
    """Says what the test says; it has room for two."""

    def __init__(self) -> None:
        self._says: dict[str, trio.MemorySendChannel[ExtensionUpdate]] = {}

    @asynccontextmanager
    async def watch(self, extension: str) -> AsyncIterator[ExtensionUpdates]:
        if len(self._says) == 2:
            raise BindingTooSmall("3 extensions are to be watched, but this pjsua2 holds 2")
        send, receive = trio.open_memory_channel[ExtensionUpdate](float("inf"))
        self._says[extension] = send
        async with receive:
            yield receive

    async def says(self, agent: AgentId, state: ExtensionState, detail: str = "") -> None:
        self._says[agent].send_nowait(ExtensionUpdate(at_seconds=0, state=state, detail=detail))
        await trio.testing.wait_all_tasks_blocked()


class Side:
    """A merged feed that has subscriptions alone."""

    def __init__(self, merged: MergedFeed, pbx: Pbx, metrics: Metrics) -> None:
        self.merged = merged
        self.pbx = pbx
        self._metrics = metrics

    def states(self, *agents: AgentId) -> list[AgentState]:
        return [self.merged.state_of(agent) for agent in agents]

    @property
    def is_up(self) -> float | None:
        return self._metrics.registry.get_sample_value("acd_feed_up", {"feed": "dialog_info"})


@pytest.fixture
async def side() -> AsyncIterator[Side]:
    metrics, pbx = Metrics(), Pbx()
    async with open_merged_feed(metrics, [FeedName.DIALOG_INFO]) as merged:
        feed = DialogInfoFeed(pbx.watch, merged)
        merged.tell_asked(feed.ask)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed.run)
            made = Side(merged, pbx, metrics)
            await trio.testing.wait_all_tasks_blocked()
            made.states(ANNA, BERT)
            await trio.testing.wait_all_tasks_blocked()
            yield made
            nursery.cancel_scope.cancel()


def test_every_state_of_an_extension_is_a_phones() -> None:
    assert set(PHONES) == set(ExtensionState)


async def test_nobody_is_ready_before_the_pbx_has_said_so(side: Side) -> None:
    assert side.states(ANNA, BERT) == [AgentState.NOT_READY, AgentState.NOT_READY]
    assert side.is_up == 0
    await side.pbx.says(ANNA, ExtensionState.IDLE)
    assert side.states(ANNA, BERT) == [AgentState.READY, AgentState.NOT_READY]
    assert side.is_up == 1


async def test_as_long_as_nobody_is_watched_nothing_is_amiss() -> None:
    metrics, pbx = Metrics(), Pbx()
    async with (
        open_merged_feed(metrics, [FeedName.DIALOG_INFO]) as merged,
        trio.open_nursery() as nursery,
    ):
        feed = DialogInfoFeed(pbx.watch, merged)
        merged.tell_asked(feed.ask)
        nursery.start_soon(feed.run)
        await trio.testing.wait_all_tasks_blocked()
        side = Side(merged, pbx, metrics)
        assert side.is_up == 1
        with capture_logs() as lines:
            assert side.states(ANNA) == [AgentState.NOT_READY]
        assert side.is_up == 0
        assert lines == [], "nothing was lost"
        nursery.cancel_scope.cancel()


async def test_the_phone_is_followed(side: Side) -> None:
    for state, expected in (
        (ExtensionState.RINGING, AgentState.NOT_READY),
        (ExtensionState.IN_USE, AgentState.ON_CALL),
        (ExtensionState.IDLE, AgentState.READY),
        (ExtensionState.UNAVAILABLE, AgentState.LOGGED_OFF),
    ):
        await side.pbx.says(ANNA, state)
        assert side.states(ANNA) == [expected]


async def test_one_subscription_that_is_lost_is_one_agent_who_is_not_ready(side: Side) -> None:
    for agent in (ANNA, BERT):
        await side.pbx.says(agent, ExtensionState.IDLE)
    await side.pbx.says(ANNA, ExtensionState.UNKNOWN, "SUBSCRIBE was answered 481")
    assert side.states(ANNA, BERT) == [AgentState.NOT_READY, AgentState.READY]
    assert side.is_up == 1


async def test_a_pbx_that_says_nothing_of_anybody_is_a_lost_feed_until_it_does(side: Side) -> None:
    for agent in (ANNA, BERT):
        await side.pbx.says(agent, ExtensionState.IDLE)
    for agent in (ANNA, BERT):
        await side.pbx.says(agent, ExtensionState.UNKNOWN, "the PBX does not answer")
    assert side.states(ANNA, BERT) == [AgentState.NOT_READY, AgentState.NOT_READY]
    assert side.is_up == 0
    await side.pbx.says(BERT, ExtensionState.IDLE)
    assert side.states(ANNA, BERT) == [AgentState.NOT_READY, AgentState.READY]
    assert side.is_up == 1


async def test_more_agents_than_can_be_watched_are_not_ready_and_one_line_says_why(
    side: Side,
) -> None:
    with capture_logs() as lines:
        side.states(CARL, AgentId("104"))
        await trio.testing.wait_all_tasks_blocked()
    assert side.states(CARL) == [AgentState.NOT_READY]
    (line,) = [line for line in lines if line["action"] == "feed.full"]
    assert line["why"] == "3 extensions are to be watched, but this pjsua2 holds 2"
