from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from acd.dialer.pacing import PacingSnapshot, calls_to_start

counts = st.integers(0, 2000)


PLAIN = PacingSnapshot(
    ready_agents=5, unanswered_calls=0, waiting_persons=0, free_lines=30, leads_at_hand=100
)


def snapshot(**changes: Any) -> PacingSnapshot:
    return replace(PLAIN, **changes)


def test_one_call_for_each_ready_agent() -> None:
    assert calls_to_start(snapshot()) == 5


def test_calls_under_way_and_people_waiting_count_against_ready_agents() -> None:
    assert calls_to_start(snapshot(unanswered_calls=2, waiting_persons=1)) == 2


def test_no_more_than_lines_and_leads() -> None:
    assert calls_to_start(snapshot(free_lines=3)) == 3
    assert calls_to_start(snapshot(leads_at_hand=1)) == 1


@given(counts, counts, counts, counts, counts)
def test_progressive_never_dials_for_an_agent_who_is_not_ready(
    ready: int, unanswered: int, waiting: int, lines: int, leads: int
) -> None:
    started = calls_to_start(
        PacingSnapshot(
            ready_agents=ready,
            unanswered_calls=unanswered,
            waiting_persons=waiting,
            free_lines=lines,
            leads_at_hand=leads,
        )
    )
    assert 0 <= started <= min(lines, leads)
    assert started == 0 or started + unanswered + waiting <= ready


def ratio(calls_per_agent: str, **changes: Any) -> PacingSnapshot:
    return replace(snapshot(**changes), calls_per_agent=Decimal(calls_per_agent))


def test_a_ratio_is_held_back_by_the_ledger() -> None:
    assert calls_to_start(ratio("3", ledger_headroom=0)) == 5
    assert calls_to_start(ratio("3", ledger_headroom=4)) == 9
    assert calls_to_start(ratio("3", ledger_headroom=99)) == 15


def test_a_broken_ratio_is_rounded_down() -> None:
    assert calls_to_start(ratio("1.5", ledger_headroom=99)) == 7


def test_nobody_ready_starts_nothing() -> None:
    assert calls_to_start(ratio("3", ready_agents=0, ledger_headroom=99)) == 0


@given(counts, counts, counts, counts, st.decimals(1, 20, places=1))
def test_calls_beyond_the_ready_agents_never_exceed_the_headroom(
    ready: int, unanswered: int, waiting: int, headroom: int, calls_per_agent: Decimal
) -> None:
    started = calls_to_start(
        PacingSnapshot(
            ready_agents=ready,
            unanswered_calls=unanswered,
            waiting_persons=waiting,
            free_lines=999,
            leads_at_hand=999,
            calls_per_agent=calls_per_agent,
            ledger_headroom=headroom,
        )
    )
    assert started == 0 or started + unanswered + waiting - ready <= headroom
