"""`acd campaign`: make campaigns and tell them what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from acd.cli.shared import engine_seen, engine_told, say_json, settings_of, store_of
from acd.clock import local_day
from acd.dialer.campaigns import create_from_file, reload_from_file
from acd.rules.definition import DncTable
from acd.store.blocking import leads_by_blocking_rule
from acd.store.campaigns import (
    CampaignState,
    all_campaigns,
    campaign_by_name,
    set_campaign_state,
)
from acd.store.dnc import stale_lists

_ENGINE_WORDS = {
    "running": "pid {pid}",
    "silent": "one is there, and has not answered in time",
    "none": "none runs here; `acd run` starts one",
}


@click.group()
def campaign() -> None:
    """Campaigns: leads, hours, agents and limits.

    Example: acd campaign start sample
    """


@campaign.command(epilog="\b\nExample:\n  acd campaign create sample")
@click.argument("name")
@click.pass_context
def create(ctx: click.Context, name: str) -> None:
    """Make a campaign from campaigns/NAME/campaign.toml."""
    settings = settings_of(ctx)
    with store_of(ctx, create=True) as store:
        made = store.run_sync(create_from_file, settings, name, datetime.now(UTC))
    click.echo(
        f"campaign {made.name} was created; it dials over trunk {made.trunk}; {engine_told(ctx)}"
    )


@campaign.command(epilog="\b\nExample:\n  acd campaign reload sample")
@click.argument("name")
@click.pass_context
def reload(ctx: click.Context, name: str) -> None:
    """Take over what has changed in campaigns/NAME/campaign.toml."""
    settings = settings_of(ctx)
    with store_of(ctx) as store:
        before = store.read_sync(campaign_by_name, name)
        after = store.run_sync(reload_from_file, settings, before, datetime.now(UTC))
    if after.version == before.version:
        done = f"nothing has changed since version {before.version}"
    else:
        done = f"version {after.version} is in force"
    click.echo(f"campaign {name}: {done}; {engine_told(ctx)}")


@campaign.command("list", epilog="\b\nExample:\n  acd campaign list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """Show every campaign with its state."""
    with store_of(ctx) as store:
        rows = store.read_sync(all_campaigns)
    if as_json:
        say_json(
            [
                {"name": row.name, "state": row.state, "trunk": row.trunk, "version": row.version}
                for row in rows
            ]
        )
        return
    for row in rows:
        click.echo(f"{row.name:<24} {row.state:<10} trunk {row.trunk}, version {row.version}")


@campaign.command(epilog="\b\nExample:\n  acd campaign status sample")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def status(ctx: click.Context, name: str, as_json: bool) -> None:
    """Count a campaign's leads by the rule that keeps them from being dialed now.

    And say whether an engine runs here that would dial them.
    """
    now = datetime.now(UTC)
    with store_of(ctx) as store:
        found = store.read_sync(campaign_by_name, name)
        counted = store.read_sync(leads_by_blocking_rule, found, now)
        stale = store.read_sync(
            stale_lists, found.definition.dnc, campaign_id=found.campaign_id, today=local_day(now)
        )
    trunks = {trunk.name for trunk in settings_of(ctx).trunk}
    lost = bool(found.trunk) and found.trunk not in trunks
    engine = engine_seen(ctx)
    if as_json:
        told = {"campaign": name, "state": found.state, "engine": engine, "trunk": found.trunk}
        say_json({**told, "trunk_missing": lost, "leads": counted, "stale_dnc_lists": stale})
        return
    if lost:
        click.echo(
            f"campaign {name} is not dialed: acd.toml has no trunk {found.trunk} (there is "
            f"{', '.join(sorted(trunks))}); name one in its campaign.toml and reload it"
        )
    click.echo(f"engine: {_ENGINE_WORDS[engine['state']].format(**engine)}")
    click.echo(f"campaign {name} is {found.state}; its leads, by the first rule that blocks them:")
    for rule, leads in counted.items():
        click.echo(f"  {leads:>9} {rule.replace('_', ' ')}")
    if stale:
        _say_stale(stale, found.definition.dnc)


def _say_stale(names: Sequence[str], table: DncTable) -> None:
    blocks = "nobody is dialed" if table.when_stale == "block" else "dialing goes on"
    click.echo(
        f"do-not-call lists missing or older than {table.max_age_days} days: "
        f"{', '.join(names)}; {blocks}"
    )


def _move(ctx: click.Context, name: str, state: CampaignState) -> None:
    with store_of(ctx) as store:
        campaign_id = store.read_sync(campaign_by_name, name).campaign_id
        store.run_sync(
            set_campaign_state, campaign_id=campaign_id, state=state, now=datetime.now(UTC)
        )
    click.echo(f"campaign {name} is {state}; {engine_told(ctx)}")


@campaign.command(epilog="\b\nExample:\n  acd campaign start sample")
@click.argument("name")
@click.pass_context
def start(ctx: click.Context, name: str) -> None:
    """Let a campaign dial; a running engine takes it up at once."""
    _move(ctx, name, CampaignState.RUNNING)


@campaign.command(epilog="\b\nExample:\n  acd campaign pause sample")
@click.argument("name")
@click.pass_context
def pause(ctx: click.Context, name: str) -> None:
    """Start no new calls; those in progress go on."""
    _move(ctx, name, CampaignState.PAUSED)


@campaign.command(epilog="\b\nExample:\n  acd campaign stop sample")
@click.argument("name")
@click.pass_context
def stop(ctx: click.Context, name: str) -> None:
    """Stop a campaign."""
    _move(ctx, name, CampaignState.STOPPED)
