"""One SIPp, one wire, one SIP side a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from acd.lines import (
    Answered,
    CallerId,
    CallId,
    Destination,
    DestinationKind,
    Line,
    LineEvent,
    OriginateRequest,
    RedirectGuard,
    Released,
    TrunkHealth,
    TrunkStatus,
)
from acd.settings import DestinationSettings, TrunkSettings
from acd.sip import ProbeTiming, Sip, open_sip
from acd.sip.trunk import SipTrunk
from tests.peers.addresses import Addresses
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import write
from tests.peers.wire import SipMessage, Wire

_HERE = Addresses.free()
ENGINE_HOST = _HERE.dialer
PBX_HOST = _HERE.pbx


@dataclass
class Bench:
    """Starts what a test asks for; everything ends with the test."""

    folder: Path
    stack: ExitStack
    async_stack: AsyncExitStack
    nursery: trio.Nursery
    wire: Wire = field(init=False)
    sip: Sip = field(init=False)
    destinations: DestinationSettings = field(default_factory=DestinationSettings)

    def pbx(self, *steps: str, **options: object) -> Sipp:
        """A SIPp that does these steps for every call."""
        self.wire = self.stack.enter_context(Wire(PBX_HOST))
        sipp = Sipp.uas(write(self.folder, *steps), Bind(PBX_HOST), **options)
        return self.stack.enter_context(sipp)

    async def trunk(
        self, domain: str, *, probe: ProbeTiming | None = None, **settings: object
    ) -> SipTrunk:
        """The one trunk of a SIP side, up."""
        trunk = await self.started_trunk(domain, probe=probe, **settings)
        await wait_status(trunk, TrunkStatus.UP)
        return trunk

    async def started_trunk(
        self, domain: str, *, probe: ProbeTiming | None = None, **settings: object
    ) -> SipTrunk:
        """The same, whatever its health."""
        values: dict[str, object] = {
            "domain": domain,
            "user": "acd",
            "register": False,
            "lines": 3,
            "calls_per_second": 200,
            "bind_address": ENGINE_HOST,
        }
        trunk = TrunkSettings.model_validate(values | settings)
        self.sip = await self.nursery.start(_run_sip, trunk, probe, self.destinations)
        return self.sip.trunk("main")

    async def line(self, trunk: SipTrunk) -> Line:
        """A leased line."""
        lease = trunk.lines.lease(holder="test", deadline_seconds=60)
        return await self.async_stack.enter_async_context(lease)

    async def breathe(self) -> None:
        """Let everything else run before a condition on the wire is looked at again."""
        await trio.sleep(0.005)

    def messages(self) -> list[SipMessage]:
        """Every SIP message up to now."""
        return self.wire.sip()


async def _run_sip(
    trunk: TrunkSettings,
    probe: ProbeTiming | None,
    destinations: DestinationSettings,
    task_status: trio.TaskStatus[Sip] = trio.TASK_STATUS_IGNORED,
) -> None:
    """A task of its own: `open_sip` holds a nursery, which no fixture may keep open."""
    async with open_sip([trunk], probe=probe, destinations=destinations) as sip:
        task_status.started(sip)
        await trio.sleep_forever()


@pytest.fixture
async def bench(tmp_path: Path, stack: ExitStack, nursery: trio.Nursery) -> AsyncIterator[Bench]:
    nursery.cancel_scope.deadline = trio.current_time() + 40
    async with AsyncExitStack() as async_stack:
        yield Bench(tmp_path, stack, async_stack, nursery)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def lead(user: str = "43150564100") -> Destination:
    return Destination(kind=DestinationKind.LEAD, user=user)


def agent(user: str = "2001", *, uri: str = "") -> Destination:
    return Destination(kind=DestinationKind.TRANSFER, user=user, uri=uri)


def request(
    *,
    user: str = "43150564100",
    ring_timeout_seconds: float = 20,
    caller_id: CallerId | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    may_follow: RedirectGuard | None = None,
) -> OriginateRequest:
    return OriginateRequest(
        call_id=CallId("call-1"),
        destination=lead(user),
        ring_timeout_seconds=ring_timeout_seconds,
        caller_id=caller_id,
        headers=headers,
        may_follow=may_follow,
    )


async def until(line: Line, kind: type[LineEvent]) -> list[LineEvent]:
    """Take events up to and with the first of this kind."""
    taken: list[LineEvent] = []
    while not taken or not isinstance(taken[-1], kind):
        taken.append(await line.next_event())
    return taken


async def answered(line: Line) -> Answered:
    """Start a call and take events until it is answered."""
    await line.originate(request())
    event = (await until(line, Answered))[-1]
    assert isinstance(event, Answered)
    return event


async def released(line: Line) -> list[LineEvent]:
    return await until(line, Released)


async def wait_status(trunk: SipTrunk, status: TrunkStatus) -> TrunkHealth:
    health = trunk.health
    while health.status is not status:
        health = await trunk.wait_health_change(health)
    return health


async def seconds_of(action: Callable[[], Awaitable[object]]) -> float:
    """How long it took, by trio's clock."""
    start = trio.current_time()
    await action()
    return trio.current_time() - start
