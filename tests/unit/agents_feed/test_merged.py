from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from acd.agents import (
    PHONE_FEEDS,
    WORD_FEEDS,
    AgentId,
    AgentState,
    AgentUpdate,
    FeedName,
    Phone,
    QueueSeen,
    Word,
)
from acd.agents_feed.merged import MergedFeed, open_merged_feed
from acd.agents_feed.sightings import Sighting
from acd.beat import BEAT_SECONDS
from acd.metrics import Metrics

ANNA = AgentId("101")
NEW = AgentId("199")
HTTP, AMI, DIALOG_INFO = FeedName.HTTP, FeedName.AMI, FeedName.DIALOG_INFO


def seen(phone: Phone | None = None, word: Word = Word.NONE, agent: AgentId = ANNA) -> Sighting:
    return Sighting(agent=agent, phone=phone, word=word)


def told(feed: MergedFeed) -> list[AgentState]:
    return [update.state for update in all_told(feed)]


def all_told(feed: MergedFeed) -> list[AgentUpdate]:
    updates: list[AgentUpdate] = []
    while True:
        try:
            updates.append(feed.updates.receive_nowait())
        except trio.WouldBlock:
            return updates


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def merged(metrics: Metrics) -> AsyncIterator[MergedFeed]:
    async with open_merged_feed(metrics, [HTTP, AMI, DIALOG_INFO], confirm_seconds=5) as feed:
        yield feed


def test_every_feed_has_its_place_in_the_precedence() -> None:
    assert {*PHONE_FEEDS, *WORD_FEEDS, FeedName.FIXED} == set(FeedName)
    assert len(set(PHONE_FEEDS)) == len(PHONE_FEEDS)
    assert len(set(WORD_FEEDS)) == len(WORD_FEEDS)


async def test_before_a_feed_has_told_nobody_is_ready(merged: MergedFeed) -> None:
    assert merged.state_of(ANNA) is AgentState.NOT_READY


async def test_whom_no_feed_knows_is_told_by_the_clock(
    merged: MergedFeed, autojump_clock: trio.testing.MockClock
) -> None:
    assert merged.state_of(NEW) is AgentState.NOT_READY
    for feed in (AMI, DIALOG_INFO):
        merged.feed_up(feed, [seen(Phone.IDLE)])
    assert merged.state_of(NEW) is AgentState.READY
    assert told(merged) == [AgentState.READY, AgentState.READY], "Anna and the new one"
    started = trio.current_time()
    merged.handed_over(NEW, handle_seconds=45)
    assert (await merged.updates.receive()).state is AgentState.WRAP_UP
    assert (await merged.updates.receive()).state is AgentState.READY
    assert 45 <= trio.current_time() - started < 45 + 2 * BEAT_SECONDS


async def test_the_first_feed_that_sees_a_phone_is_believed(merged: MergedFeed) -> None:
    merged.feed_up(DIALOG_INFO, [seen(Phone.IDLE)])
    assert merged.state_of(ANNA) is AgentState.NOT_READY, "AMI has not said whose she is"
    merged.feed_up(AMI, [seen(Phone.IN_USE)])
    assert merged.state_of(ANNA) is AgentState.ON_CALL
    merged.saw(DIALOG_INFO, seen(Phone.RINGING))
    assert merged.state_of(ANNA) is AgentState.ON_CALL


async def test_a_lost_feed_makes_its_agents_not_ready_and_says_so(
    merged: MergedFeed, metrics: Metrics
) -> None:
    merged.feed_up(DIALOG_INFO, [])
    merged.feed_up(AMI, [seen(Phone.IDLE)])
    assert metrics.registry.get_sample_value("acd_feed_up", {"feed": "ami"}) == 1
    merged.feed_down(AMI, "cut")
    assert metrics.registry.get_sample_value("acd_feed_up", {"feed": "ami"}) == 0
    merged.feed_up(AMI, [])
    assert merged.state_of(ANNA) is AgentState.NOT_READY, "AMI answers for her, and can't see her"
    merged.saw(AMI, seen(Phone.IDLE))
    assert told(merged) == [AgentState.READY, AgentState.NOT_READY, AgentState.READY]


async def test_the_agents_own_word_counts_on_top_of_the_phone(merged: MergedFeed) -> None:
    merged.feed_up(AMI, [seen(Phone.IDLE)])
    for word, phone, expected in (
        (Word.NOT_READY, Phone.IDLE, AgentState.NOT_READY),
        (Word.NOT_READY, Phone.IN_USE, AgentState.ON_CALL),
        (Word.WRAP_UP, Phone.IDLE, AgentState.WRAP_UP),
        (Word.READY, Phone.UNAVAILABLE, AgentState.LOGGED_OFF),
        (Word.LOGGED_OFF, Phone.IDLE, AgentState.LOGGED_OFF),
        (Word.READY, Phone.IDLE, AgentState.READY),
    ):
        merged.saw(HTTP, seen(word=word))
        merged.saw(AMI, seen(phone))
        assert merged.state_of(ANNA) is expected


async def test_a_word_that_the_first_feed_has_not_heard_is_taken_from_the_next(
    merged: MergedFeed,
) -> None:
    merged.feed_up(AMI, [seen(Phone.IDLE, Word.NOT_READY)])
    assert merged.state_of(ANNA) is AgentState.NOT_READY
    merged.saw(HTTP, seen(word=Word.READY))
    assert merged.state_of(ANNA) is AgentState.READY


async def test_somebody_said_to_have_a_person_whose_phone_is_idle_is_told_again(
    merged: MergedFeed, autojump_clock: trio.testing.MockClock
) -> None:
    merged.feed_up(AMI, [seen(Phone.IDLE)])
    assert told(merged) == [AgentState.READY]
    started = trio.current_time()
    merged.handed_over(ANNA, handle_seconds=600)
    update = await merged.updates.receive()
    assert update.state is AgentState.READY
    assert trio.current_time() - started == pytest.approx(5)


async def test_a_queue_is_told_by_its_name_and_takes_nobody_while_its_feed_is_lost(
    merged: MergedFeed, autojump_clock: trio.testing.MockClock
) -> None:
    sales = QueueSeen(usable=2, persons=1)
    merged.feed_up(AMI, [], {"sales": sales})
    merged.feed_down(AMI, "cut")
    merged.feed_up(AMI, [])
    queues = [update.queue for update in all_told(merged)]
    assert queues == [sales, QueueSeen(usable=0, persons=None), QueueSeen(usable=0, persons=0)]


async def test_a_place_of_a_queue_that_is_seen_is_not_told_by_the_clock(
    merged: MergedFeed, autojump_clock: trio.testing.MockClock
) -> None:
    sales = QueueSeen(usable=2, persons=1)
    for feed in (AMI, DIALOG_INFO):
        merged.feed_up(feed, [], {"sales": sales} if feed is AMI else {})
    all_told(merged)
    place = AgentId("sales#1")
    merged.handed_over(place, handle_seconds=600)
    again = await merged.updates.receive()
    assert (again.agent, again.queue) == ("sales", sales)
    assert merged.state_of(place) is AgentState.READY
