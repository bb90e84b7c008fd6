from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from acd.calls import DisconnectCause
from acd.lines import events
from acd.rules.dispositions import (
    ANSWERED,
    DEFAULT_RULES,
    TRANSFERRED,
    UNANSWERED,
    Disposition,
    RetryAction,
    RetryDecision,
    RetryHistory,
    RetryRule,
    TransferOutcome,
    decide_retry,
    disposition_of,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RETRY = RetryRule(action=RetryAction.RETRY, after_seconds=60)


def test_every_cause_has_a_disposition_with_and_without_an_answer() -> None:
    assert set(UNANSWERED) == set(DisconnectCause)
    assert set(ANSWERED) == set(DisconnectCause)


def test_every_disposition_has_a_rule() -> None:
    assert set(DEFAULT_RULES) == set(Disposition)


def test_every_transfer_outcome_has_a_disposition_and_a_result_class() -> None:
    assert set(TRANSFERRED) == set(TransferOutcome)
    results = set(TransferOutcome) - {TransferOutcome.WITH_PBX}
    classes = {f"Transfer{outcome.value.title().replace('_', '')}" for outcome in results}
    assert classes == {
        name for name in dir(events) if name.startswith("Transfer") and name != "TransferResult"
    }


def test_no_default_redials_what_nobody_saw_end() -> None:
    assert DEFAULT_RULES[Disposition.UNKNOWN].action is RetryAction.REVIEW


@pytest.mark.parametrize(
    ("cause", "answered", "abandoned", "transfer", "expected"),
    [
        (DisconnectCause.BUSY, False, False, None, Disposition.BUSY),
        (DisconnectCause.NORMAL, True, False, None, Disposition.LEAD_HUNG_UP),
        (DisconnectCause.NORMAL, True, True, None, Disposition.ABANDONED),
        (DisconnectCause.HUNG_UP, True, True, TransferOutcome.REFUSED, Disposition.ABANDONED),
        (None, True, False, None, Disposition.UNKNOWN),
        (
            DisconnectCause.TRANSFERRED,
            True,
            False,
            TransferOutcome.ANSWERED,
            Disposition.HANDED_OVER,
        ),
        (
            DisconnectCause.NORMAL,
            True,
            False,
            TransferOutcome.UNCONFIRMED,
            Disposition.HANDED_OVER_UNCONFIRMED,
        ),
    ],
)
def test_an_attempt_has_one_disposition(
    cause: DisconnectCause | None,
    answered: bool,
    abandoned: bool,
    transfer: TransferOutcome | None,
    expected: Disposition,
) -> None:
    found = disposition_of(cause=cause, answered=answered, abandoned=abandoned, transfer=transfer)
    assert found is expected


def decide(rule: RetryRule, **changes: Any) -> RetryDecision:
    history = RetryHistory(
        **{
            "attempts": 1,
            "times_this_disposition": 1,
            "position": 0,
            "usable_positions": [0],
            **changes,
        }
    )
    return decide_retry(
        rule, disposition=Disposition.BUSY, history=history, max_attempts=3, now=NOW
    )


def test_a_retry_waits_as_long_as_its_rule_says() -> None:
    assert decide(RETRY).next_attempt_at == NOW + timedelta(seconds=60)


def test_numbers_are_tried_in_order_round_and_round() -> None:
    assert decide(RETRY, usable_positions=[0, 2]).next_position == 2
    assert decide(RETRY, position=2, usable_positions=[0, 2]).next_position == 0


@pytest.mark.parametrize(
    ("rule", "changes", "reason"),
    [
        (RETRY, {"attempts": 3}, "attempts_exhausted"),
        (
            RetryRule(action=RetryAction.RETRY, max_times=2),
            {"times_this_disposition": 2},
            "retries_exhausted",
        ),
        (RetryRule(action=RetryAction.NEXT_NUMBER), {}, "no_usable_number"),
        (RetryRule(action=RetryAction.CLOSE), {}, "busy"),
    ],
)
def test_a_lead_is_closed_for_a_reason(
    rule: RetryRule, changes: dict[str, Any], reason: str
) -> None:
    decision = decide(rule, **changes)
    assert (decision.action, decision.reason) == (RetryAction.CLOSE, reason)


def test_a_dead_number_is_left_for_the_next_one() -> None:
    decision = decide(RetryRule(action=RetryAction.NEXT_NUMBER), usable_positions=[0, 1])
    assert decision.number_is_dead
    assert (decision.action, decision.next_position) == (RetryAction.RETRY, 1)
