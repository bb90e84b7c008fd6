from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.dialer.pacing import (
    MIN_QUEUED,
    LineWants,
    PacingSnapshot,
    agents_for,
    calls_beyond,
    calls_to_start,
    calls_to_withdraw,
    each_has_an_agent,
    lines_to_ask_for,
    ramped,
)

counts = st.integers(0, 2000)


PLAIN = PacingSnapshot(
    ready_agents=5,
    certain_agents=5,
    unanswered_calls=0,
    waiting_persons=0,
    lines_to_ask_for=30,
    leads_at_hand=100,
)


def snapshot(**changes: Any) -> PacingSnapshot:
    """Agents whom no other campaign's calls could come to need, unless told otherwise."""
    certain = changes.get("ready_agents", PLAIN.ready_agents)
    return replace(PLAIN, **{"certain_agents": certain, **changes})


def test_one_call_for_each_ready_agent() -> None:
    assert calls_to_start(snapshot()) == 5


def test_calls_under_way_and_people_waiting_count_against_ready_agents() -> None:
    assert calls_to_start(snapshot(unanswered_calls=2, waiting_persons=1)) == 2


def test_no_more_than_lines_and_leads() -> None:
    assert calls_to_start(snapshot(lines_to_ask_for=3)) == 3
    assert calls_to_start(snapshot(leads_at_hand=1)) == 1


@pytest.mark.parametrize(
    ("ready", "unanswered", "queued", "waiting", "withdrawn"),
    [
        (2, 2, 0, 0, 0),
        (1, 2, 0, 0, 1),
        (0, 2, 0, 0, 2),
        (1, 3, 2, 0, 0),  # those that wait for a line are not dialed at all
        (2, 2, 0, 1, 1),  # who waits already is served first
        (0, 1, 0, 5, 1),
    ],
)
def test_calls_whose_agents_have_left_are_withdrawn_and_no_others(
    ready: int, unanswered: int, queued: int, waiting: int, withdrawn: int
) -> None:
    seen = snapshot(
        ready_agents=ready,
        unanswered_calls=unanswered,
        queued_calls=queued,
        waiting_persons=waiting,
    )
    assert calls_to_withdraw(seen) == withdrawn


@given(counts, counts, counts, counts, counts)
def test_progressive_never_dials_for_an_agent_who_is_not_ready(
    ready: int, unanswered: int, waiting: int, lines: int, leads: int
) -> None:
    started = calls_to_start(
        snapshot(
            ready_agents=ready,
            unanswered_calls=unanswered,
            waiting_persons=waiting,
            lines_to_ask_for=lines,
            leads_at_hand=leads,
        )
    )
    assert 0 <= started <= min(lines, leads)
    assert started == 0 or started + unanswered + waiting <= ready


def ratio(calls_per_agent: str, **changes: Any) -> PacingSnapshot:
    return replace(snapshot(**changes), calls_per_agent=Decimal(calls_per_agent))


def test_a_ratio_is_held_back_by_the_ledger() -> None:
    assert calls_to_start(ratio("3", over_dial_room=0)) == 5
    assert calls_to_start(ratio("3", over_dial_room=4)) == 9
    assert calls_to_start(ratio("3", over_dial_room=99)) == 15


def test_an_agent_whom_the_call_of_another_campaign_may_come_to_need_is_no_certain_one() -> None:
    assert calls_to_start(ratio("3", certain_agents=2)) == 2
    assert calls_to_start(ratio("3", certain_agents=2, over_dial_room=4)) == 6
    assert calls_to_start(ratio("3", certain_agents=0, over_dial_room=0)) == 0


def test_a_broken_ratio_is_rounded_down() -> None:
    assert calls_to_start(ratio("1.5", over_dial_room=99)) == 7


def test_nobody_ready_starts_nothing() -> None:
    assert calls_to_start(ratio("3", ready_agents=0, over_dial_room=99)) == 0


@given(counts, counts, counts, counts, st.decimals(1, 20, places=1))
def test_calls_beyond_the_ready_agents_never_exceed_the_headroom(
    ready: int, unanswered: int, waiting: int, headroom: int, calls_per_agent: Decimal
) -> None:
    started = calls_to_start(
        snapshot(
            ready_agents=ready,
            unanswered_calls=unanswered,
            waiting_persons=waiting,
            lines_to_ask_for=999,
            leads_at_hand=999,
            calls_per_agent=calls_per_agent,
            over_dial_room=headroom,
        )
    )
    assert started == 0 or started + unanswered + waiting - ready <= headroom


