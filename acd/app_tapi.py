"""The TAPI gateway's part of `acd.app`: a share of a trunk's lines, and the same books."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from acd.clock import SystemClock
from acd.control import Handler
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
from acd.tapi.server import TapiGateway, open_gateway

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_NOT_OPEN = {"ok": False, "why": "the gateway is not open yet: the engine is still starting"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TapiJoint:
    """What the scheduler is given."""

    campaign_trunks: dict[str, Trunk]
    """Every trunk, the gateway's without the gateway's lines."""
    companions: tuple[Companion, ...]
    controls: Mapping[str, Handler]
    """What `acd tapi` asks the running engine."""


def join_tapi(
    settings: Settings, trunks: dict[str, Trunk], metrics: Metrics, *, node: str
) -> TapiJoint:
    """Divide the gateway's trunk, and make the companion that serves clients on its share."""
    if not settings.tapi.enabled:
        return TapiJoint(campaign_trunks=trunks, companions=(), controls={})
    name = settings.tapi.trunk or settings.trunk[0].name
    trunk = trunks[name]
    rest = TrunkShare(trunk, lines=trunk.lines.size - settings.tapi.lines)
    companion = _Companion(settings, trunk, rest.lines, metrics, node)
    return TapiJoint(
        campaign_trunks={**trunks, name: rest},
        companions=(companion.open,),
        controls={"tapi.status": companion.status, "tapi.lines": companion.resize},
    )


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

    def __init__(
        self, settings: Settings, trunk: Trunk, rest: LineShare, metrics: Metrics, node: str
    ) -> None:
        self._settings = settings
        self._trunk = trunk
        self._lines = LineShare(trunk.lines, lines=settings.tapi.lines)
        self._rest = rest
        self._gateway: TapiGateway | None = None
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
            self._gateway = gateway
            yield gateway.stop
        self._gateway = None

    def status(self) -> Mapping[str, Any]:
        """Lines and clients at this moment."""
        return _NOT_OPEN if self._gateway is None else self._gateway.status()

    def resize(self, lines: object) -> Mapping[str, Any]:
        """Give TAPI so many of the trunk's lines, and campaigns the rest; until the engine ends."""
        most = self._trunk.lines.size
        if self._gateway is None:
            return _NOT_OPEN
        if not isinstance(lines, int) or isinstance(lines, bool) or not 1 <= lines <= most:
            return {"ok": False, "why": f"allowed: 1 to {most} lines of trunk {self._trunk.name}"}
        self._lines.resize(lines)
        self._rest.resize(most - lines)
        self._gateway.resize(lines)
        return {"lines": lines, "campaign_lines": most - lines}

    def _desks(self, books: _Books) -> dict[str, Desk]:
        settings = self._settings
        of_trunk = {each.name: each for each in settings.trunk}[self._trunk.name]
        desks = {
            client.name: open_desk(
                client,
                destinations=settings.destinations,
                trunk=self._trunk,
                lines=self._lines,
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
