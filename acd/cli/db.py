"""`acd db`: the database's schema."""

from __future__ import annotations

import click

from acd.cli.shared import settings_of
from acd.store import connected
from acd.store.schema import SCHEMA_REVISION
from acd.store.versions import check_schema, upgrade_schema


@click.group()
def db() -> None:
    """The database behind acd."""


@db.command(epilog="\b\nExample:\n  acd db upgrade")
@click.pass_context
def upgrade(ctx: click.Context) -> None:
    """Build the tables, or bring them to this program's version. Back up first."""
    with connected(settings_of(ctx).store.url, create=True) as engine:
        before, after = upgrade_schema(engine)
    if before == after:
        click.echo(f"the schema is {after} already")
    else:
        click.echo(f"the schema is {after} now; it was {before or 'not there'}")


@db.command(epilog="\b\nExample:\n  acd db check")
@click.pass_context
def check(ctx: click.Context) -> None:
    """Say whether the schema fits this program."""
    with connected(settings_of(ctx).store.url) as engine:
        check_schema(engine)
    click.echo(f"the schema is {SCHEMA_REVISION}, as this program needs it")
