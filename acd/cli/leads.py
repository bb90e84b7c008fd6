"""`acd leads`: bring leads in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from acd.cli.shared import say_json, settings_of, store_of
from acd.dialer.lead_import import ImportSummary, import_leads


@click.group()
def leads() -> None:
    """Leads: the people to reach."""


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
    with store_of(ctx, create=True) as store, _progress(f"import {file.name}") as progress:
        summary = import_leads(
            store,
            settings,
            campaign_name=campaign,
            path=file,
            now=datetime.now(UTC),
            header_map=header_map,
            progress=progress,
        )
    if as_json:
        say_json(summary.as_json())
    else:
        _say(summary)


def _mapping(text: str) -> tuple[str, str]:
    header, equals, name = text.rpartition("=")
    if not equals or not header.strip() or not name.strip():
        raise click.BadParameter(f"{text!r}; write HEADER=NAME", param_hint="--map")
    return header.strip(), name.strip()


def _say(summary: ImportSummary) -> None:
    if summary.campaign_created:
        click.echo(f"campaign {summary.campaign} was created from its campaign.toml")
    click.echo(f"{summary.file}: {summary.rows} rows, {summary.added} leads added")
    for rule, rows in summary.refused.items():
        click.echo(f"  {rows:>8} {rule.replace('_', ' ')}")
    if summary.numbers_left_out:
        click.echo(f"  {summary.numbers_left_out} numbers of added leads were left out")
    if summary.reject_file:
        click.echo(f"reasons line by line: {summary.reject_file}")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, silence elsewhere."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda share: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)
