"""The row about the database: does it answer, and is its schema this program's?"""

from __future__ import annotations

import time

import trio

from acd.doctor.check import Check
from acd.errors import BadSettings, SchemaMismatch, StoreUnavailable
from acd.settings import StoreSettings
from acd.store import open_store_sync
from acd.store.schema import SCHEMA_REVISION

ANSWER_SECONDS = 6.0
_NAME = "database"
_REMEDY = "start the database, or correct [store] url"


async def database_row(store: StoreSettings) -> Check:
    """Connect, read the schema's revision, leave."""
    try:
        with trio.fail_after(ANSWER_SECONDS):
            milliseconds = await trio.to_thread.run_sync(
                _open_and_close, store.url, abandon_on_cancel=True
            )
    except trio.TooSlowError:
        detail = f"{store.shown_url} gave no answer in {ANSWER_SECONDS:g} s"
        return Check(_NAME, False, detail, _REMEDY)
    except (StoreUnavailable, SchemaMismatch, BadSettings) as error:
        # The store's sentences are "what is wrong; what helps".
        detail, _, remedy = str(error).partition("; ")
        return Check(_NAME, False, detail, remedy or _REMEDY)
    detail = f"{store.shown_url} answered in {milliseconds:.0f} ms, schema {SCHEMA_REVISION}"
    return Check(_NAME, True, detail)


def _open_and_close(url: str) -> float:
    """Milliseconds from connecting to having read the schema's revision."""
    start = time.perf_counter()
    with open_store_sync(url):
        return (time.perf_counter() - start) * 1000
