from __future__ import annotations

import itertools

import pytest

from acd.agents import AGENT_STATES, AGENT_TRANSITIONS, AgentState, Phone, Word, steps

PAIRS = list(itertools.product(AgentState, AgentState))


def test_every_agent_state_has_a_row_and_is_reached() -> None:
    assert set(AGENT_TRANSITIONS) == set(AgentState)
    assert set().union(*AGENT_TRANSITIONS.values()) == set(AgentState)


def test_only_a_ready_agent_can_be_reserved() -> None:
    sources = {state for state, row in AGENT_TRANSITIONS.items() if AgentState.RESERVED in row}
    assert sources == {AgentState.READY}


@pytest.mark.parametrize(("start", "end"), PAIRS)
def test_whatever_is_seen_is_reached_by_legal_steps(start: AgentState, end: AgentState) -> None:
    way = [start, *steps(start, end)]
    assert way[-1] is end
    assert all(there in AGENT_TRANSITIONS[here] for here, there in itertools.pairwise(way))
    assert len(way) == len(set(way))


@pytest.mark.parametrize(("start", "end"), PAIRS)
def test_nobody_is_reserved_on_the_way(start: AgentState, end: AgentState) -> None:
    assert AgentState.RESERVED not in steps(start, end)[:-1]


def test_every_word_and_phone_make_a_state() -> None:
    assert set(AGENT_STATES) == set(Word)
    for row in AGENT_STATES.values():
        assert set(row) == set(Phone)


def test_only_an_idle_phone_whose_agent_is_willing_is_ready() -> None:
    ready = {
        (word, phone)
        for word, row in AGENT_STATES.items()
        for phone, state in row.items()
        if state is AgentState.READY
    }
    assert ready == {(Word.NONE, Phone.IDLE), (Word.READY, Phone.IDLE)}


def test_no_feed_reserves() -> None:
    assert AgentState.RESERVED not in {s for row in AGENT_STATES.values() for s in row.values()}
