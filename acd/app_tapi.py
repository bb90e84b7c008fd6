"""The TAPI gateway's part of `acd.app`: a share of a trunk's lines, and the same books."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any

import structlog

from acd.clock import SystemClock
from acd.control import Handler
from acd.dialer.outcomes import Outcomes
from acd.dialer.store_watch import StoreWatch
from acd.dialer.surroundings import Companion
from acd.lines import Trunk
from acd.lines.shares import LineShare, TrunkShare
from acd.metrics import Metrics, TapiCounts
from acd.rules.dispositions import Disposition
from acd.settings import (
    Settings,
    TapiClientSettings,
    TrunkSettings,
    base_trunk,
    lines_allowed,
    lines_by_trunk,
    profile_lines,
    switched_off_lines,
    with_lines,
)
from acd.store.outcomes import Outcome
from acd.store.tapi import TapiRefusal, begin_tapi_attempt
from acd.tapi.books import Desk, open_desk
from acd.tapi.constants import LineErr
from acd.tapi.progress import ORDER
from acd.tapi.server import TapiGateway, open_gateway
from acd.tapi.session import PLACING, REQUESTS

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
    used = {base_trunk(settings): (), **lines_by_trunk(settings)}
    rests = {
        name: TrunkShare(trunks[name], lines=trunks[name].lines.size - len(lines))
        for name, lines in used.items()
    }
    companion = _Companion(settings, trunks, rests[base_trunk(settings)].lines, metrics, node)
    return TapiJoint(
        campaign_trunks={**trunks, **rests},
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
        self,
        settings: Settings,
        trunks: Mapping[str, Trunk],
        rest: LineShare,
        metrics: Metrics,
        node: str,
    ) -> None:
        self._settings = settings
        self._trunks = trunks
        used = {base_trunk(settings): (), **lines_by_trunk(settings)}
        self._shares = {
            name: LineShare(trunks[name].lines, lines=len(lines)) for name, lines in used.items()
        }
        self._base = base_trunk(settings)
        self._rest = rest
        """The base trunk's lines that campaigns have."""
        self._gateway: TapiGateway | None = None
        self._metrics = metrics
        self._node = node

    @asynccontextmanager
    async def open(
        self, store: StoreWatch, outcomes: Outcomes
    ) -> AsyncIterator[Callable[[], None]]:
        """Serve clients while the block lasts."""
        counters = {
            name: self._counter(name, lines, store, outcomes)
            for name, lines in self._shares.items()
        }
        desks = {each.name: self._desk(each, counters) for each in self._settings.tapi_client}
        self._metrics.know_tapi(
            {desk.name: desk.label for desk in desks.values()},
            self._counts,
            requests=REQUESTS,
            errors=(error.shown for error in LineErr),
            states=(PLACING, *(state.shown for state in ORDER)),
        )
        shown = self._settings.tapi.model_copy(
            update={"disabled_lines": switched_off_lines(self._settings)}
        )
        async with open_gateway(shown, desks) as (gateway, where):
            log.info("TAPI clients served", action="tapi.serving", address=where)
            self._gateway = gateway
            yield gateway.stop
        self._gateway = None

    def status(self) -> Mapping[str, Any]:
        """Lines and clients at this moment."""
        return _NOT_OPEN if self._gateway is None else self._gateway.status()

    def _counts(self) -> Mapping[str, TapiCounts]:
        return {} if self._gateway is None else self._gateway.counts()

    def resize(self, lines: object) -> Mapping[str, Any]:
        """Have so many TAPI lines, and give campaigns the rest; until the engine ends.

        Lines of profiles stay what they are: those without one come and go, on the base trunk.
        """
        if self._gateway is None:
            return _NOT_OPEN
        most = self._trunks[self._base].lines.size
        allowed = lines_allowed(self._settings, most=most)
        if not isinstance(lines, int) or isinstance(lines, bool) or lines not in allowed:
            return {"ok": False, "why": _why_not(allowed, most=most, trunk=self._base)}
        used = len(lines_by_trunk(with_lines(self._settings, lines)).get(self._base, ()))
        self._shares[self._base].resize(used)
        self._rest.resize(most - used)
        self._gateway.resize(lines)
        return {"lines": lines, "campaign_lines": most - used}

    def _counter(
        self, name: str, lines: LineShare, store: StoreWatch, outcomes: Outcomes
    ) -> _Counter:
        return _Counter(
            trunk=self._trunks[name],
            lines=lines,
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


def _why_not(allowed: range, *, most: int, trunk: str) -> str:
    if not allowed:
        return f"trunk {trunk} has {most} lines, and all have their use"
    return f"allowed: {allowed[0]} to {allowed[-1]} lines, as trunk {trunk} has {most}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counter:
    """One trunk as the desks at it share it."""

    trunk: Trunk
    lines: LineShare
    trunk_settings: TrunkSettings
    books: _Books

    def as_words(self) -> Any:
        return {each.name: getattr(self, each.name) for each in fields(self)}
