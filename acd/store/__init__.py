"""The database: tables, one named function a statement, migrations.

Statements are plain functions `(conn, …) -> value` in `leads`, `attempts`, `campaigns`, `dnc`,
`imports`, `counts` and `events`; `Store.run` gives them a transaction and a thread.
"""

from acd.store.engine import (
    Store,
    connected,
    open_store,
    open_store_sync,
    parse_url,
    shown_url,
)

__all__ = ["Store", "connected", "open_store", "open_store_sync", "parse_url", "shown_url"]
