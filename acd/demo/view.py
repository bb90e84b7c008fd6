"""The live view: one moment of the demo as something that rich can print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from acd.agents import AgentState
from acd.calls import CallState
from acd.demo.figures import Figures

WIDTH = 96
_LINES: Mapping[str, tuple[str, tuple[CallState, ...]]] = MappingProxyType(
    {
        "dialing": ("cyan", (CallState.DIALTONE, CallState.DIALING, CallState.PROCEEDING)),
        "ringing": ("blue", (CallState.RINGBACK, CallState.OFFERING, CallState.ACCEPTED)),
        "answered": ("magenta", (CallState.CONNECTED, CallState.ONHOLD)),
        "transferring": ("green", (CallState.TRANSFERRING,)),
        "hanging up": ("yellow", (CallState.DISCONNECTED,)),
        "free": ("bright_black", (CallState.IDLE,)),
    }
)
_AGENTS: Mapping[AgentState, str] = MappingProxyType(
    {
        AgentState.READY: "cyan",
        AgentState.RESERVED: "magenta",
        AgentState.ON_CALL: "green",
        AgentState.WRAP_UP: "yellow",
        AgentState.NOT_READY: "bright_black",
        AgentState.LOGGED_OFF: "bright_black",
    }
)
_GOOD = frozenset({"handed_over", "handed_over_unconfirmed"})
_BAD = frozenset({"abandoned", "transfer_failed", "failed", "unknown"})
_BAR_WIDTH = 11
_DISPOSITION_ROWS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Everything that is shown."""

    figures: Figures
    leads: int
    elapsed_seconds: float
    calls_per_second: float
    seconds_left: float | None
    metrics_address: str
    stopping: bool = False


def render(moment: Moment) -> RenderableType:
    """The whole view, `WIDTH` columns wide."""
    figures = moment.figures
    upper = Table.grid(padding=0)
    upper.width = WIDTH
    for _ in range(3):
        upper.add_column(ratio=1)
    upper.add_row(
        _panel("Lines", _lines(figures)),
        _panel("Agents", _agents(figures)),
        _panel("Campaign", _campaign(moment)),
    )
    return Group(
        Panel(_progress(moment), title=_title(moment), width=WIDTH, border_style="bright_black"),
        upper,
        Panel(
            _dispositions(figures),
            title="Dispositions",
            title_align="left",
            width=WIDTH,
            border_style="bright_black",
        ),
    )


def _panel(title: str, inside: RenderableType) -> Panel:
    return Panel(inside, title=title, title_align="left", border_style="bright_black", height=8)


def _title(moment: Moment) -> Text:
    lines, agents = sum(moment.figures.lines.values()), sum(moment.figures.agents.values())
    doing = "stopping" if moment.stopping else "dialing"
    return Text(f"acd demo: {doing} {moment.leads} leads, {lines} lines, {agents} agents", "bold")


def _progress(moment: Moment) -> RenderableType:
    closed = moment.figures.closed
    left = moment.seconds_left
    said = "" if left is None or moment.stopping else f", about {clock(left)} left"
    row = Table.grid(expand=True, padding=(0, 1))
    row.add_column(ratio=1)
    row.add_column(justify="right")
    row.add_row(
        ProgressBar(total=moment.leads, completed=closed, complete_style="green"),
        f"{closed} of {moment.leads} leads in {clock(moment.elapsed_seconds)}{said}",
    )
    address = f"metrics: {moment.metrics_address}/metrics"
    return Group(row, Text(address, style="bright_black"))


def _counts() -> Table:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(width=_BAR_WIDTH)
    return table


def _lines(figures: Figures) -> Table:
    table, size = _counts(), sum(figures.lines.values())
    for word, (colour, states) in _LINES.items():
        count = sum(figures.lines[state] for state in states)
        table.add_row(word, str(count), _bar(count, size, colour))
    return table


def _agents(figures: Figures) -> Table:
    table, size = _counts(), sum(figures.agents.values())
    for state, colour in _AGENTS.items():
        count = figures.agents[state]
        table.add_row(state.replace("_", " "), str(count), _bar(count, size, colour))
    return table


def _bar(count: int, of: int, colour: str) -> Bar:
    return Bar(size=max(of, 1), begin=0, end=count, width=_BAR_WIDTH, color=colour)


def _campaign(moment: Moment) -> Table:
    figures = moment.figures
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column()
    table.add_column(justify="right")
    rate, wait = figures.abandon_rate, figures.mean_wait_seconds
    table.add_row("calls a second", f"{moment.calls_per_second:.1f}")
    table.add_row("calls started", str(figures.originates))
    table.add_row("live answers", str(figures.live_answers))
    table.add_row("abandoned", str(figures.abandoned))
    table.add_row("abandon rate", "" if rate is None else f"{rate:.1%}")
    table.add_row("wait for agent", "" if wait is None else f"{wait:.2f} s")
    return table


def _dispositions(figures: Figures) -> Table:
    """The most frequent ones, in two columns."""
    found = sorted(figures.dispositions.items(), key=lambda item: -item[1])
    most = max(1, found[0][1]) if found else 1
    halves = [found[:_DISPOSITION_ROWS], found[_DISPOSITION_ROWS : 2 * _DISPOSITION_ROWS]]
    table = Table.grid(expand=True, padding=(0, 2))
    columns = []
    for half in halves:
        column = _counts()
        for disposition, count in half:
            name = disposition.replace("_", " ") if count else ""
            bar = _bar(count, most, _colour(disposition))
            column.add_row(name, str(count) if count else "", bar if count else "")
        table.add_column(ratio=1)
        columns.append(column)
    table.add_row(*columns)
    return table


def _colour(disposition: str) -> str:
    return "green" if disposition in _GOOD else "red" if disposition in _BAD else "blue"


def clock(seconds: float) -> str:
    """`1:05`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def as_line(moment: Moment) -> str:
    """One line, where there is no terminal to draw on."""
    figures = moment.figures
    busy = sum(figures.lines.values()) - figures.lines[CallState.IDLE]
    return (
        f"{clock(moment.elapsed_seconds)}  {figures.closed} of {moment.leads} leads closed, "
        f"{busy} lines busy, {figures.agents[AgentState.ON_CALL]} agents on a call, "
        f"{figures.abandoned} abandoned of {figures.live_answers} live answers"
    )
