"""What every `AgentFeed` promises to the roster."""

from __future__ import annotations

import itertools

import trio

from acd.agents import AgentId, AgentState, AgentUpdate
from tests.contract.feeds.conftest import ANNA, BERT, TALK_SECONDS, Side

BOUND_SECONDS = 20.0


async def told(side: Side, agent: AgentId) -> list[AgentUpdate]:
    """Everything from now on until this agent is ready again after having been something else."""
    updates: list[AgentUpdate] = []
    with trio.fail_after(BOUND_SECONDS):
        async for update in side.feed.updates:
            updates.append(update)
            states = [u.state for u in updates if u.agent == agent]
            if len(set(states)) > 1 and states[-1] is AgentState.READY:
                break
    return updates


async def hand_over(side: Side, agent: AgentId) -> list[AgentUpdate]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(side.hand_over, agent)
        return await told(side, agent)


async def test_everybody_who_is_free_is_ready(side: Side) -> None:
    assert side.feed.state_of(ANNA) is AgentState.READY
    assert side.feed.state_of(BERT) is AgentState.READY


async def test_who_was_given_a_person_is_ready_again_when_they_are_done(side: Side) -> None:
    started = trio.current_time()
    updates = await hand_over(side, ANNA)
    assert trio.current_time() - started >= TALK_SECONDS
    assert updates[-1].state is AgentState.READY
    assert side.feed.state_of(ANNA) is AgentState.READY


async def test_nobody_is_ready_while_they_have_a_person(side: Side) -> None:
    states = [update.state for update in await hand_over(side, ANNA) if update.agent == ANNA]
    busy = list(itertools.dropwhile(lambda state: state is AgentState.READY, states))
    assert AgentState.READY not in busy[:-1]


async def test_no_feed_reserves_anybody(side: Side) -> None:
    updates = await hand_over(side, ANNA)
    assert AgentState.RESERVED not in {update.state for update in updates}


async def test_one_agents_call_says_nothing_about_another(side: Side) -> None:
    updates = await hand_over(side, ANNA)
    assert {update.state for update in updates if update.agent == BERT} <= {AgentState.READY}
    assert side.feed.state_of(BERT) is AgentState.READY


async def test_a_second_person_is_followed_like_the_first(side: Side) -> None:
    for _ in range(2):
        updates = await hand_over(side, ANNA)
        assert updates[-1].state is AgentState.READY
