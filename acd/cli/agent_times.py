"""`acd agents times`: what agents did with their time."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from acd.cli.shared import say_json, store_of
from acd.dialer.agent_report import AgentReport, agents_report, report_window

_MOMENT = click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d"])


@click.command(
    epilog="\b\nExample:\n  acd agents times\n  acd agents times --since 2026-11-02 --json"
)
@click.option("--since", type=_MOMENT, help="By this machine's clock; left out: midnight.")
@click.option("--until", type=_MOMENT, help="By this machine's clock; left out: now.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def times(
    ctx: click.Context, since: datetime | None, until: datetime | None, as_json: bool
) -> None:
    """Show how long each agent was ready, talked, wrapped up and paused, and why.

    Occupancy is the time on calls and in wrap-up as a share of the time at work: ready, reserved,
    on a call or wrapping up. Pauses are no time at work.
    """
    begin, end = report_window(_aware(since), _aware(until), now=datetime.now(UTC))
    with store_of(ctx) as store:
        rows = store.read_sync(agents_report, since=begin, until=end)
    if as_json:
        window = {"since": begin.isoformat(), "until": end.isoformat()}
        say_json({**window, "agents": [row.as_json() for row in rows]})
        return
    click.echo(f"{begin.astimezone():%Y-%m-%d %H:%M} to {end.astimezone():%Y-%m-%d %H:%M}")
    for row in rows:
        click.echo(_line(row))


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def _line(row: AgentReport) -> str:
    occupancy = "-" if row.occupancy is None else f"{row.occupancy:.0%}"
    why = [f"{name or 'no reason'} {_clock(lasted)}" for name, lasted in sorted(row.pauses.items())]
    pauses = f" ({', '.join(why)})" if why else ""
    return (
        f"{row.agent:<16} ready {_clock(row.ready_seconds)}  on call {_clock(row.on_call_seconds)}"
        f"  wrap-up {_clock(row.wrap_up_seconds)}  occupancy {occupancy}"
        f"  persons {row.persons}  not ready {_clock(row.not_ready_seconds)}{pauses}"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
