"""`acd dnc`: do-not-call lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from acd.cli.progress import progress_bar
from acd.cli.shared import say_json, settings_of, store_of
from acd.dialer import dnc as lists
from acd.store.dnc import dnc_lists


@click.group()
def dnc() -> None:
    """Do not call: lists that hold at once, for every campaign or for one.

    Example: acd dnc add '+43 1 505641'
    """


@dnc.command(
    "import",
    epilog="\b\nExample:\n  acd dnc import robinson robinson.csv --made-on 2026-11-01"
    "\n  acd dnc import robinson robinson.csv --made-on 2026-11-01 --column Rufnr",
)
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--made-on",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="The day on which the list was made, as its publisher says.",
)
@click.option("--campaign", default="", help="The one campaign it holds for; left out: for all.")
@click.option(
    "--column",
    default="",
    metavar="HEADER",
    help="The numbers' column, by its header or its place from 1; left out: a header such as "
    "phone, else the only column with numbers.",
)
@click.pass_context
def import_(
    ctx: click.Context, name: str, file: Path, made_on: datetime, campaign: str, column: str
) -> None:
    """Read list NAME from FILE, one person a row, in place of its present numbers."""
    settings = settings_of(ctx)
    with store_of(ctx, create=True) as store, progress_bar(f"import {file.name}") as progress:
        done = lists.import_list(
            store,
            settings,
            name=name,
            path=file,
            made_on=made_on.date(),
            campaign_name=campaign,
            column=column,
            now=datetime.now(UTC),
            progress=progress,
        )
    click.echo(f"list {done.list_name}: {done.numbers} numbers from {done.rows} rows")
    for line in done.unreadable[:20]:
        click.echo(f"  {line}", err=True)
    if len(done.unreadable) > 20:
        click.echo(f"  and {len(done.unreadable) - 20} rows more without a number", err=True)


@dnc.command(epilog="\b\nExample:\n  acd dnc add '+43 1 505641'")
@click.argument("numbers", nargs=-1, required=True)
@click.option("--list", "name", default=lists.OWN_LIST, show_default=True)
@click.option("--campaign", default="", help="The one campaign it holds for; left out: for all.")
@click.pass_context
def add(ctx: click.Context, numbers: tuple[str, ...], name: str, campaign: str) -> None:
    """Never call NUMBERS again."""
    settings = settings_of(ctx)
    with store_of(ctx, create=True) as store:
        new = store.run_sync(
            lists.add,
            settings,
            texts=numbers,
            name=name,
            campaign_name=campaign,
            now=datetime.now(UTC),
        )
    click.echo(f"list {name}: {new} added, {len(numbers) - new} stood there already")


@dnc.command(epilog="\b\nExample:\n  acd dnc remove '+43 1 505641'")
@click.argument("numbers", nargs=-1, required=True)
@click.option("--list", "name", default=lists.OWN_LIST, show_default=True)
@click.pass_context
def remove(ctx: click.Context, numbers: tuple[str, ...], name: str) -> None:
    """Take NUMBERS off a list."""
    settings = settings_of(ctx)
    with store_of(ctx) as store:
        gone = store.run_sync(
            lists.remove, settings, texts=numbers, name=name, now=datetime.now(UTC)
        )
    click.echo(f"list {name}: {gone} removed, {len(numbers) - gone} did not stand there")


@dnc.command(epilog="\b\nExample:\n  acd dnc check '+43 1 505641'")
@click.argument("number")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def check(ctx: click.Context, number: str, as_json: bool) -> None:
    """Say on which lists NUMBER stands, and whether its owner was erased."""
    settings = settings_of(ctx)
    with store_of(ctx) as store:
        found = store.read_sync(lists.check, settings, number)
    if as_json:
        say_json({"listed": bool(found.lists), "lists": found.lists, "erased": found.erased})
        return
    where = f"on {', '.join(found.lists)}: not to be called" if found.lists else "on no list"
    owner = "; erased at its owner's wish: no import takes it" if found.erased else ""
    click.echo(f"{where}{owner}")


@dnc.command("list", epilog="\b\nExample:\n  acd dnc list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """Show every list with its date and size."""
    with store_of(ctx) as store:
        found = store.read_sync(dnc_lists)
    if as_json:
        say_json(
            [{"name": row.name, "made_on": row.made_on, "numbers": row.numbers} for row in found]
        )
        return
    for row in found:
        holds = "every campaign" if row.campaign_id is None else "one campaign"
        made = f"made on {row.made_on}" if row.made_on else "made by hand"
        click.echo(f"{row.name:<24} {made}, {row.numbers} numbers, for {holds}")
