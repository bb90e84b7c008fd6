from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from acd.errors import SchemaMismatch
from acd.store import Store, connected, open_store, open_store_sync
from acd.store.schema import SCHEMA_REVISION, metadata
from acd.store.versions import upgrade_schema


def test_migrations_build_exactly_the_tables_that_statements_use(store_url: str) -> None:
    with connected(store_url, create=True) as engine:
        upgrade_schema(engine)
        with engine.connect() as conn:
            context = MigrationContext.configure(conn, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []


def test_an_empty_database_is_refused_with_the_remedy(store_url: str) -> None:
    with connected(store_url, create=True):
        pass
    with pytest.raises(SchemaMismatch, match="acd db upgrade"), open_store_sync(store_url):
        pass


@pytest.mark.parametrize(("revision", "remedy"), [("0000", "acd db upgrade"), ("9999", "install")])
def test_an_older_and_a_newer_schema_are_refused_with_the_remedy(
    store_url: str, revision: str, remedy: str
) -> None:
    with open_store_sync(store_url, create=True) as store:
        store.run_sync(_set_revision, revision)
    with (
        pytest.raises(SchemaMismatch, match=remedy),
        open_store_sync(store_url, create=True),
    ):
        pass


def _set_revision(conn: sa.Connection, revision: str) -> None:
    conn.execute(sa.text("UPDATE alembic_version SET version_num = :r"), {"r": revision})


def test_another_programs_database_is_left_alone(store_url: str) -> None:
    with connected(store_url, create=True) as engine, engine.begin() as conn:
        conn.execute(sa.text("CREATE TABLE somebody_elses (x INTEGER)"))
    with (
        pytest.raises(SchemaMismatch, match="another program"),
        open_store_sync(store_url, create=True),
    ):
        pass


def test_upgrading_twice_changes_nothing(store_url: str) -> None:
    with connected(store_url, create=True) as engine:
        assert upgrade_schema(engine) == (None, SCHEMA_REVISION)
        assert upgrade_schema(engine) == (SCHEMA_REVISION, SCHEMA_REVISION)


def test_a_statement_that_raises_leaves_nothing(store: Store) -> None:
    def write_and_fail(conn: sa.Connection) -> None:
        conn.execute(sa.text("DELETE FROM alembic_version"))
        raise LookupError

    with pytest.raises(LookupError):
        store.run_sync(write_and_fail)
    assert store.read_sync(_count_versions) == 1


def _count_versions(conn: sa.Connection) -> int:
    return int(conn.execute(sa.text("SELECT count(*) FROM alembic_version")).scalar_one())


async def test_statements_run_in_threads_of_trio(store_url: str) -> None:
    async with open_store(store_url, create=True) as store:
        assert await store.run(_count_versions) == 1
        assert await store.read(_count_versions) == 1
