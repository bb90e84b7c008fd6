"""The row about the database: does it answer, and is its schema this program's?"""

from __future__ import annotations

import os
import time
from pathlib import Path

import sqlalchemy as sa
import trio

from acd.doctor.check import Check
from acd.errors import AcdError, BadSettings, SchemaMismatch, StoreUnavailable
from acd.settings import StoreSettings
from acd.store import open_store_sync, parse_url, shown_url
from acd.store.schema import SCHEMA_REVISION

ANSWER_SECONDS = 5.0
_NAME = "database"
_REMEDY = "start the database, or correct [store] url"


async def database_row(store: StoreSettings) -> Check:
    """Connect, read the schema's revision, leave; nothing is made or changed."""
    try:
        url = parse_url(store.url)
    except BadSettings as error:
        return _failed(error)
    new = _file_to_be_made(url)
    if new is not None:
        detail = f"{new} does not exist yet; the first `acd leads import` makes it"
        return Check(_NAME, detail, ok=True)
    try:
        with trio.fail_after(ANSWER_SECONDS):
            milliseconds = await trio.to_thread.run_sync(
                _open_and_close, store.url, abandon_on_cancel=True
            )
    except trio.TooSlowError:
        detail = f"{shown_url(url)} gave no answer in {ANSWER_SECONDS:g} s"
        return Check(_NAME, detail, _REMEDY, ok=False)
    except (StoreUnavailable, SchemaMismatch, BadSettings) as error:
        return _failed(error)
    detail = f"{shown_url(url)} answered in {milliseconds:.0f} ms, schema {SCHEMA_REVISION}"
    return Check(_NAME, detail, ok=True)


def _failed(error: AcdError) -> Check:
    # The store's sentences are "what is wrong; what helps".
    detail, _, remedy = str(error).partition("; ")
    return Check(_NAME, detail, remedy or _REMEDY, ok=False)


def _file_to_be_made(url: sa.URL) -> Path | None:
    """SQLite's file on a new installation, where its folder can take it."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    file = Path(url.database)
    writable = os.access(file.parent, os.W_OK)
    return file if writable and not file.exists() else None


def _open_and_close(url: str) -> float:
    """Milliseconds from connecting to having read the schema's revision."""
    start = time.perf_counter()
    with open_store_sync(url):
        return (time.perf_counter() - start) * 1000
