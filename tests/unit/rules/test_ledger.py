from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from acd.rules.ledger import LedgerCounts, headroom

THREE = Decimal(3)


def counts(live_answers: int, abandoned: int = 0) -> LedgerCounts:
    return LedgerCounts(live_answers=live_answers, abandoned=abandoned)


def test_there_is_no_over_dial_before_34_live_answers() -> None:
    assert headroom(counts(33), limit_percent=THREE) == 0
    assert headroom(counts(34), limit_percent=THREE) == 1


def test_what_was_abandoned_already_is_spent() -> None:
    assert headroom(counts(100), limit_percent=THREE) == 3
    assert headroom(counts(100, abandoned=3), limit_percent=THREE) == 0
    assert headroom(counts(100, abandoned=9), limit_percent=THREE) == 0


def test_a_limit_of_nothing_never_over_dials() -> None:
    assert headroom(counts(10_000), limit_percent=Decimal(0)) == 0


@given(st.integers(0, 10**6), st.integers(0, 10**4), st.decimals(0, 100, places=2))
def test_spending_the_whole_headroom_keeps_the_window(
    live: int, abandoned: int, limit: Decimal
) -> None:
    room = headroom(counts(live, abandoned), limit_percent=limit)
    if room:
        assert 100 * (abandoned + room) <= limit * live
