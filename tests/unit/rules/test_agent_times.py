from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from acd.agents import AgentState
from acd.rules.agent_times import StateChange, state_times

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)


@given(
    st.lists(
        st.tuples(st.integers(-7200, 7200), st.sampled_from(AgentState), st.sampled_from("ab")),
        min_size=1,
    ),
    st.integers(1, 7200),
)
def test_every_second_after_the_first_change_belongs_to_one_state(
    moves: list[tuple[int, AgentState, str]], lasts: int
) -> None:
    moves.sort(key=lambda move: move[0])
    changes = [
        StateChange(at=NOON + timedelta(seconds=at), state=state, reason=reason)
        for at, state, reason in moves
    ]
    until = NOON + timedelta(seconds=lasts)
    times = state_times(changes, since=NOON, until=until)
    known = (until - max(NOON, changes[0].at)).total_seconds()
    assert sum(times.seconds.values()) == max(0, known)
    assert sum(times.pauses.values()) == times.in_states(AgentState.NOT_READY)


def test_nothing_is_known_of_who_never_changed() -> None:
    times = state_times([], since=NOON, until=NOON + timedelta(hours=1))
    assert (times.seconds, times.occupancy) == ({}, None)
