"""The same promises of a line, kept by the script and by pjsua2 against SIPp.

A `Called` says what the called side does, once for a `Script` and once in SIPp's steps.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import (
    CallId,
    Destination,
    DestinationKind,
    Ended,
    Line,
    LineEvent,
    LinePool,
    OriginateRequest,
    PersonWith,
    RedirectGuard,
    Released,
    TransferFailed,
    TransferRefused,
    TrunkStatus,
)
from acd.settings import DestinationSettings, TrunkSettings
from acd.sip import Sip, open_sip
from tests.fakes.lines import FakePool, Script
from tests.peers.addresses import Addresses
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import (
    ack,
    answer,
    bye,
    cancel,
    hang_up,
    invite,
    notify,
    pause,
    redirect,
    refer,
    reject,
    ring,
    terminate_cancelled,
    write,
)

_HERE = Addresses.free()
ENGINE_HOST = _HERE.dialer
PBX_HOST = _HERE.pbx


@dataclass(frozen=True, slots=True)
class Called:
    """What the called side does."""

    script: Script
    steps: tuple[str, ...]


_UP = (invite(), ring(), answer(), ack())


def answers() -> Called:
    """Rings, answers, is hung up."""
    return Called(Script(), (*_UP, bye()))


def answers_and_hangs_up() -> Called:
    return Called(Script(hangs_up_after=0.2), (*_UP, pause(200), hang_up()))


def rings_for_ever() -> Called:
    script = Script(answers_after=None, cause=DisconnectCause.NO_ANSWER)
    return Called(script, (invite(), ring(), cancel(), terminate_cancelled()))


def says_nothing_for_a_while() -> Called:
    script = Script(rings_after=0.7, answers_after=None, cause=DisconnectCause.NO_ANSWER)
    return Called(script, (invite(), pause(700), ring(), cancel(), terminate_cancelled()))


def is_busy() -> Called:
    script = Script(answers_after=None, cause=DisconnectCause.BUSY)
    return Called(script, (invite(), ring(), reject("486 Busy Here")))


SENT_ON_TO = "+43150564200"


def is_sent_on() -> Called:
    """To a number that the door lets through, and which answers."""
    moved = redirect(f"<sip:{SENT_ON_TO}@pbx>", unless=re.escape(SENT_ON_TO))
    script = Script(sent_on_to=SENT_ON_TO)
    return Called(script, (moved, ring(), answer(), ack(), bye()))


def is_sent_to_an_emergency_service() -> Called:
    script = Script(rings_after=None, answers_after=None, cause=DisconnectCause.FORWARDED)
    return Called(script, (invite(), reject("302 Moved", "Contact: <sip:112@pbx>")))


def transfers() -> Called:
    """The target answers after a while."""
    steps = (*_UP, refer(202), pause(200), notify(200, final=True), bye())
    return Called(Script(transfers=deque([0.2])), steps)


def refuses_transfers() -> Called:
    result = TransferRefused(at_seconds=0, sip_status=488)
    return Called(Script(transfers=deque([result])), (*_UP, refer(488), bye()))


def fails_transfers() -> Called:
    result = TransferFailed(at_seconds=0, sip_status=404, person_with=PersonWith.US)
    return Called(
        Script(transfers=deque([result])), (*_UP, refer(202), notify(404, final=True), bye())
    )


def never_ends_transfers() -> Called:
    return Called(Script(transfers=deque([60.0])), (*_UP, refer(202), notify(100), bye()))


def hangs_up_during_a_transfer() -> Called:
    steps = (*_UP, refer(202), notify(100), pause(300), hang_up())
    return Called(Script(transfers=deque([60.0]), hangs_up_after=0.5), steps)


class Side(Protocol):
    """Whoever keeps the promises."""

    async def pool(self, called: Called, *, size: int = 1) -> LinePool:
        """Lines to this called side."""
        ...


@dataclass
class ScriptedSide:
    nursery: trio.Nursery

    async def pool(self, called: Called, *, size: int = 1) -> LinePool:
        await trio.lowlevel.checkpoint()
        return FakePool(self.nursery, size, [called.script])


@dataclass
class SipSide:
    nursery: trio.Nursery
    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)

    async def pool(self, called: Called, *, size: int = 1) -> LinePool:
        scenario = write(self.folder, *called.steps)
        pbx = self.stack.enter_context(Sipp.uas(scenario, Bind(PBX_HOST)))
        settings = TrunkSettings.model_validate(
            {
                "domain": str(pbx.bind),
                "user": "acd",
                "register": False,
                "follow_redirects": True,
                "lines": size,
                "calls_per_second": 200,
                "bind_address": ENGINE_HOST,
            }
        )
        sip: Sip = await self.nursery.start(_run_sip, settings)
        trunk = sip.trunk("main")
        while trunk.health.status is not TrunkStatus.UP:
            await trunk.wait_health_change(trunk.health)
        return trunk.lines


async def _run_sip(
    settings: TrunkSettings, task_status: trio.TaskStatus[Sip] = trio.TASK_STATUS_IGNORED
) -> None:
    async with open_sip([settings], probe=None, destinations=DestinationSettings()) as sip:
        task_status.started(sip)
        await trio.sleep_forever()


@dataclass
class World:
    """A side, and leases that end with the test."""

    side: Side
    leases: AsyncExitStack

    async def line(self, called: Called) -> Line:
        pool = await self.side.pool(called)
        return await self.leases.enter_async_context(pool.lease(holder="test", deadline_seconds=30))


@pytest.fixture(params=["script", pytest.param("sip", marks=pytest.mark.real)])
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, nursery: trio.Nursery
) -> AsyncIterator[World]:
    nursery.cancel_scope.deadline = trio.current_time() + 30
    with ExitStack() as stack:
        side: Side
        if request.param == "script":
            side = ScriptedSide(nursery)
        else:
            side = SipSide(nursery, tmp_path, stack)
        async with AsyncExitStack() as leases:
            yield World(side, leases)


def call(
    *, ring_timeout_seconds: float = 20, may_follow: RedirectGuard | None = None
) -> OriginateRequest:
    return OriginateRequest(
        call_id=CallId("call-1"),
        destination=Destination(kind=DestinationKind.LEAD, user="43150564100"),
        ring_timeout_seconds=ring_timeout_seconds,
        may_follow=may_follow,
    )


def agent() -> Destination:
    return Destination(kind=DestinationKind.TRANSFER, user="2001")


async def take(line: Line, last: type[LineEvent] = Released) -> list[LineEvent]:
    """Events up to and with the first of this kind."""
    taken: list[LineEvent] = []
    while not taken or not isinstance(taken[-1], last):
        taken.append(await line.next_event())
    return taken


def the_end(events: list[LineEvent]) -> Ended:
    """The one `Ended`, which `Released` follows at once."""
    assert [type(event) for event in events[-2:]] == [Ended, Released]
    ended = [event for event in events if isinstance(event, Ended)]
    assert len(ended) == 1
    return ended[0]