def test_agents_who_leave_make_calls_too_many() -> None:
    assert calls_beyond(snapshot(unanswered_calls=5)) == 0
    assert calls_beyond(snapshot(unanswered_calls=5, ready_agents=3)) == 2
    assert calls_beyond(snapshot(unanswered_calls=4, waiting_persons=1, ready_agents=0)) == 5
    assert calls_to_start(snapshot(unanswered_calls=5, ready_agents=3)) == 0


def test_what_the_ledger_still_bears_may_stay() -> None:
    assert calls_beyond(ratio("3", unanswered_calls=9, over_dial_room=4)) == 0
    assert calls_beyond(ratio("3", unanswered_calls=9, over_dial_room=1)) == 3


@given(counts, counts, counts, counts, st.decimals(1, 20, places=1))
def test_nothing_is_started_while_anything_is_too_much(
    ready: int, unanswered: int, waiting: int, headroom: int, calls_per_agent: Decimal
) -> None:
    seen = snapshot(
        ready_agents=ready,
        unanswered_calls=unanswered,
        waiting_persons=waiting,
        calls_per_agent=calls_per_agent,
        over_dial_room=headroom,
    )
    assert not (calls_beyond(seen) and calls_to_start(seen))


def test_the_ramp_goes_from_one_to_the_ratio() -> None:
    levels = [
        ramped(Decimal(3), staffed_seconds=seconds, ramp_seconds=60) for seconds in (0, 30, 60, 99)
    ]
    assert levels == [1, 2, 3, 3]
    assert ramped(Decimal(3), staffed_seconds=0, ramp_seconds=0) == 3


@given(st.decimals(1, 20, places=1), st.floats(0, 7200), st.floats(0, 7200), st.floats(0, 3600))
def test_the_ramp_never_falls_and_never_passes_the_ratio(
    top: Decimal, earlier: float, later: float, ramp_seconds: float
) -> None:
    earlier, later = sorted((earlier, later))
    low = ramped(top, staffed_seconds=earlier, ramp_seconds=ramp_seconds)
    high = ramped(top, staffed_seconds=later, ramp_seconds=ramp_seconds)
    assert 1 <= low <= high <= top


def wants(**changes: Any) -> LineWants:
    plain = LineWants(attempts=0, queued=0, line_limit=None, calls_per_second=1.0)
    return replace(plain, **changes)


def test_a_few_attempts_always_wait_for_a_line() -> None:
    assert lines_to_ask_for(wants(attempts=999)) == MIN_QUEUED
    assert lines_to_ask_for(wants(queued=MIN_QUEUED - 1)) == 1
    assert lines_to_ask_for(wants(queued=MIN_QUEUED)) == 0
    assert lines_to_ask_for(wants(calls_per_second=100.0)) == 50


def test_a_campaigns_own_limit_counts_all_its_attempts() -> None:
    assert lines_to_ask_for(wants(line_limit=3)) == 3
    assert lines_to_ask_for(wants(line_limit=3, attempts=2, queued=1)) == 1
    assert lines_to_ask_for(wants(line_limit=3, attempts=5)) == 0


@given(
    agents=st.integers(1, 50),
    headroom=st.integers(0, 20),
    level=st.decimals(1, 20, places=1),
)
def test_the_agents_whom_calls_need_are_those_for_whom_they_are_started(
    agents: int, headroom: int, level: Decimal
) -> None:
    calls = calls_to_start(
        snapshot(
            ready_agents=agents,
            lines_to_ask_for=999,
            leads_at_hand=999,
            calls_per_agent=level,
            over_dial_room=headroom,
        )
    )
    needed = agents_for(calls, calls_per_agent=level, ledger_headroom=headroom)
    assert needed <= agents
    assert agents_for(calls + 1, calls_per_agent=level, ledger_headroom=headroom) > agents
    assert agents_for(calls, calls_per_agent=level, ledger_headroom=0) == calls


@given(
    certain=st.integers(0, 50),
    others=st.integers(0, 9),
    unanswered=st.integers(0, 50),
    waiting=st.integers(0, 50),
    level=st.decimals(1, 20, places=2),
    headroom=st.integers(0, 50),
)
def test_where_each_call_has_an_agent_none_is_beyond(
    certain: int, others: int, unanswered: int, waiting: int, level: Decimal, headroom: int
) -> None:
    seen = snapshot(
        ready_agents=certain + others,
        certain_agents=certain,
        unanswered_calls=unanswered,
        waiting_persons=waiting,
        calls_per_agent=level,
        over_dial_room=headroom,
    )
    if each_has_an_agent(
        certain_agents=certain, unanswered_calls=unanswered, waiting_persons=waiting
    ):
        assert calls_beyond(seen) == 0
