"""The TAPI gateway's part of `acd.app`: a share of a trunk's lines, and the same books."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from acd.clock import SystemClock
from acd.dialer.outcomes import Outcomes
from acd.dialer.scheduler import Companion
from acd.dialer.store_watch import StoreWatch
from acd.lines import Trunk
from acd.lines.shares import LineShare, TrunkShare
from acd.metrics import Metrics
from acd.rules.dispositions import Disposition
from acd.settings import Settings
from acd.store.outcomes import Outcome
from acd.store.tapi import TapiRefusal, begin_tapi_attempt
from acd.tapi.books import Desk, open_desk
from acd.tapi.server import open_gateway

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TapiJoint:
    """What the scheduler is given."""

    campaign_trunks: dict[str, Trunk]
    """Every trunk, the gateway's without the gateway's lines."""
    companions: tuple[Companion, ...]


def join_tapi(
    settings: Settings, trunks: dict[str, Trunk], metrics: Metrics, *, node: str
) -> TapiJoint:
    """Divide the gateway's trunk, and make the companion that serves clients on its share."""
    if not settings.tapi.enabled:
        return TapiJoint(campaign_trunks=trunks, companions=())
    name = settings.tapi.trunk or settings.trunk[0].name
    trunk = trunks[name]
    rest = TrunkShare(trunk, lines=trunk.lines.size - settings.tapi.lines)
    companion = _Companion(settings, trunk, metrics, node)
    return TapiJoint(campaign_trunks={**trunks, name: rest}, companions=(companion.open,))


class _Books:
    """`acd.tapi.books.Books` on the scheduler's store and queue."""

    def __init__(self, store: StoreWatch, outcomes: Outcomes, *, node: str, trunk: str) -> None:
        self._store = store
        self._outcomes = outcomes
        self._node = node
        self._trunk = trunk
        self._clock = SystemClock()

    @property
    def up(self) -> bool:
        """Whether a new call could be recorded."""
        return self._store.up

    async def begin(self, *, client: str, e164: str | None, line: int) -> int | TapiRefusal:
        """Commit a row before its INVITE."""
        return await self._store.run(
            begin_tapi_attempt,
            client=client,
            e164=e164,
            node=self._node,
            trunk=self._trunk,
            line=line,
            now=self._clock.now(),
        )

    def put(
        self, outcome: Outcome, *, settled: Callable[[Disposition], None] | None = None
    ) -> None:
        """Write this soon."""
        self._outcomes.put(outcome, settled=settled)


class _Companion:
    """The gateway as the scheduler sees it."""

    def __init__(self, settings: Settings, trunk: Trunk, metrics: Metrics, node: str) -> None:
        self._settings = settings
        self._trunk = trunk
        self._metrics = metrics
        self._node = node

    @asynccontextmanager
    async def open(
        self, store: StoreWatch, outcomes: Outcomes
    ) -> AsyncIterator[Callable[[], None]]:
        """Serve clients while the block lasts."""
        books = _Books(store, outcomes, node=self._node, trunk=self._trunk.name)
        desks = self._desks(books)
        async with open_gateway(self._settings.tapi, desks) as (gateway, where):
            log.info("TAPI clients served", action="tapi.serving", address=where)
            yield gateway.stop

    def _desks(self, books: _Books) -> dict[str, Desk]:
        settings = self._settings
        lines = LineShare(self._trunk.lines, lines=settings.tapi.lines)
        of_trunk = {each.name: each for each in settings.trunk}[self._trunk.name]
        desks = {
            client.name: open_desk(
                client,
                destinations=settings.destinations,
                trunk=self._trunk,
                lines=lines,
                trunk_settings=of_trunk,
                books=books,
                metrics=self._metrics,
                clock=SystemClock(),
            )
            for client in settings.tapi_client
        }
        for desk in desks.values():
            self._metrics.know_campaign(desk.label)
        return desks
