from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from acd.clock import local_day, local_midnight

EUROPE = "CET-1CEST,M3.5.0,M10.5.0/3"
"""Its clock is changed on 29 March and 25 October 2026."""
CAIRO = "EET-2EEST,M4.5.5/0,M10.5.4/24"
"""24 April 2026 begins at 01:00."""
CALIFORNIA = "PST8PDT,M3.2.0,M11.1.0"


@pytest.mark.parametrize(
    ("moment", "midnight"),
    [
        (datetime(2026, 3, 29, 8, 0, tzinfo=UTC), datetime(2026, 3, 28, 23, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 8, 0, tzinfo=UTC), datetime(2026, 10, 24, 22, 0, tzinfo=UTC)),
        (datetime(2026, 11, 23, 8, 0, tzinfo=UTC), datetime(2026, 11, 22, 23, 0, tzinfo=UTC)),
        (datetime(2026, 7, 1, 22, 0, tzinfo=UTC), datetime(2026, 7, 1, 22, 0, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_its_midnight_also_when_the_clock_is_changed_after_it(
    machine_in: Callable[[str], None], moment: datetime, midnight: datetime
) -> None:
    machine_in(EUROPE)
    assert local_midnight(moment) == midnight


def test_a_day_whose_midnight_is_skipped_begins_when_the_clock_is_put_forward(
    machine_in: Callable[[str], None],
) -> None:
    machine_in(CAIRO)
    begins = datetime(2026, 4, 23, 22, 0, tzinfo=UTC)
    assert local_midnight(datetime(2026, 4, 24, 8, 0, tzinfo=UTC)) == begins
    assert local_midnight(begins) == begins


def test_the_day_is_the_one_on_the_wall(machine_in: Callable[[str], None]) -> None:
    machine_in(CALIFORNIA)
    assert local_day(datetime(2026, 11, 24, 1, 0, tzinfo=UTC)) == date(2026, 11, 23)
