from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.calls import (
    LIVE,
    OVER,
    STARTS,
    TRANSITIONS,
    CallEvent,
    CallProgress,
    CallState,
    DisconnectCause,
    next_state,
)
from acd.errors import IllegalTransition

ENDINGS = {CallEvent.HANG_UP, CallEvent.FAILED}


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(CallState)


def test_every_event_is_used() -> None:
    assert {event for row in TRANSITIONS.values() for event in row} == set(CallEvent)


def test_every_state_is_reached_from_a_start() -> None:
    reached, todo = set(STARTS), list(STARTS)
    while todo:
        for state in TRANSITIONS[todo.pop()].values():
            if state not in reached:
                reached.add(state)
                todo.append(state)
    assert reached == set(CallState)


@pytest.mark.parametrize("state", sorted(set(CallState) - OVER))
def test_every_state_that_is_not_over_can_be_hung_up_and_can_fail(state: CallState) -> None:
    assert {next_state(state, event) for event in ENDINGS} == {CallState.DISCONNECTED}


@pytest.mark.parametrize("state", sorted(LIVE))
def test_a_person_on_the_leg_can_hang_up(state: CallState) -> None:
    assert next_state(state, CallEvent.REMOTE_BYE) is CallState.DISCONNECTED


def test_183_after_180_keeps_ringing() -> None:
    assert next_state(CallState.RINGBACK, CallEvent.PROGRESS) is CallState.RINGBACK


def test_a_step_outside_the_table_raises_and_changes_nothing() -> None:
    call = CallProgress(CallState.DIALING)
    with pytest.raises(IllegalTransition, match="dialing cannot take the event refer_sent"):
        call.apply(CallEvent.REFER_SENT)
    assert call == CallProgress(CallState.DIALING)


def test_the_first_cause_wins_and_late_events_are_counted() -> None:
    call = CallProgress(CallState.CONNECTED)
    assert call.apply(CallEvent.REMOTE_BYE, DisconnectCause.NORMAL)
    assert not call.apply(CallEvent.HANG_UP, DisconnectCause.HUNG_UP)
    assert (call.cause, call.late_events) == (DisconnectCause.NORMAL, 1)


@given(st.lists(st.sampled_from(CallEvent)), st.sampled_from(sorted(STARTS)))
def test_any_events_leave_at_most_one_cause_and_never_leave_idle(
    events: list[CallEvent], start: CallState
) -> None:
    call, causes = CallProgress(start), list(DisconnectCause)
    first_cause = None
    for number, event in enumerate(events):
        before = call.state
        try:
            call.apply(event, causes[number % len(causes)])
        except IllegalTransition:
            assert call.state is before
        if first_cause is None:
            first_cause = call.cause
        assert call.cause is first_cause
        assert not (before is CallState.IDLE and call.state is not CallState.IDLE)
