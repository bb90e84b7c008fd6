"""Runs → rows → one table. `rows_of` is pure; `table_of` only dresses it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from bench.protocol import Bench, Figure, Judge, Measured
from bench.statistics import Spread, paired_ratios, spread_of

REACHED = "reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure as several runs measured it."""

    figure: Figure
    runs: int
    value: Spread | None
    """None: no run measured it."""
    ratio: Spread | None

    @property
    def verdict(self) -> str:
        """`reached`, `short by …`, or nothing where nothing was promised."""
        figure = self.figure
        if figure.target is None and figure.at_least is None and figure.ratio_target is None:
            return ""
        if self.value is None:
            return "not measured"
        parts = [
            _short_by(self.value, figure.target, figure, f" {figure.unit}"),
            # At least so much is at most so much of the opposite.
            _short_by(-self.value, _opposite(figure.at_least), figure, f" {figure.unit}"),
            _short_by(self.ratio, figure.ratio_target, figure, " x"),
        ]
        said = [part for part in parts if part]
        missed = [part for part in said if part != REACHED]
        return "; ".join(missed) if missed else REACHED


def rows_of(figures: Sequence[Figure], runs: Sequence[Measured]) -> list[Row]:
    return [_row(figure, runs) for figure in figures]


def _row(figure: Figure, runs: Sequence[Measured]) -> Row:
    values = [run[figure.key] for run in runs if figure.key in run]
    both = [run for run in runs if figure.key in run and figure.ratio_to in run]
    ratios = paired_ratios([r[figure.key] for r in both], [r[figure.ratio_to] for r in both])
    return Row(
        figure=figure,
        runs=len(values),
        value=spread_of(values) if values else None,
        ratio=spread_of(ratios) if ratios else None,
    )


def _short_by(spread: Spread | None, target: float | None, figure: Figure, unit: str) -> str:
    if target is None:
        return ""
    if spread is None:
        return "not measured"
    held = spread.highest if figure.judge is Judge.WORST else spread.median
    # A miss that the row's own rounding would hide is none.
    miss = round(held - target, figure.decimals)
    return f"short by {miss:.{figure.decimals}f}{unit}".rstrip() if miss > 0 else REACHED


def _opposite(value: float | None) -> float | None:
    return None if value is None else -value


def table_of(title: str, benches: Sequence[tuple[Bench, Sequence[Row]]]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("figure")
    for name in ("median", "min - max", "target", "ratio"):
        table.add_column(name, justify="right")
    table.add_column("result")
    for bench, rows in benches:
        table.add_section()
        table.add_row(f"[bold]{bench.title}[/bold]")
        for row in rows:
            table.add_row(f"  {row.figure.title}", *_cells(row), _coloured(row.verdict))
    return table


def _cells(row: Row) -> tuple[str, str, str, str]:
    figure, value = row.figure, row.value
    if value is None:
        return "-", "", _target(figure), ""
    places = figure.decimals
    median = f"{value.median:.{places}f} {figure.unit}"
    between = f"{value.lowest:.{places}f} - {value.highest:.{places}f}" if row.runs > 1 else ""
    return median, between, _target(figure), f"{row.ratio.median:.2f} x" if row.ratio else ""


def _target(figure: Figure) -> str:
    told = []
    if figure.target is not None:
        told.append(f"≤ {figure.target:g} {figure.unit}")
    if figure.at_least is not None:
        told.append(f"≥ {figure.at_least:g} {figure.unit}")
    if figure.ratio_target is not None:
        told.append(f"≤ {figure.ratio_target:g} x")
    return ", ".join(told)


def _coloured(verdict: str) -> str:
    if verdict == REACHED:
        return f"[green]{verdict}[/green]"
    return f"[red]{verdict}[/red]" if verdict else ""
