"""`acd report`: what a campaign has done."""

from __future__ import annotations

from collections.abc import Mapping

import click

from acd.cli.shared import say_json, store_of
from acd.dialer.reports import CampaignReport, campaign_report


@click.command(epilog="\b\nExample:\n  acd report sample\n  acd report sample --json")
@click.argument("campaign")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def report(ctx: click.Context, campaign: str, as_json: bool) -> None:
    """Count a campaign's leads and attempts."""
    with store_of(ctx) as store:
        found = store.read_sync(campaign_report, campaign)
    if as_json:
        say_json(found.as_json())
    else:
        say_report(found)


def say_report(found: CampaignReport) -> None:
    """A report for a person."""
    click.echo(f"campaign {found.campaign} is {found.state}")
    _say_counts("leads", found.leads)
    _say_counts("closed because", found.closed_because)
    _say_counts(f"attempts ({found.attempts})", found.dispositions)
    click.echo(f"live answers: {found.live_answers}, abandoned: {found.abandoned}{_rate(found)}")
    _say_counts("transfers", found.transfers)
    _say_seconds("ring", found.ring_seconds)
    _say_seconds("wait", found.wait_seconds)


def _rate(found: CampaignReport) -> str:
    return "" if found.abandon_rate is None else f" ({found.abandon_rate:.2%})"


def _say_counts(title: str, values: Mapping[str, int]) -> None:
    if values:
        listed = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in values.items())
        click.echo(f"{title}: {listed}")


def _say_seconds(title: str, values: Mapping[str, float | None]) -> None:
    known = [f"{name} {value:.1f} s" for name, value in values.items() if value is not None]
    if known:
        click.echo(f"{title}: {', '.join(known)}")
