from __future__ import annotations

import pytest
import trio
import trio.testing

from acd.beat import BEAT_SECONDS, next_beat


@pytest.mark.parametrize(
    ("beats", "after", "expected"),
    [
        (1, 0.0, 0.02),
        (1, 0.019, 0.02),
        (1, 0.03, 0.04),
        (5, 0.03, 0.1),
        (5, 12.34, 12.4),
        (2, 7.05, 7.08),
    ],
)
def test_the_next_beat_is_the_first_of_its_grid_after_the_moment(
    beats: int, after: float, expected: float
) -> None:
    assert next_beat(beats, after=after) == pytest.approx(expected)


async def test_waits_of_different_steps_end_together(
    autojump_clock: trio.testing.MockClock,
) -> None:
    await trio.sleep(0.013)
    ends = {next_beat(), next_beat(after=0.015)}
    assert len(ends) == 1
    await trio.sleep_until(next_beat(2))
    assert trio.current_time() == pytest.approx(2 * BEAT_SECONDS)
