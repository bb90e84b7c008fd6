"""The schema's version: checking it, and running the packaged Alembic migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from acd.errors import SchemaMismatch
from acd.store.schema import SCHEMA_REVISION

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_KEY = 0x616364
"""Any constant ("acd"): two processes that upgrade one PostgreSQL wait for each other."""


def schema_revision(conn: sa.Connection) -> str | None:
    """The revision of the database, None where it was never built.

    Raises:
        SchemaMismatch: there are tables, but none of ours.
    """
    tables = set(sa.inspect(conn).get_table_names())
    if "alembic_version" not in tables:
        if tables:
            raise SchemaMismatch(
                "the database holds another program's tables; give acd one of its own in store.url"
            )
        return None
    revision: str | None = conn.execute(
        sa.text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    return revision


def check_schema(engine: sa.Engine) -> None:
    """Refuse a schema that this program's statements are not written for.

    Raises:
        SchemaMismatch: with the remedy.
    """
    with engine.connect() as conn:
        found = schema_revision(conn)
    if found == SCHEMA_REVISION:
        return
    if found is None:
        raise SchemaMismatch("the database is empty; `acd db upgrade` builds its tables")
    # Revisions are numbers of one width, so text order is age.
    if found < SCHEMA_REVISION:
        raise SchemaMismatch(
            f"the database has schema {found}, older than this program's {SCHEMA_REVISION}; "
            "run `acd db backup`, then `acd db upgrade`"
        )
    raise SchemaMismatch(
        f"the database has schema {found}, newer than this program's {SCHEMA_REVISION}; "
        "install the acd that upgraded it, or restore a backup"
    )


def upgrade_schema(engine: sa.Engine, *, only_if_empty: bool = False) -> tuple[str | None, str]:
    """Bring the schema to this program's revision in one transaction; (before, after).

    Args:
        engine: the database.
        only_if_empty: leave a database that has a schema as it is.

    Raises:
        SchemaMismatch: the schema is newer than this program.
    """
    with _schema_transaction(engine) as conn:
        before = schema_revision(conn)
        if before == SCHEMA_REVISION or (before is not None and only_if_empty):
            return before, before
        if before is None or before < SCHEMA_REVISION:
            _run_migrations(conn)
            return before, SCHEMA_REVISION
    check_schema(engine)
    raise AssertionError("a newer schema was not refused")


@contextmanager
def _schema_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction in which tables may be rebuilt, one process at a time."""
    with engine.connect() as conn:
        if conn.dialect.name == "postgresql":
            with conn.begin():
                conn.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
                yield conn
            return
        # SQLite changes a table by building another one and dropping the first; with foreign keys
        # in force that would delete the rows that point there (sqlite.org/lang_altertable.html 7).
        conn.detach()
        driver: Any = conn.connection.dbapi_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        with conn.begin():
            yield conn
            broken = conn.execute(sa.text("PRAGMA foreign_key_check")).first()
            if broken is not None:
                raise AssertionError(f"the migration left rows that point nowhere: {broken}")


def _run_migrations(conn: sa.Connection) -> None:
    # Alembic costs a quarter of a second to import, and most runs never need it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    command.upgrade(config, SCHEMA_REVISION)
