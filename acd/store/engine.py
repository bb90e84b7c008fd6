"""Opening a database and running statements in it: `Store`, `open_store`.

How it works: SQLAlchemy's plain engine in worker threads, because its async layer does not
speak trio. One call of `Store.run` is one transaction in one thread; a cancelled task still
waits for its transaction to end, so nothing is ever half-done. SQLite is opened in WAL mode
with one writer at a time (`BEGIN IMMEDIATE`): a second process waits `BUSY_SECONDS` for it
instead of failing half-way through a read that wants to become a write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from shutil import disk_usage
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
import trio
from sqlalchemy.engine import make_url

from acd.errors import BadSettings, Problem, StoreUnavailable
from acd.store.json_text import as_json, from_json
from acd.store.versions import check_schema, upgrade_schema

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 30.0
"""How long a statement waits for SQLite's one writer."""
ROOM_BYTES = 1_000_000
"""Free space at which an SQLite database that met a full disk counts as back."""
_POSTGRES_THREADS = 8
_POSTGRES_CONNECTION = {
    "application_name": "acd",
    "connect_timeout": 10,
    # A server that is cut off is noticed after this, not after the kernel's quarter of an hour.
    "tcp_user_timeout": 15_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_SQLITE_READERS = 4
_JSON = {"json_serializer": as_json, "json_deserializer": from_json}
_BAD_PARAMETER = "a parameter after its ? is none that PostgreSQL takes"


class Store:
    """The database; statements are the named functions of `acd.store`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        # More writing threads would only queue up on SQLite's write lock.
        self._writers = trio.CapacityLimiter(1 if self._is_sqlite else _POSTGRES_THREADS)
        self._readers = trio.CapacityLimiter(_SQLITE_READERS)

    @property
    def most_writers(self) -> int:
        """How many transactions that write can be under way at once."""
        return int(self._writers.total_tokens)

    @property
    def has_room(self) -> bool:
        """Whether the disk of an SQLite file has room for more than the next few rows.

        A full disk still takes what fits into the write-ahead log as it stands. PostgreSQL's
        disk is its own, and so is what it says.
        """
        if not self._is_sqlite or self._engine.url.database is None:
            return True
        try:
            return disk_usage(Path(self._engine.url.database).parent).free >= ROOM_BYTES
        except OSError:
            return False

    async def run(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """One transaction in a worker thread: `statement(conn, *args, **kwargs)`.

        Committed when it returns, rolled back when it raises.

        Raises:
            StoreUnavailable: the database does not answer or is busy for too long.
        """
        return await trio.to_thread.run_sync(
            lambda: self.run_sync(statement, *args, **kwargs), limiter=self._writers
        )

    async def run_or_leave(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Like `run`, but a cancelled task goes at once: the transaction may yet be committed."""
        return await trio.to_thread.run_sync(
            lambda: self.run_sync(statement, *args, **kwargs),
            limiter=self._writers,
            abandon_on_cancel=True,
        )

    async def read(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Like `run` for statements that only read: they never wait for a writer.

        A cancelled task goes at once: nothing can be half-done.
        """
        return await trio.to_thread.run_sync(
            lambda: self.read_sync(statement, *args, **kwargs),
            limiter=self._readers,
            abandon_on_cancel=True,
        )

    def run_sync(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`run` in the calling thread, for commands."""
        with self.transaction() as conn:
            return statement(conn, *args, **kwargs)

    def read_sync(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`read` in the calling thread, for commands."""
        with _translated(self._engine), self._engine.connect() as conn:
            conn = conn.execution_options(acd_reads_only=True)
            with conn.begin():
                return statement(conn, *args, **kwargs)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One transaction for work that is more than a statement."""
        with _translated(self._engine), self._engine.begin() as conn:
            yield conn

    @contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """A connection of one's own for several transactions; its temporary tables go with it."""
        with _translated(self._engine), self._engine.connect() as conn:
            conn.detach()
            yield conn


@asynccontextmanager
async def open_store(url: str, *, create: bool = False) -> AsyncIterator[Store]:
    """Open the database and check its schema.

    Args:
        url: `sqlite:///file` or `postgresql://…`.
        create: build the schema where the file is missing or the database empty.

    Raises:
        BadSettings: the URL is of neither kind.
        StoreUnavailable: it does not answer, or does not exist and `create` is False.
        SchemaMismatch: its schema is older or newer than this program.
    """
    opening = open_store_sync(url, create=create)
    store = await trio.to_thread.run_sync(opening.__enter__)
    try:
        yield store
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(opening.__exit__, None, None, None)


@contextmanager
def open_store_sync(url: str, *, create: bool = False) -> Iterator[Store]:
    """`open_store` for commands."""
    with connected(url, create=create) as engine:
        with _translated(engine):
            if create:
                upgrade_schema(engine, only_if_empty=True)
            check_schema(engine)
        yield Store(engine)


@contextmanager
def connected(url: str, *, create: bool = False) -> Iterator[sa.Engine]:
    """An engine on the database, whatever its schema; for `acd db`."""
    engine = _make_engine(url, create=create)
    try:
        _try_out(engine)
        yield engine
    finally:
        engine.dispose()


def _try_out(engine: sa.Engine) -> None:
    try:
        with _translated(engine), engine.connect():
            pass
    except sa.exc.ProgrammingError:
        # psycopg's words repeat what stands there: perhaps what followed a bare & in a password.
        raise _bad_url(_BAD_PARAMETER) from None


def parse_url(text: str) -> sa.URL:
    """The parts of a database URL.

    Raises:
        BadSettings: it is none; the text, which may carry a password, is not repeated.
    """
    try:
        return make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        raise _bad_url("it is no database URL") from None


def shown_url(url: sa.URL) -> str:
    """Where the database is, for logs and messages: no password, and no `?password=` either."""
    return sa.URL.create(
        url.get_backend_name(), url.username, None, url.host, url.port, url.database
    ).render_as_string()


def _make_engine(text: str, *, create: bool) -> sa.Engine:
    url = parse_url(text)
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _make_sqlite(url.set(drivername="sqlite+pysqlite"), create=create)
    if backend in ("postgresql", "postgres"):
        return _make_postgres(url.set(drivername="postgresql+psycopg"))
    raise _bad_url(f"{backend!r} is not supported")


def _make_postgres(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(
            url,
            pool_size=_POSTGRES_THREADS,
            pool_pre_ping=True,
            connect_args=_POSTGRES_CONNECTION,
            **_JSON,
        )
    except sa.exc.ArgumentError:
        raise _bad_url(_BAD_PARAMETER) from None


def _bad_url(what: str) -> BadSettings:
    return BadSettings(
        Problem(
            "store.url",
            what,
            "allowed: sqlite:///acd.sqlite or postgresql://user@host:5432/database",
        )
    )


def _make_sqlite(url: sa.URL, *, create: bool) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise _bad_url("SQLite needs a file")
    file = Path(url.database)
    if not create and not file.exists():
        raise StoreUnavailable(f"the database {file} does not exist; `acd db upgrade` creates it")
    if not file.parent.is_dir():
        raise StoreUnavailable(f"the folder of the database {file} does not exist")
    engine = sa.create_engine(
        url,
        # The connection that was used last knows the pages as they are: what another one has
        # written since makes a connection forget them all.
        pool_use_lifo=True,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        **_JSON,
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Python's own BEGIN comes too late: it would let a transaction start as a reader.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "foreign_keys=ON",
        # FULL: the attempt's row must outlive a power cut that follows its INVITE.
        "synchronous=FULL",
        "cache_size=-65536",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(conn: sa.Connection) -> None:
    reads_only = conn.get_execution_options().get("acd_reads_only", False)
    conn.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


@contextmanager
def _translated(engine: sa.Engine) -> Iterator[None]:
    """A database that does not answer as `StoreUnavailable`, without password or SQL."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as exc:
        # Locked, full, stopped or cut off: SQLite and PostgreSQL say all of it in these words.
        where = shown_url(engine.url)
        cause: Any = getattr(exc, "orig", None) or exc
        detail = str(cause).strip().splitlines()
        raise StoreUnavailable(
            f"the database {where} does not answer: {detail[0] if detail else 'no reason given'}"
        ) from exc
    except sa.exc.DatabaseError as exc:
        if engine.dialect.name == "sqlite" and "not a database" in str(exc.orig):
            raise StoreUnavailable(
                f"{engine.url.database} is not an SQLite database; name another file in store.url"
            ) from exc
        raise
