"""The TAPI gateway's part of `acd.app`: a share of a trunk's lines, and the same books."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any

import structlog

from acd.clock import SystemClock
from acd.dialer.outcomes import Outcomes
from acd.dialer.scheduler import Companion
from acd.dialer.store_watch import StoreWatch
from acd.lines import Trunk
from acd.lines.shares import LineShare, TrunkShare
from acd.metrics import Metrics
from acd.rules.dispositions import Disposition
from acd.settings import (
    Settings,
    TapiClientSettings,
    TrunkSettings,
    base_trunk,
    lines_by_trunk,
    profile_lines,
    switched_off_lines,
)
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
    used = lines_by_trunk(settings)
    shared = {
        name: TrunkShare(trunks[name], lines=trunks[name].lines.size - len(lines))
        for name, lines in used.items()
    }
    companion = _Companion(settings, trunks, metrics, node)
    return TapiJoint(campaign_trunks={**trunks, **shared}, companions=(companion.open,))


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
        self, settings: Settings, trunks: Mapping[str, Trunk], metrics: Metrics, node: str
    ) -> None:
        self._settings = settings
        self._trunks = trunks
        self._base = base_trunk(settings)
        self._metrics = metrics
        self._node = node

    @asynccontextmanager
    async def open(
        self, store: StoreWatch, outcomes: Outcomes
    ) -> AsyncIterator[Callable[[], None]]:
        """Serve clients while the block lasts."""
        counters = {
            name: self._counter(name, len(lines), store, outcomes)
            for name, lines in {self._base: (), **lines_by_trunk(self._settings)}.items()
        }
        desks = {each.name: self._desk(each, counters) for each in self._settings.tapi_client}
        for desk in desks.values():
            self._metrics.know_campaign(desk.label)
        shown = self._settings.tapi.model_copy(
            update={"disabled_lines": switched_off_lines(self._settings)}
        )
        async with open_gateway(shown, desks) as (gateway, where):
            log.info("TAPI clients served", action="tapi.serving", address=where)
            yield gateway.stop

    def _counter(self, name: str, lines: int, store: StoreWatch, outcomes: Outcomes) -> _Counter:
        trunk = self._trunks[name]
        return _Counter(
            trunk=trunk,
            lines=LineShare(trunk.lines, lines=lines),
            trunk_settings={each.name: each for each in self._settings.trunk}[name],
            books=_Books(store, outcomes, node=self._node, trunk=name),
        )

    def _desk(self, client: TapiClientSettings, counters: Mapping[str, _Counter]) -> Desk:
        settings, base = self._settings, counters[self._base]
        desk = open_desk(
            client,
            destinations=settings.destinations,
            trunk=base.trunk,
            lines=base.lines,
            trunk_settings=base.trunk_settings,
            books=base.books,
            metrics=self._metrics,
            clock=SystemClock(),
        )
        profiles = [each for each in settings.profile if each.enabled]
        desks = {
            each.name: desk.with_profile(each, **counters[each.trunk or self._base].as_words())
            for each in profiles
            if (each.trunk or self._base) in counters
        }
        served = profile_lines(settings).items()
        desk.by_line = {line: desks[of.name] for line, of in served if of.name in desks}
        return desk


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counter:
    """One trunk as the desks at it share it."""

    trunk: Trunk
    lines: LineShare
    trunk_settings: TrunkSettings
    books: _Books

    def as_words(self) -> Any:
        return {each.name: getattr(self, each.name) for each in fields(self)}
