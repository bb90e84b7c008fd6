from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd.rules.definition import CampaignDefinition
from acd.rules.eligibility import LASTING, WAITS, LeadSnapshot, LeadState, Rule, judge

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
"""A Monday, 13:00 in Vienna."""
FRESH = LeadSnapshot(
    state=LeadState.WAITING,
    zones=("Europe/Vienna",),
    has_usable_number=True,
    on_dnc=False,
    stale_dnc_lists=(),
    attempts=0,
    next_attempt_at=NOW,
    last_ended_at=None,
    recent_starts=(),
)
DEFINITION = CampaignDefinition.model_validate(
    {
        "agents": {"extensions": ["201"]},
        "calling_hours": {"monday": ["09:00-20:00"], "tuesday": ["09:00-20:00"]},
        "max_attempts": 5,
        "max_attempts_per_day": 2,
        "gap_seconds": 3600,
    }
)


def test_a_fresh_lead_inside_its_hours_may_be_dialed_now() -> None:
    verdict = judge(FRESH, DEFINITION, NOW)
    assert verdict.eligible
    assert verdict.dialable_at == NOW


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        (Rule.LEAD_STATE, {"state": LeadState.REVIEW}),
        (Rule.NUMBERS, {"has_usable_number": False}),
        (Rule.DNC, {"on_dnc": True}),
        (Rule.DNC_LIST_STALE, {"stale_dnc_lists": ("robinson",)}),
        (Rule.ATTEMPTS, {"attempts": 5}),
        (Rule.CALLING_HOURS, {"zones": ()}),
    ],
)
def test_what_no_waiting_satisfies_names_no_time(rule: Rule, changes: dict[str, object]) -> None:
    verdict = judge(replace(FRESH, **changes), DEFINITION, NOW)  # type: ignore[arg-type] # of each field its own type
    assert [check.rule for check in verdict.blocking] == [rule]
    assert verdict.dialable_at is None


@pytest.mark.parametrize(
    ("rule", "changes", "minutes"),
    [
        (Rule.RETRY_WAIT, {"next_attempt_at": NOW + timedelta(minutes=7)}, 7),
        (Rule.GAP, {"last_ended_at": NOW - timedelta(minutes=50)}, 10),
        (
            Rule.ATTEMPTS_PER_DAY,
            {"recent_starts": [NOW - timedelta(hours=23), NOW - timedelta(hours=22)]},
            60,
        ),
    ],
)
def test_what_time_satisfies_names_the_time(
    rule: Rule, changes: dict[str, object], minutes: int
) -> None:
    verdict = judge(replace(FRESH, **changes), DEFINITION, NOW)  # type: ignore[arg-type] # of each field its own type
    assert [check.rule for check in verdict.blocking] == [rule]
    assert verdict.dialable_at == NOW + timedelta(minutes=minutes)


def test_after_hours_the_lead_waits_for_the_next_opening() -> None:
    verdict = judge(FRESH, DEFINITION, NOW + timedelta(hours=8))
    assert [check.rule for check in verdict.blocking] == [Rule.CALLING_HOURS]
    assert verdict.dialable_at == datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


times = st.integers(-60 * 24, 60 * 24 * 3).map(lambda minutes: NOW + timedelta(minutes=minutes))


@given(
    next_attempt_at=times,
    last_ended_at=st.none() | times,
    recent_starts=st.lists(times.filter(lambda at: at <= NOW), max_size=4),
    zones=st.sampled_from(
        [("Europe/Vienna",), ("America/New_York", "America/Chicago"), ("Asia/Tokyo",)]
    ),
)
@settings(deadline=None)
def test_the_time_that_is_named_is_the_time_at_which_the_lead_may_go(
    next_attempt_at: datetime,
    last_ended_at: datetime | None,
    recent_starts: list[datetime],
    zones: tuple[str, ...],
) -> None:
    lead = replace(
        FRESH,
        next_attempt_at=next_attempt_at,
        last_ended_at=last_ended_at,
        recent_starts=recent_starts,
        zones=zones,
    )
    verdict = judge(lead, DEFINITION, NOW)
    assert verdict.dialable_at is not None
    assert judge(lead, DEFINITION, verdict.dialable_at).eligible
    if verdict.dialable_at > NOW:
        just_before = verdict.dialable_at - timedelta(seconds=1)
        assert not judge(lead, DEFINITION, just_before).eligible
        assert not verdict.eligible


def test_every_rule_is_asked_once() -> None:
    asked = [*LASTING, *WAITS, Rule.CALLING_HOURS]
    assert sorted(asked) == sorted(Rule)
    assert [check.rule for check in judge(FRESH, DEFINITION, NOW).checks] == asked


@given(
    state=st.sampled_from(LeadState),
    has_usable_number=st.booleans(),
    on_dnc=st.booleans(),
    attempts=st.integers(0, 9),
    next_attempt_at=times,
    callback_at=st.none() | times,
    last_abandoned_at=st.none() | times,
    zones=st.sampled_from([("Europe/Vienna",), ("Asia/Tokyo",), ()]),
)
@settings(deadline=None)
def test_a_lead_is_eligible_where_no_rule_blocks_it(**seen: Any) -> None:
    verdict = judge(replace(FRESH, **seen), DEFINITION, NOW)
    assert verdict.eligible is (not verdict.blocking)
