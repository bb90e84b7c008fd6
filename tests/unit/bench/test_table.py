from __future__ import annotations

from dataclasses import dataclass, replace
from io import StringIO

import pytest
from rich.console import Console

from bench.answer_to_agent import AnswerToAgent, delays_of
from bench.protocol import Effort, Figure, Judge, Measured
from bench.registry import BENCHES, LONG_BENCHES
from bench.table import Row, rows_of, table_of

LATENCY = Figure(key="acd", title="acd.sip", unit="ms", target=2.0, ratio_to="bare")
BARE = Figure(key="bare", title="bare loop", unit="ms")


def row(figure: Figure, *runs: Measured) -> Row:
    return rows_of([figure], runs)[0]


def test_a_row_has_the_median_and_the_ends_of_its_runs() -> None:
    found = row(LATENCY, {"acd": 1.0}, {"acd": 5.0}, {"acd": 2.0})
    assert found.value is not None
    assert (found.value.lowest, found.value.median, found.value.highest) == (1.0, 2.0, 5.0)


def test_a_target_is_held_against_the_median() -> None:
    assert row(LATENCY, {"acd": 1.0}, {"acd": 5.0}, {"acd": 2.0}).verdict == "reached"


def test_a_promise_of_none_is_held_against_the_worst_run() -> None:
    none_failed = Figure(
        key="failed", title="failed", unit="", target=0.0, judge=Judge.WORST, decimals=0
    )
    runs = ({"failed": 0.0}, {"failed": 3.0}, {"failed": 0.0})
    assert row(none_failed, *runs).verdict == "short by 3"


def test_what_is_missed_is_told_in_the_figures_unit() -> None:
    assert row(LATENCY, {"acd": 2.5}).verdict == "short by 0.50 ms"


def test_a_miss_below_the_rows_precision_is_none() -> None:
    assert row(LATENCY, {"acd": 2.004}).verdict == "reached"


def test_a_ratio_is_the_median_of_each_runs_own() -> None:
    slow_run, quick_run = {"acd": 30.0, "bare": 10.0}, {"acd": 2.0, "bare": 1.0}
    ratio = row(LATENCY, slow_run, quick_run, quick_run).ratio
    assert ratio is not None
    assert ratio.median == 2.0


def test_a_ratio_may_be_what_is_promised() -> None:
    figure = Figure(key="acd", title="", unit="ms", ratio_to="bare", ratio_target=1.5)
    assert row(figure, {"acd": 3.0, "bare": 2.0}).verdict == "reached"
    assert row(figure, {"acd": 4.0, "bare": 2.0}).verdict == "short by 0.50 x"


RATE = Figure(key="rate", title="calls", unit="/s", at_least=99.0, decimals=1)


def test_at_least_so_much_is_reached_by_that_and_by_more() -> None:
    assert row(RATE, {"rate": 99.0}).verdict == "reached"
    assert row(RATE, {"rate": 120.0}).verdict == "reached"


def test_less_than_at_least_is_told_in_the_figures_unit() -> None:
    assert row(RATE, {"rate": 97.5}).verdict == "short by 1.5 /s"
    assert row(RATE, {"rate": 98.96}).verdict == "reached", "a miss that rounding hides"
    assert row(RATE).verdict == "not measured"


def test_at_least_so_much_is_held_against_the_median_or_the_lowest_run() -> None:
    runs = ({"rate": 100.0}, {"rate": 90.0}, {"rate": 101.0})
    assert row(RATE, *runs).verdict == "reached"
    assert row(replace(RATE, judge=Judge.WORST), *runs).verdict == "short by 9.0 /s"


def test_the_table_shows_at_least_as_such() -> None:
    table = table_of("bench", [(TwoFigures(), [row(RATE, {"rate": 97.0})])])
    with (console := Console(file=StringIO(), width=200)).capture() as shown:
        console.print(table)
    assert "≥ 99 /s" in shown.get()
    assert "short by 2.0 /s" in shown.get()


def test_what_no_run_measured_is_said_to_be_so() -> None:
    assert row(LATENCY).verdict == "not measured"
    assert row(BARE).verdict == ""


def test_a_run_without_the_figure_does_not_spoil_the_others() -> None:
    found = row(LATENCY, {"bare": 1.0}, {"acd": 2.0, "bare": 1.0})
    assert found.runs == 1
    assert found.ratio is not None
    assert found.ratio.median == 2.0


@dataclass(frozen=True)
class TwoFigures:
    name: str = "two"
    title: str = "Two figures"
    figures: tuple[Figure, ...] = (BARE, LATENCY)

    def run(self, effort: Effort) -> Measured:
        return {"bare": 1.0 * effort.share, "acd": 3.0 * effort.share}


def test_the_table_shows_value_target_ratio_and_result() -> None:
    bench = TwoFigures()
    runs = [bench.run(Effort()), bench.run(Effort())]
    paper = StringIO()
    table = table_of("bench", [(bench, rows_of(bench.figures, runs))])
    Console(file=paper, width=150).print(table)
    line = next(line for line in paper.getvalue().splitlines() if "acd.sip" in line)
    for cell in ("3.00 ms", "3.00 - 3.00", "≤ 2 ms", "3.00 x", "short by 1.00 ms"):
        assert cell in line


@pytest.mark.parametrize("bench", [*BENCHES, *LONG_BENCHES], ids=lambda bench: str(bench.name))
def test_every_bench_compares_with_figures_of_its_own(bench: TwoFigures) -> None:
    keys = [figure.key for figure in bench.figures]
    assert len(set(keys)) == len(keys)
    assert {figure.ratio_to for figure in bench.figures} - {""} <= set(keys)


def test_a_floor_whose_agents_nobody_reached_has_a_row_for_it_all_the_same() -> None:
    found = delays_of([], "queue.60", calls=3)
    rows = {row.figure.key: row for row in rows_of(AnswerToAgent().figures, [found])}
    assert rows["queue.60.not_joined"].verdict == "short by 3"
    assert rows["queue.60.agent.p99"].value is None
    assert rows["queue.60.agent.p99"].verdict == ""


def test_no_two_benches_have_one_name() -> None:
    names = [bench.name for bench in (*BENCHES, *LONG_BENCHES)]
    assert len(set(names)) == len(names)
