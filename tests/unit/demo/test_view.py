"""Figures read off a real registry, their pace, and what is drawn of them."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest
from rich.console import Console

from acd.agents import AgentState
from acd.calls import CallState
from acd.demo.figures import Figures, Pace, figures_of, read_samples
from acd.demo.view import WIDTH, Moment, as_line, clock, render
from acd.metrics import Metrics
from acd.rules.dispositions import Disposition


class Lines:
    expired_leases = 0
    size = free = 5

    def states(self) -> Mapping[CallState, int]:
        return {CallState.RINGBACK: 2, CallState.IDLE: 3}

    def holders(self) -> Mapping[str, int]:
        return {"demo": 2}

    def oldest_ended_seconds(self) -> float:
        return 0.0

    def lease(self, *, holder: str, deadline_seconds: float) -> object:
        raise AssertionError


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.know_trunk("lab", Lines())
    made.know_campaign("demo")
    made.agents.labels(AgentState.ON_CALL).set(4)
    made.originates.labels("demo").inc(9)
    made.live_answers.labels("demo").inc(4)
    made.abandoned.labels("demo").inc(1)
    made.dispositions.labels("demo", Disposition.HANDED_OVER).inc(3)
    made.dispositions.labels("demo", Disposition.BUSY).inc(2)
    for wait_seconds in (0.4, 0.6):
        made.answer_to_agent_seconds.labels("demo").observe(wait_seconds)
    return made


def figures(metrics: Metrics, *, at_seconds: float = 0.0) -> Figures:
    samples = read_samples(metrics.registry)
    return figures_of(samples, campaign="demo", trunk="lab", at_seconds=at_seconds)


def moment(seen: Figures, *, stopping: bool = False) -> Moment:
    return Moment(
        figures=seen,
        leads=40,
        elapsed_seconds=65.4,
        calls_per_second=7.25,
        seconds_left=31.0,
        metrics_address="http://127.0.0.1:9464",
        stopping=stopping,
    )


def drawn(shown: Moment) -> str:
    console = Console(width=WIDTH, file=io.StringIO(), force_terminal=False)
    with console.capture() as captured:
        console.print(render(shown))
    return captured.get()


def test_figures_are_those_of_a_scrape(metrics: Metrics) -> None:
    seen = figures(metrics)

    assert (seen.lines[CallState.RINGBACK], seen.lines[CallState.IDLE]) == (2, 3)
    assert seen.agents[AgentState.ON_CALL] == 4
    assert (seen.originates, seen.live_answers, seen.abandoned, seen.closed) == (9, 4, 1, 5)
    assert seen.abandon_rate == 0.25
    assert seen.mean_wait_seconds == pytest.approx(0.5)


def test_before_the_campaign_has_begun_everything_is_0() -> None:
    seen = figures(Metrics())

    assert (seen.closed, seen.abandon_rate, seen.mean_wait_seconds) == (0, None, None)
    assert "0 of 40" in drawn(moment(seen))


def test_calls_a_second_and_time_left_come_from_what_moved(metrics: Metrics) -> None:
    pace = Pace()
    pace.note(figures(metrics, at_seconds=0.0))
    metrics.originates.labels("demo").inc(8)
    metrics.dispositions.labels("demo", Disposition.BUSY).inc(5)
    pace.note(figures(metrics, at_seconds=2.0))

    assert pace.calls_per_second() == 4.0
    assert pace.seconds_left(leads=40) == pytest.approx(12.0)


def test_nobody_knows_the_time_left_while_nothing_moves(metrics: Metrics) -> None:
    pace = Pace()
    assert (pace.calls_per_second(), pace.seconds_left(leads=40)) == (0.0, None)
    pace.note(figures(metrics))

    assert (pace.calls_per_second(), pace.seconds_left(leads=40)) == (0.0, None)


def test_the_view_says_everything_that_was_promised(metrics: Metrics) -> None:
    text = drawn(moment(figures(metrics)))

    for promised in (
        *("Lines", "ringing", "free", "Agents", "on call", "wrap up", "Dispositions"),
        *("handed over", "busy", "abandon rate", "25.0%", "calls a second", "7.2"),
        *("5 of 40 leads in 1:05", "about 0:31 left", "http://127.0.0.1:9464/metrics"),
    ):
        assert promised in text
    assert max(len(line) for line in text.splitlines()) == WIDTH


def test_the_view_says_that_it_stops(metrics: Metrics) -> None:
    text = drawn(moment(figures(metrics), stopping=True))

    assert "stopping" in text
    assert "left" not in text


def test_without_a_terminal_it_is_one_line(metrics: Metrics) -> None:
    assert as_line(moment(figures(metrics))) == (
        "1:05  5 of 40 leads closed, 2 lines busy, 4 agents on a call, "
        "1 abandoned of 4 live answers"
    )


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (125, "2:05")])
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
