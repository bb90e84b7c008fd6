"""The TAPI gateway's part of `acd.app`: a share of a trunk's lines, and the same books."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import structlog

from acd.clock import SystemClock
from acd.control import Handler
from acd.dialer.outcomes import Outcomes
from acd.dialer.redirects import may_follow
from acd.dialer.store_watch import StoreWatch
from acd.dialer.surroundings import Companion
from acd.errors import BadSettings
from acd.lines import NotFollowed, Trunk
from acd.lines.shares import LineShare, TrunkShare
from acd.metrics import Metrics, TapiCounts
from acd.rules.dispositions import Disposition
from acd.rules.hours import CallingHours
from acd.settings import (
    Settings,
    TapiClientSettings,
    TapiSettings,
    TrunkSettings,
    base_trunk,
    lines_allowed,
    lines_by_trunk,
    profile_lines,
    resting_trunks,
    switched_off_lines,
    with_lines,
    with_tapi_part,
)
from acd.store.outcomes import Outcome
from acd.store.suppressions import Barred
from acd.store.tapi import begin_tapi_attempt
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
    """Every trunk without the gateway's lines."""
    companions: tuple[Companion, ...]
    controls: Mapping[str, Handler]
    """What `acd tapi` asks the running engine."""


def join_tapi(
    settings: Settings,
    trunks: dict[str, Trunk],
    metrics: Metrics,
    *,
    node: str,
    rest: Callable[[str, bool], None],
    comfort_audio: Path,
) -> TapiJoint:
    """Divide the gateway's trunks, and make the companion that serves clients on its shares.

    Args:
        settings: the installation's.
        trunks: all, by their names.
        metrics: of the engine.
        node: the engine's name in SQL.
        rest: takes a trunk's registration back, or lets it register again.
        comfort_audio: for those who wait, where their client has no WAV of its own.
    """
    if not settings.tapi.enabled:
        return TapiJoint(campaign_trunks=trunks, companions=(), controls={})
    used = lines_by_trunk(settings)
    # Every trunk, for profiles may move to another one while the engine runs.
    rests = {
        name: TrunkShare(trunk, lines=trunk.lines.size - len(used.get(name, ())))
        for name, trunk in trunks.items()
    }
    companion = _Companion(settings, trunks, rests, metrics, node, rest, comfort_audio)
    return TapiJoint(
        campaign_trunks=dict(rests),
        companions=(companion.open,),
        controls={
            "tapi.status": companion.status,
            "tapi.lines": companion.resize,
            "tapi.reload": companion.reload,
        },
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

    async def begin(self, *, client: str, e164: str | None, line: int) -> int | Barred:
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

    async def may_follow(self, e164: str, *, hours: CallingHours | None) -> NotFollowed | None:
        """Why a number that a 3xx names must not be called; None: it may be."""
        return await may_follow(self._store, e164, campaign_id=None, hours=hours, clock=self._clock)

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
        rests: Mapping[str, TrunkShare],
        metrics: Metrics,
        node: str,
        rest: Callable[[str, bool], None],
        comfort_audio: Path,
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._comfort_audio = comfort_audio
        self._trunks = trunks
        used = lines_by_trunk(settings)
        self._shares = {
            name: LineShare(trunk.lines, lines=len(used.get(name, ())))
            for name, trunk in trunks.items()
        }
        self._base = base_trunk(settings)
        self._rests = rests
        """The lines of each trunk that campaigns have."""
        self._gateway: TapiGateway | None = None
        self._counters: Mapping[str, _Counter] = {}
        self._desks: Mapping[str, Desk] = {}
        self._metrics = metrics
        self._node = node

    @asynccontextmanager
    async def open(
        self, store: StoreWatch, outcomes: Outcomes
    ) -> AsyncIterator[Callable[[], None]]:
        """Serve clients while the block lasts."""
        self._counters = {
            name: self._counter(name, lines, store, outcomes)
            for name, lines in self._shares.items()
        }
        clients = self._settings.tapi_client
        self._desks = {each.name: self._desk(each) for each in clients}
        for desk in self._desks.values():
            desk.by_line = self._lines_of(desk, self._settings)
        self._metrics.know_tapi(
            {desk.name: desk.label for desk in self._desks.values()},
            self._counts,
            requests=REQUESTS,
            errors=(error.shown for error in LineErr),
            states=(PLACING, *(state.shown for state in ORDER)),
        )
        async with open_gateway(
            _shown(self._settings), self._desks, trunks=self._trunks.values()
        ) as (gateway, where):
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
        try:
            self._apply(with_lines(self._settings, lines))
        except BadSettings as error:
            return {"ok": False, "why": str(error)}
        return {"lines": lines, "campaign_lines": self._rests[self._base].lines.size}

    def reload(
        self, lines: int, disabled_lines: list[int], profiles: list[dict[str, Any]]
    ) -> Mapping[str, Any]:
        """Have these lines and profiles from now on; calls go on as they began.

        Trunks stay what they were when the engine started.
        """
        if self._gateway is None:
            return _NOT_OPEN
        try:
            changed = with_tapi_part(
                self._settings, lines=lines, disabled_lines=disabled_lines, profiles=profiles
            )
            if base_trunk(changed) != self._base:
                return {"ok": False, "why": "[tapi]: its trunk changes with the next start only"}
            counts = self._apply(changed)
        except BadSettings as error:
            return {"ok": False, "why": f"{error}; the engine knows the trunks of its start"}
        return {"lines": lines, **counts}

    def _apply(self, settings: Settings) -> Mapping[str, int]:
        """Divide the trunks anew and tell every client; all of it or nothing.

        Raises:
            BadSettings: a profile's phone must not be called.
        """
        by_line = {name: self._lines_of(desk, settings) for name, desk in self._desks.items()}
        if self._gateway is None:
            return {}
        before = self._gateway.shown_lines()
        rested, self._settings = resting_trunks(self._settings), settings
        for name in rested ^ resting_trunks(settings):
            self._rest(name, name not in rested)
        used = lines_by_trunk(settings)
        for name, share in self._shares.items():
            lines = len(used.get(name, ()))
            share.resize(lines)
            self._rests[name].lines.resize(self._trunks[name].lines.size - lines)
        for name, desk in self._desks.items():
            desk.by_line = by_line[name]
        return self._gateway.become(_shown(settings), before)

    def _counter(
        self, name: str, lines: LineShare, store: StoreWatch, outcomes: Outcomes
    ) -> _Counter:
        return _Counter(
            trunk=self._trunks[name],
            lines=lines,
            trunk_settings={each.name: each for each in self._settings.trunk}[name],
            books=_Books(store, outcomes, node=self._node, trunk=name),
        )

    def _desk(self, client: TapiClientSettings) -> Desk:
        base = self._counters[self._base]
        return open_desk(
            client,
            destinations=self._settings.destinations,
            trunk=base.trunk,
            lines=base.lines,
            trunk_settings=base.trunk_settings,
            books=base.books,
            metrics=self._metrics,
            clock=SystemClock(),
            comfort_audio=self._comfort_audio,
        )

    def _lines_of(self, desk: Desk, settings: Settings) -> Mapping[int, Desk]:
        """Who serves the lines that have a profile.

        Raises:
            BadSettings: a profile's phone must not be called.
        """
        desks = {
            each.name: desk.with_profile(
                each, **self._counters[each.trunk or self._base].as_words()
            )
            for each in settings.profile
            if each.enabled
        }
        served = profile_lines(settings).items()
        return {line: desks[of.name] for line, of in served if of.name in desks}


def _shown(settings: Settings) -> TapiSettings:
    """The gateway's settings, with every line that is switched off."""
    return settings.tapi.model_copy(update={"disabled_lines": switched_off_lines(settings)})


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
