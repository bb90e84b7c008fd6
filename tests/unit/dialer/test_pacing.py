from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from acd.dialer.pacing import PacingSnapshot, calls_to_start

counts = st.integers(0, 2000)


def snapshot(**changes: int) -> PacingSnapshot:
    fields = {
        "ready_agents": 5,
        "unanswered_calls": 0,
        "waiting_persons": 0,
        "free_lines": 30,
        "leads_at_hand": 100,
    }
    return PacingSnapshot(**(fields | changes))


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
