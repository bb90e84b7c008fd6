"""`acd db backup` and `acd db check`: a copy that can be trusted, and whether the data is sound."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from acd.errors import BadInput, Problem, StoreError
from acd.store.versions import check_schema


def backup_database(engine: sa.Engine, target: Path) -> None:
    """Copy the whole database as it is at one moment, while engines go on writing.

    SQLite becomes an SQLite file; PostgreSQL an archive for `pg_restore`.

    Raises:
        BadInput: the file is there already, or cannot be written.
        StoreError: the copy failed; nothing stands under the file's name.
    """
    if target.exists():
        raise BadInput(Problem(str(target), "it is there already", "name a file that is not"))
    if not target.parent.is_dir():
        raise BadInput(Problem(str(target), "its folder does not exist"))
    part = target.with_name(f".{target.name}.part")
    try:
        if engine.dialect.name == "sqlite":
            _copy_sqlite(engine, part)
        else:
            _dump_postgres(engine.url, part)
        # Its numbers are nobody else's business.
        part.chmod(0o600)
        part.replace(target)
    except OSError as exc:
        raise BadInput(Problem(str(target), f"it cannot be written: {exc.strerror}")) from exc
    finally:
        part.unlink(missing_ok=True)


def check_database(engine: sa.Engine) -> None:
    """Whether the schema fits and, on SQLite, the file is sound.

    Raises:
        SchemaMismatch: the schema is older or newer than this program.
        StoreError: the file is damaged.
    """
    check_schema(engine)
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as conn:
        said = conn.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
        dangling = conn.exec_driver_sql("PRAGMA foreign_key_check").first()
    if said != "ok" or dangling is not None:
        what = said if said != "ok" else f"a row of {dangling and dangling[0]} points nowhere"
        raise StoreError(
            f"the database {engine.url.database} is damaged ({what}); restore a backup"
        )


def _copy_sqlite(engine: sa.Engine, part: Path) -> None:
    part.unlink(missing_ok=True)
    with engine.connect() as conn, closing(sqlite3.connect(part)) as copy:
        source: Any = conn.connection.dbapi_connection
        try:
            source.backup(copy)
        except sqlite3.Error as exc:
            raise StoreError(f"the copy failed: {exc}") from exc


def _dump_postgres(url: sa.URL, part: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise StoreError("pg_dump is missing, so there is no backup: install postgresql-client")
    plain = url.set(drivername="postgresql", password=None)
    environment = {**os.environ, **({"PGPASSWORD": url.password} if url.password else {})}
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL's, arguments of ours
        [program, "--format=custom", f"--file={part}", f"--dbname={plain.render_as_string()}"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise StoreError(f"pg_dump failed: {lines[-1]}")
