"""`python -m bench`: run the benches, print one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.machine import OTHERS, OthersWatch
from bench.protocol import Bench, BenchError, Effort, Measured
from bench.registry import BENCHES, LONG_BENCHES
from bench.table import Row, rows_of, table_of

DEFAULT_RUNS = 5
_QUICK = Effort(0.3)
_NAMES = tuple(bench.name for bench in (*BENCHES, *LONG_BENCHES))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one bench came to."""

    bench: Bench
    rows: list[Row]
    complaints: list[str]


@click.command(epilog="Example: python -m bench --only wire --runs 3")
@click.option("--runs", type=click.IntRange(1), help=f"Runs a bench; {DEFAULT_RUNS} by default.")
@click.option("--quick", is_flag=True, help="One short run of each, some minutes.")
@click.option(
    "--endurance", is_flag=True, help="Ten minutes at 200 calls/s, and ten on hold, as well."
)
@click.option("--only", multiple=True, type=click.Choice(_NAMES), help="Just this bench.")
@click.option("--json", "as_json", is_flag=True, help="For machines, instead of the table.")
def main(
    runs: int | None, quick: bool, endurance: bool, only: Sequence[str], as_json: bool
) -> None:
    """Measure acd beside what it is to be compared with.

    Nothing is asserted: the table says what was reached, and what is short of its target by how
    much. Peers and callers talk on 127.99.x.x; needs SIPp, tcpdump and, for some rows, root.
    """
    effort = _QUICK if quick else Effort()
    times = runs or (1 if quick else DEFAULT_RUNS)
    short = [bench for bench in BENCHES if not only or bench.name in only]
    long = [b for b in LONG_BENCHES if b.name in only or (endurance and not only)]
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        outcomes = [_measure(bench, times, effort, progress) for bench in short]
        outcomes += [_measure(bench, 1, effort, progress) for bench in long]
    if as_json:
        click.echo(json.dumps([_plain(outcome) for outcome in outcomes], indent=2))
    else:
        _print(outcomes, times)


def _measure(bench: Bench, times: int, effort: Effort, progress: Progress) -> Outcome:
    measured: list[Measured] = []
    complaints: list[str] = []
    task = progress.add_task("", total=times)
    for number in range(1, times + 1):
        progress.update(task, description=f"{bench.title}: run {number} of {times}")
        try:
            with OthersWatch() as others:
                found = bench.run(effort)
            measured.append({**found, OTHERS.key: others.percent})
        except BenchError as error:
            complaints.append(f"{bench.name}, run {number}: {error}")
        progress.advance(task)
    return Outcome(bench, rows_of((*bench.figures, OTHERS), measured), complaints)


def _print(outcomes: Sequence[Outcome], times: int) -> None:
    # As wide as its rows where it is written to a file: a log has no edge.
    console = Console() if Console().is_terminal else Console(width=150)
    said = "one run" if times == 1 else f"median of {times} runs"
    console.print(table_of(f"bench: {said}", [(o.bench, o.rows) for o in outcomes]))
    for outcome in outcomes:
        for complaint in outcome.complaints:
            console.print(complaint, style="red", markup=False)


def _plain(outcome: Outcome) -> dict[str, object]:
    return {
        "bench": outcome.bench.name,
        "figures": [_plain_row(row) for row in outcome.rows],
        "complaints": outcome.complaints,
    }


def _plain_row(row: Row) -> dict[str, object]:
    return {
        **asdict(row.figure),
        "runs": row.runs,
        "value": asdict(row.value) if row.value else None,
        "ratio": asdict(row.ratio) if row.ratio else None,
        "verdict": row.verdict,
    }


if __name__ == "__main__":
    main()
