"""`acd leads`: bring leads in, ask about them, change and erase them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from acd.cli.lead_words import local, say_explanation
from acd.cli.progress import progress_bar
from acd.cli.shared import DATABASE_ID, moment_to_come, say_json, settings_of, store_of
from acd.dialer.lead_export import export_leads
from acd.dialer.lead_import import ImportSummary, import_leads
from acd.dialer.lead_why import explain_lead, leads_named
from acd.errors import BadInput, Problem
from acd.store.campaigns import CampaignRow, CampaignState, campaign_by_name
from acd.store.lead_changes import (
    FoundLead,
    closed_reasons,
    erase_lead,
    find_leads,
    promise_for,
    reset_leads,
)


@click.group()
def leads() -> None:
    """Leads: the people to reach.

    Example: acd leads why 4711
    """


@leads.command(
    "import",
    epilog="\b\nExample:\n  acd leads import sample campaigns/sample/leads.csv"
    "\n  acd leads import spring list.csv --map 'Tel. privat=phone'",
)
@click.argument("campaign")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--map",
    "mappings",
    multiple=True,
    metavar="HEADER=NAME",
    help="Call the file's column HEADER by NAME; NAME phone means a phone number.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def import_(
    ctx: click.Context, campaign: str, file: Path, mappings: tuple[str, ...], as_json: bool
) -> None:
    """Import FILE (CSV) into CAMPAIGN.

    A new campaign is made from its campaign.toml. Refused rows are written beside FILE, with
    line and reason. All or nothing: a file that cannot be read changes nothing.
    """
    header_map = dict(_mapping(text) for text in mappings)
    settings = settings_of(ctx)
    with store_of(ctx, create=True) as store, progress_bar(f"import {file.name}") as progress:
        summary = import_leads(
            store,
            settings,
            campaign_name=campaign,
            path=file,
            now=datetime.now(UTC),
            header_map=header_map,
            progress=progress,
        )
        state = store.read_sync(campaign_by_name, campaign).state
    if as_json:
        say_json(summary.as_json())
        return
    _say(summary)
    if summary.added and state is CampaignState.FINISHED:
        click.echo(f"campaign {campaign} is finished: `acd campaign start {campaign}` has it dial")


@leads.command(epilog="\b\nExample:\n  acd leads why 4711\n  acd leads why '+43 1 505641' --json")
@click.argument("lead")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def why(ctx: click.Context, lead: str, as_json: bool) -> None:
    """Say why LEAD (its id or a phone number) is not dialed now, and when it will be."""
    region = settings_of(ctx).destinations.default_region
    now = datetime.now(UTC)
    with store_of(ctx) as store:
        found = store.read_sync(leads_named, lead, region)
        explained = [store.read_sync(explain_lead, each, now) for each in found]
    if as_json:
        say_json([each.as_json() for each in explained])
        return
    for each in explained:
        say_explanation(each)


@leads.command(epilog="\b\nExample:\n  acd leads export spring spring-leads.csv")
@click.argument("campaign")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def export(ctx: click.Context, campaign: str, file: Path) -> None:
    """Write every lead of CAMPAIGN to FILE (CSV)."""
    with store_of(ctx) as store:
        written = store.read_sync(export_leads, campaign, file)
    click.echo(f"{written} leads of campaign {campaign} stand in {file}")


@leads.command(
    epilog="\b\nExample:\n  acd leads reset spring --reason attempts_exhausted"
    "\n  acd leads reset spring --lead 4711"
)
@click.argument("campaign")
@click.option("--reason", default="", help="Only leads that were closed for it; see acd report.")
@click.option(
    "--lead", "lead_ids", type=DATABASE_ID, multiple=True, help="Only this lead, by its id."
)
@click.pass_context
def reset(ctx: click.Context, campaign: str, reason: str, lead_ids: tuple[int, ...]) -> None:
    """Let closed leads of CAMPAIGN, and those under review, be dialed again."""
    if not reason and not lead_ids:
        raise BadInput("acd leads reset: say which leads, by --reason or by --lead")
    with store_of(ctx) as store:
        present = store.read_sync(campaign_by_name, campaign)
        campaign_id = present.campaign_id
        done = store.run_sync(
            reset_leads,
            campaign_id=campaign_id,
            lead_ids=lead_ids or None,
            reason=reason,
            now=datetime.now(UTC),
        )
        known = store.read_sync(closed_reasons, campaign_id)
    if reason and not done and reason not in known:
        allowed = f"known here: {', '.join(known)}" if known else "none is closed yet"
        raise BadInput(Problem("--reason", f"no lead was closed for {reason}", allowed))
    what = _unless_started(present) if done else ": only closed ones and those under review can"
    click.echo(f"{done} leads of campaign {campaign} wait again{what}")


@leads.command(epilog="\b\nExample:\n  acd leads callback 4711 --at '2026-12-01 10:30' --agent 201")
@click.argument("lead")
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]),
    required=True,
    help="When, by this machine's clock.",
)
@click.option(
    "--agent",
    help="Who promised it, by name or extension: the lead is dialed while they are ready and "
    "given to them; after callback_owner_seconds of campaign.toml (900) anybody gets it.",
)
@click.pass_context
def callback(ctx: click.Context, lead: str, at: datetime, agent: str | None) -> None:
    """Promise LEAD (its id or a phone number) a call at a time."""
    found = _only(ctx, lead)
    now = datetime.now(UTC)
    moment = moment_to_come(at, now)
    with store_of(ctx) as store:
        store.run_sync(promise_for, lead_id=found.lead_id, at=moment, owner=agent, now=now)
        present = store.read_sync(campaign_by_name, found.campaign)
        [lead_now] = store.read_sync(find_leads, lead_id=found.lead_id)
        goes_at = store.read_sync(explain_lead, lead_now, now).dialable_at
    click.echo(
        f"lead {found.lead_id} of campaign {found.campaign} "
        f"{_called_at(found.lead_id, moment, goes_at)}{_unless_started(present)}"
    )


@leads.command(epilog="\b\nExample:\n  acd leads erase '+43 1 505641' --yes")
@click.argument("lead")
@click.option("--yes", is_flag=True, help="Do not ask; there is no way back.")
@click.pass_context
def erase(ctx: click.Context, lead: str, yes: bool) -> None:
    """Forget the person behind LEAD (its id or a phone number) in every campaign.

    A hash of each number stays, so that no import brings the person back. Files on disk, such
    as the lead file itself and its .rejected.csv, are yours to delete.
    """
    region = settings_of(ctx).destinations.default_region
    with store_of(ctx) as store:
        found = store.read_sync(leads_named, lead, region)
        if not yes:
            click.confirm(f"erase lead {found[0].lead_id} for good?", abort=True)
        gone = store.run_sync(erase_lead, lead_id=found[0].lead_id, now=datetime.now(UTC))
    click.echo(f"erased: {', '.join(f'lead {lead_id}' for lead_id in gone)}")


def _called_at(lead_id: int, promised: datetime, goes_at: datetime | None) -> str:
    """When the person is called, which the rules may put off."""
    if goes_at == promised:
        return f"is called at {local(promised)}"
    when = "is not called at all" if goes_at is None else f"is called from {local(goes_at)} on"
    return f"{when}, not at {local(promised)} (`acd leads why {lead_id}` says why)"


def _unless_started(present: CampaignRow) -> str:
    """What is missing before a lead that waits is dialed."""
    if present.state is CampaignState.RUNNING:
        return ""
    return (
        f", once the campaign, which is {present.state}, runs: `acd campaign start {present.name}`"
    )


def _only(ctx: click.Context, text: str) -> FoundLead:
    """The one lead of that name.

    Raises:
        BadInput: several campaigns have it.
    """
    region = settings_of(ctx).destinations.default_region
    with store_of(ctx) as store:
        found = store.read_sync(leads_named, text, region)
    if len(found) > 1:
        listed = ", ".join(f"lead {each.lead_id} of {each.campaign}" for each in found)
        raise BadInput(Problem(f"lead {text!r}", "several campaigns have it", f"there is {listed}"))
    return found[0]


def _mapping(text: str) -> tuple[str, str]:
    header, equals, name = text.rpartition("=")
    if not equals or not header.strip() or not name.strip():
        raise click.BadParameter(f"{text!r}; write HEADER=NAME", param_hint="--map")
    return header.strip(), name.strip()


def _say(summary: ImportSummary) -> None:
    if summary.campaign_created:
        click.echo(f"campaign {summary.campaign} was created from its campaign.toml")
    click.echo(
        f"{summary.file} ({summary.encoding}): {summary.rows} rows, {summary.added} leads added"
    )
    for rule, rows in summary.refused.items():
        click.echo(f"  {rows:>8} {rule.replace('_', ' ')}")
    if summary.numbers_left_out:
        click.echo(f"  {summary.numbers_left_out} numbers of added leads were left out")
    if summary.reject_file:
        click.echo(f"reasons line by line: {summary.reject_file}")
