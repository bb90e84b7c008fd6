"""A gateway over real TCP, on scripted lines and with books in memory, and a client of it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import trio
from pydantic import SecretStr

from acd.clock import WallClock
from acd.errors import StoreUnavailable
from acd.lines import NotFollowed
from acd.metrics import Metrics
from acd.rules.dispositions import Disposition
from acd.rules.hours import CallingHours
from acd.settings import (
    DestinationSettings,
    ProfileSettings,
    TapiClientSettings,
    TapiSettings,
    TrunkSettings,
)
from acd.store.attempts import AttemptClosed
from acd.store.outcomes import Outcome
from acd.store.suppressions import Barred
from acd.tapi.books import open_desk
from acd.tapi.client import (
    GatewayAddress,
    HCall,
    LineApp,
    line_initialize_ex,
)
from acd.tapi.constants import LineCallState
from acd.tapi.server import Secret, TapiGateway, open_gateway
from tests.fakes.lines import FakePool, FakeTrunk, Script

TOKEN = "a token for tests"
NUMBER = "+43 (1) 505641"
ABROAD = "+49 30 23125001"
OPEN = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
"""A Tuesday, 11:00 in Vienna."""
TRUNK = TrunkSettings(domain="127.0.0.1", user="dialer", calls_per_second=200)


@dataclass
class StandingClock:
    """A wall clock that stands until somebody sets it."""

    at: datetime = OPEN

    def now(self) -> datetime:
        return self.at


@dataclass
class MemoryBooks:
    """`acd.tapi.books.Books` without SQL."""

    up: bool = True
    refuses: Barred | None = None
    bars: NotFollowed | None = None
    """What is said of the number that a 3xx names."""
    followed: list[tuple[str, CallingHours | None]] = field(default_factory=list)
    """Whom a 3xx named, and whose hours were to be kept."""
    begun: list[tuple[str, str | None, int]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    async def begin(self, *, client: str, e164: str | None, line: int) -> int | Barred:
        await trio.lowlevel.checkpoint()
        if not self.up:
            raise StoreUnavailable("away")
        if self.refuses is not None:
            return self.refuses
        self.begun.append((client, e164, line))
        return len(self.begun)

    async def may_follow(self, e164: str, *, hours: CallingHours | None) -> NotFollowed | None:
        self.followed.append((e164, hours))
        await trio.lowlevel.checkpoint()
        return self.bars

    def put(
        self, outcome: Outcome, *, settled: Callable[[Disposition], None] | None = None
    ) -> None:
        self.outcomes.append(outcome)

    @property
    def closed(self) -> list[AttemptClosed]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, AttemptClosed)]


@dataclass
class Stage:
    app: LineApp
    books: MemoryBooks
    pool: FakePool
    trunk: FakeTrunk
    own_trunk: FakeTrunk
    """That of the profile's lines, where it names one."""
    metrics: Metrics
    address: GatewayAddress
    gateway: TapiGateway

    async def connected(self, number: int = 1) -> HCall:
        line = await self.app.line_open(number)
        call = await self.app.line_make_call(line, NUMBER)
        assert await self.app.wait_connected(call)
        return call


@asynccontextmanager
async def stage(
    *scripts: Script,
    client: dict[str, Any] | None = None,
    gateway: dict[str, Any] | None = None,
    secret: Secret = secrets.token_hex,
    connect: bool = True,
    clock: WallClock | None = None,
    profile: ProfileSettings | None = None,
) -> AsyncIterator[Stage]:
    settings = TapiSettings(port=0, **{"lines": 4, "heartbeat_seconds": 0.5, **(gateway or {})})
    mine = TapiClientSettings(
        name="overdialer",
        token=SecretStr(TOKEN),
        **{"calls_per_second": 200, **(client or {})},
    )
    async with trio.open_nursery() as nursery:
        pool = FakePool(nursery, 4, scripts or (Script(hangs_up_after=None),))
        trunk, books, metrics = FakeTrunk(pool), MemoryBooks(), Metrics()
        own_trunk = trunk
        desk = open_desk(
            mine,
            destinations=DestinationSettings(),
            trunk=trunk,
            lines=pool,
            trunk_settings=TRUNK,
            books=books,
            metrics=metrics,
            clock=clock or StandingClock(),
        )
        if profile is not None:
            own_trunk = FakeTrunk(pool, name=profile.trunk) if profile.trunk else trunk
            own = desk.with_profile(
                profile, trunk=own_trunk, lines=pool, trunk_settings=TRUNK, books=books
            )
            desk.by_line = dict.fromkeys(range(profile.first_line, profile.last_line + 1), own)
        with trio.fail_after(20):
            async with open_gateway(
                settings, {mine.name: desk}, trunks=(trunk, own_trunk), secret=secret
            ) as (server, where):
                host, _, port = where.rpartition(":")
                address = GatewayAddress(host=host, port=int(port), client=mine.name, token=TOKEN)
                app = LineApp(address)
                connection = line_initialize_ex(address) if connect else nullcontext(app)
                async with connection as app:
                    yield Stage(app, books, pool, trunk, own_trunk, metrics, address, server)
        nursery.cancel_scope.cancel()


def states(call: HCall) -> Sequence[LineCallState]:
    """Every LINE_CALLSTATE so far."""
    return [event.state for event in call.events]


async def until(condition: Callable[[], bool]) -> None:
    """Let the others work until it holds; `stage` sets the limit."""
    while not condition():
        await trio.lowlevel.checkpoint()
