from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from acd.agents import AgentId, AgentState, FeedName, Phone, Word
from acd.agents_feed.merged import MergedFeed, open_merged_feed
from acd.agents_feed.sightings import Sighting
from acd.app_words import DESKTOP_GONE, DesktopWords
from acd.metrics import Metrics
from acd.store.agents import AgentRow

ANNA = AgentRow(
    agent_id=1,
    name="anna",
    extension="201",
    display_name="",
    skills=frozenset(),
    campaign_ids=frozenset(),
    priority=0,
    wanted=AgentState.READY,
    state=AgentState.READY,
    reason="",
    since=datetime(2026, 11, 2, tzinfo=UTC),
    feed="command",
    version=1,
    wraps_up_until=None,
)
HER_PHONE = AgentId("201")


@pytest.fixture
async def feed() -> AsyncIterator[MergedFeed]:
    """Asterisk says that her phone is idle."""
    async with open_merged_feed(Metrics(), [FeedName.AMI, FeedName.HTTP]) as merged:
        merged.feed_up(FeedName.AMI, [Sighting(agent=HER_PHONE, phone=Phone.IDLE)])
        yield merged


async def test_who_has_no_desktop_any_more_is_not_ready_until_it_is_back(feed: MergedFeed) -> None:
    words = DesktopWords(feed)
    words.desktop_gone(ANNA)
    assert feed.state_of(HER_PHONE) is AgentState.NOT_READY
    assert feed.reason_of(HER_PHONE) == DESKTOP_GONE
    words.desktop_back("anna")
    assert feed.state_of(HER_PHONE) is AgentState.READY


async def test_what_a_desktop_had_said_holds_again_once_it_is_back(feed: MergedFeed) -> None:
    words = DesktopWords(feed)
    for word, state in ((Word.WRAP_UP, AgentState.WRAP_UP), (Word.NOT_READY, AgentState.NOT_READY)):
        words.said(ANNA, word, "tea")
        words.desktop_gone(ANNA)
        assert (feed.state_of(HER_PHONE), feed.reason_of(HER_PHONE)) == (state, "tea")
        words.desktop_back("anna")
        assert (feed.state_of(HER_PHONE), feed.reason_of(HER_PHONE)) == (state, "tea")


async def test_who_shall_not_be_ready_anyway_stays_what_they_are(feed: MergedFeed) -> None:
    words = DesktopWords(feed)
    words.desktop_gone(replace(ANNA, wanted=AgentState.LOGGED_OFF))
    assert feed.reason_of(HER_PHONE) == ""


async def test_a_command_has_the_last_word_also_about_a_desktop_that_is_gone(
    feed: MergedFeed,
) -> None:
    words = DesktopWords(feed)
    words.desktop_gone(ANNA)
    words.check([ANNA])
    assert feed.state_of(HER_PHONE) is AgentState.NOT_READY
    words.check([replace(ANNA, version=2)])
    assert feed.state_of(HER_PHONE) is AgentState.READY
