"""Alembic's entry: migrate over the connection that `acd.store.versions` hands in."""

from __future__ import annotations

from alembic import context

from acd.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # The caller's transaction holds the whole upgrade: it works as a whole or not at all.
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
