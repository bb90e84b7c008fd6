"""What the calling hours say about the number that a 3xx names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from acd.calls import DisconnectCause
from acd.dialer.redirects import why_closed
from acd.rules.definition import HoursTable

TUESDAY_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAYTIME = HoursTable(tuesday=("09:00-20:00",)).hours


@pytest.mark.parametrize(
    ("e164", "closed"),
    [
        ("+43150564200", ""),
        ("+12125550123", "closed in America/New_York"),
        ("+6499876543", "closed in Pacific/Auckland"),
        ("+80012345678", "its time zone is unknown"),
    ],
)
def test_a_number_is_judged_by_its_own_clock(e164: str, closed: str) -> None:
    refused = why_closed(e164, DAYTIME, TUESDAY_NOON)
    assert (refused.sentence if refused else "").endswith(closed)
    assert (refused is None) == (not closed)
    assert refused is None or e164 not in refused.sentence


@pytest.mark.parametrize(
    ("e164", "cause"),
    [
        ("+6499876543", DisconnectCause.TEMPORARY_FAILURE),
        ("+80012345678", DisconnectCause.FORWARDED),
    ],
)
def test_only_a_number_that_is_never_open_speaks_against_the_leads_own(
    e164: str, cause: DisconnectCause
) -> None:
    refused = why_closed(e164, DAYTIME, TUESDAY_NOON)
    assert refused is not None
    assert refused.cause is cause
