from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.statistics import Spread, paired_ratios, percentile, spread_of

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1)


def test_a_percentile_is_the_nearest_rank() -> None:
    hundred = [float(number) for number in range(100, 0, -1)]
    assert percentile(hundred, 50) == 50
    assert percentile(hundred, 99) == 99
    assert percentile(hundred, 100) == 100


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 1) == percentile([7.0], 99) == 7.0


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@given(VALUES, st.integers(1, 100))
def test_a_percentile_was_really_measured_and_covers_its_share(
    values: list[float], percent: int
) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)


@given(VALUES)
def test_a_spread_is_in_order(values: list[float]) -> None:
    spread = spread_of(values)
    assert spread.lowest <= spread.median <= spread.highest


def test_a_spread_tells_median_and_both_ends() -> None:
    assert spread_of([3.0, 1.0, 9.0, 2.0, 4.0]) == Spread(3.0, 1.0, 9.0)


def test_ratios_are_those_of_each_run() -> None:
    assert paired_ratios([2.0, 8.0], [1.0, 2.0]) == [2.0, 4.0]


def test_a_baseline_of_nothing_has_no_ratio() -> None:
    assert paired_ratios([2.0, 8.0], [0.0, 2.0]) == [4.0]
