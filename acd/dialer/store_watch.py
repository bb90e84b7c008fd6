"""Whether the database is there, and statements through it: `StoreWatch`.

    up ──a statement fails, or none ends for SLOW_SECONDS──▶ down ──outcomes are written──▶ up

Everything that the dialer asks of SQL goes through here, so that one place knows. While the
database is away nobody is dialed; whoever wants to dial asks `up` first. It is tried again by
`acd.dialer.outcomes` alone, so that it is not met by everyone's questions when it comes back.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog
import trio

from acd.errors import StoreUnavailable
from acd.metrics import Access, Metrics
from acd.store import Store

log: structlog.stdlib.BoundLogger = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

SLOW_SECONDS = 5.0
"""A statement takes milliseconds; one that takes this long finds no database."""
READ_SECONDS = 10.0
_LOOK_SECONDS = 1.0


class StoreWatch:
    """The database as the dialer sees it."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._down_since: float | None = None
        self._changed = trio.Event()
        # Outcomes must not queue up behind every lead that is about to be dialed: a dialog
        # that is not in SQL when the engine dies gets no BYE.
        self._turn = trio.CapacityLimiter(max(1, store.most_writers - 1))
        self._begun: dict[trio.CancelScope, float] = {}
        self._gives_up_at = math.inf
        self._answered_at = -math.inf
        self._back_at = -math.inf
        metrics.store_up.set(1)
        metrics.store_statements.set_function(lambda: len(self._begun))

    @property
    def up(self) -> bool:
        """Whether a new call could be recorded."""
        return self._down_since is None

    @property
    def down_seconds(self) -> float | None:
        """How long it has been away; None while it is there."""
        since = self._down_since
        return None if since is None else trio.current_time() - since

    @property
    def could_be_up(self) -> bool:
        """Whether a write that succeeds would mean that calls can be recorded again."""
        return self.up or self._store.has_room

    async def wait_change(self) -> None:
        """Wait until it goes or comes."""
        await self._changed.wait()

    async def wait_up(self, *, at_most_seconds: float) -> None:
        """Wait until it is there, or for so long."""
        with trio.move_on_after(at_most_seconds):
            while not self.up:
                await self.wait_change()

    async def run(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """One transaction, waited for to its end by a cancelled task too, until `give_up_at`.

        Raises:
            StoreUnavailable: the database is away. The transaction may have been committed all
                the same, when what was lost is only the answer.
        """
        await trio.lowlevel.checkpoint_if_cancelled()

        async def in_turn() -> T:
            async with self._turn:
                return await self._store.run_or_leave(statement, *args, **kwargs)

        # While it is down this says nothing: a disk that is nearly full takes a small write and
        # refuses the next, so the writer of outcomes alone says that it is back.
        return await self._watched(Access.WRITE, in_turn, self._gives_up_at)

    async def run_first(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Like `run`, before those who wait there; for the one who writes outcomes.

        Raises:
            StoreUnavailable: as for `run`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        result = await self._watched(
            Access.OUTCOMES,
            lambda: self._store.run_or_leave(statement, *args, **kwargs),
            self._gives_up_at,
        )
        if self.could_be_up:
            self._found()
        return result

    async def read(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """One statement that only reads; not waited for longer than `READ_SECONDS`.

        Raises:
            StoreUnavailable: the database is away.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        until = min(self._gives_up_at, trio.current_time() + READ_SECONDS)
        return await self._watched(
            Access.READ, lambda: self._store.read(statement, *args, **kwargs), until
        )

    async def read_at_leisure(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """A count that may take long: neither its time nor its failure says anything.

        Raises:
            StoreUnavailable: the database is away.
        """
        return await self._store.read(statement, *args, **kwargs)

    async def _watched(self, access: Access, work: Callable[[], Awaitable[T]], until: float) -> T:
        with trio.CancelScope(shield=True, deadline=until) as scope:
            self._begun[scope] = begun_at = trio.current_time()
            try:
                result = await work()
            except StoreUnavailable as exc:
                self._failed(access, str(exc), begun_at)
                raise
            else:
                if access is not Access.READ:  # SQLite's readers see nothing of a locked file
                    self._answered_at = trio.current_time()
                self._metrics.store_seconds.labels(access).observe(trio.current_time() - begun_at)
                return result
            finally:
                del self._begun[scope]
        why = "the database has not answered in time"
        self._failed(access, why, begun_at)
        raise StoreUnavailable(why)

    def give_up_at(self, at_seconds: float) -> None:
        """Wait for no statement beyond this moment of trio's clock: the engine is ending."""
        self._gives_up_at = min(self._gives_up_at, at_seconds)
        for scope in self._begun:
            scope.deadline = min(scope.deadline, self._gives_up_at)

    async def watch(self) -> None:
        """Notice statements that neither end nor fail, as on a stopped server."""
        while True:
            await trio.sleep(_LOOK_SECONDS)
            # Statements that wait for each other are no outage as long as one after another ends.
            since = max(min(self._begun.values(), default=math.inf), self._answered_at)
            if trio.current_time() - since >= SLOW_SECONDS:
                self._lost(f"the database has not answered for {SLOW_SECONDS:.0f} s")

    def _failed(self, access: Access, why: str, begun_at: float) -> None:
        self._metrics.store_failures.labels(access).inc()
        # What began before it came back met the outage that is over.
        if begun_at >= self._back_at:
            self._lost(why)

    def _lost(self, why: str) -> None:
        if self.up:
            self._down_since = trio.current_time()
            self._metrics.store_up.set(0)
            log.error("nobody is dialed until the database is back", action="store.down", why=why)
            self._notice()

    def _found(self) -> None:
        seconds = self.down_seconds
        if seconds is not None:
            self._down_since = None
            self._back_at = trio.current_time()
            self._metrics.store_up.set(1)
            log.warning("the database is back", action="store.up", down_seconds=round(seconds, 1))
            self._notice()

    def _notice(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
