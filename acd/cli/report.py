"""`acd report`: what a campaign has done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from acd.cli.shared import say_json, store_of
from acd.cli.tapi import say_counts
from acd.dialer.lead_export import export_report
from acd.dialer.reports import CampaignReport, WindowReport, campaign_report
from acd.errors import BadInput, Problem
from acd.store.tapi import tapi_counts

TAPI = "tapi:"
"""As in metrics: no campaign's name has a colon."""


@click.command(
    epilog="\b\nExample:\n  acd report sample\n  acd report sample --json"
    "\n  acd report tapi:overdialer"
)
@click.argument("campaign")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option(
    "--csv", "csv_file", type=click.Path(path_type=Path), help="Write it to this file instead."
)
@click.pass_context
def report(ctx: click.Context, campaign: str, as_json: bool, csv_file: Path | None) -> None:
    """Count a campaign's leads and attempts, or a TAPI client's attempts: tapi:NAME."""
    if campaign.startswith(TAPI):
        report_client(ctx, campaign.removeprefix(TAPI), as_json=as_json, csv_file=csv_file)
        return
    with store_of(ctx) as store:
        found = store.read_sync(campaign_report, campaign, now=datetime.now(UTC))
    if csv_file is not None:
        export_report(found, csv_file)
        click.echo(f"the report of campaign {campaign} stands in {csv_file}")
    elif as_json:
        say_json(found.as_json())
    else:
        say_report(found)


def report_client(ctx: click.Context, client: str, *, as_json: bool, csv_file: Path | None) -> None:
    """Count a TAPI client's attempts.

    Raises:
        BadInput: it never dialed.
    """
    with store_of(ctx) as store:
        found = {each.client: each for each in store.read_sync(tapi_counts)}
    if client not in found:
        known = ", ".join(sorted(f"{TAPI}{name}" for name in found)) or "none so far"
        raise BadInput(Problem(f"{TAPI}{client}", "no such client has dialed", f"known: {known}"))
    if csv_file is not None:
        raise BadInput(Problem("--csv", "is for campaigns", f"acd report {TAPI}{client} --json"))
    if as_json:
        say_json(asdict(found[client]))
    else:
        say_counts(found[client])


def say_report(found: CampaignReport) -> None:
    """A report for a person."""
    click.echo(f"campaign {found.campaign} is {found.state}")
    _say_counts("leads", found.leads)
    _say_counts("closed because", found.closed_because)
    _say_counts(f"attempts ({found.attempts})", found.dispositions)
    rate = _rate(found.abandon_rate)
    click.echo(f"live answers: {found.live_answers}, abandoned: {found.abandoned}{rate}")
    _say_window(found.abandon_window)
    _say_counts("transfers", found.transfers)
    _say_counts("to the overflow", found.overflows)
    _say_seconds("ring", found.ring_seconds)
    _say_seconds("wait", found.wait_seconds)
    _say_seconds("talk", found.talk_seconds)


def _say_window(found: WindowReport) -> None:
    """The same in the window for which the abandon limit holds."""
    window = "today" if found.window == "day" else f"in the last {found.window}"
    click.echo(
        f"{window}: joined or abandoned {found.live_answers}, "
        f"abandoned {found.abandoned}{_rate(found.abandon_rate)}, limit {found.abandon_limit:.2%}"
    )


def _rate(rate: float | None) -> str:
    return "" if rate is None else f" ({rate:.2%})"


def _say_counts(title: str, values: Mapping[str, int]) -> None:
    if values:
        listed = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in values.items())
        click.echo(f"{title}: {listed}")


def _say_seconds(title: str, values: Mapping[str, float | None]) -> None:
    known = [f"{name} {value:.1f} s" for name, value in values.items() if value is not None]
    if known:
        click.echo(f"{title}: {', '.join(known)}")
