"""`acd db`: the database's schema."""

from __future__ import annotations

from pathlib import Path

import click

from acd.cli.shared import settings_of
from acd.store import connected
from acd.store.backup import backup_database, check_database
from acd.store.schema import SCHEMA_REVISION
from acd.store.versions import upgrade_schema


@click.group()
def db() -> None:
    """The database behind acd.

    Example: acd db check
    """


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


@db.command(epilog="\b\nExample:\n  acd db backup acd-before-upgrade.sqlite")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def backup(ctx: click.Context, file: Path) -> None:
    """Copy the database to FILE while engines go on; PostgreSQL's is for pg_restore."""
    with connected(settings_of(ctx).store.url) as engine:
        backup_database(engine, file)
    click.echo(f"the database was copied to {file}")


@db.command(epilog="\b\nExample:\n  acd db check")
@click.pass_context
def check(ctx: click.Context) -> None:
    """Say whether the schema fits this program and the data is sound."""
    with connected(settings_of(ctx).store.url) as engine:
        check_database(engine)
    click.echo(f"the schema is {SCHEMA_REVISION}, as this program needs it")
