from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from types import SimpleNamespace
from typing import cast

import structlog
import trio
import trio.testing
from structlog.typing import EventDict

from acd.calls import DisconnectCause
from acd.lines import (
    CallId,
    Destination,
    DestinationKind,
    Line,
    OriginateRequest,
    TrunkHealth,
    TrunkStatus,
)
from acd.settings import Transport
from acd.sip.messages import CallEnded, CallReleased, Command, LegReport
from acd.sip.plan import TrunkPlan
from acd.sip.pool import SipLinePool


class Host:
    """A trunk on which nobody calls."""

    plan = cast(TrunkPlan, SimpleNamespace(name="main"))
    health = TrunkHealth(status=TrunkStatus.UP)

    def post(self, command: Command) -> None:
        raise AssertionError("nobody calls")

    def attach(self, receive: Callable[[LegReport], None]) -> int:
        raise AssertionError("nobody calls")


class SilentHost(Host):
    """Its PBX answers nothing: a call ends, and its dialog does not."""

    plan = cast(
        TrunkPlan,
        SimpleNamespace(
            name="main",
            domain="pbx",
            transport=Transport.UDP,
            own_headers=(),
            asserts_identity=False,
        ),
    )

    def post(self, command: Command) -> None:
        pass

    def attach(self, receive: Callable[[LegReport], None]) -> int:
        return 1


class EndingHost(SilentHost):
    """Its PBX ends each call when it is told to."""

    def __init__(self) -> None:
        self.receive: Callable[[LegReport], None] | None = None

    def attach(self, receive: Callable[[LegReport], None]) -> int:
        self.receive = receive
        return 1

    def end(self) -> None:
        receive, self.receive = self.receive, None
        if receive is not None:
            now = trio.current_time()
            receive(CallEnded(leg=1, at_seconds=now, cause=DisconnectCause.BUSY))
            receive(CallReleased(leg=1, at_seconds=now))


_REQUEST = OriginateRequest(
    call_id=CallId("a1"),
    destination=Destination(kind=DestinationKind.LEAD, user="1"),
    ring_timeout_seconds=30,
)


async def test_each_lease_ends_at_its_own_deadline_and_one_that_was_left_does_not(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    pool = SipLinePool(Host(), nursery, size=4, calls_per_second=100)
    async with AsyncExitStack() as leases:

        async def lease(deadline_seconds: float) -> Line:
            return await leases.enter_async_context(
                pool.lease(holder="test", deadline_seconds=deadline_seconds)
            )

        await lease(30)
        await lease(2)
        async with pool.lease(holder="test", deadline_seconds=5):
            await trio.sleep(1)
        await trio.sleep(1.5)
        assert (pool.expired_leases, pool.free) == (1, 3)
        await lease(3)
        await trio.sleep(4)
        assert (pool.expired_leases, pool.free) == (2, 3)
        await trio.sleep(30)
        assert (pool.expired_leases, pool.free) == (3, 4)
    assert pool.free == 4


async def test_an_expired_lease_is_logged_as_its_own_and_not_as_the_first_ones(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    pool = SipLinePool(Host(), nursery, size=2, calls_per_second=100)
    logged: list[EventDict] = []

    def keep(_logger: object, _method: str, event: EventDict) -> EventDict:
        logged.append(event)
        raise structlog.DropEvent

    async def hold(lead: int, seconds: float) -> None:
        with structlog.contextvars.bound_contextvars(lead=lead):
            async with pool.lease(holder="test", deadline_seconds=2):
                await trio.sleep(seconds)

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep])
    try:
        await hold(1, 1)
        await hold(2, 3)
    finally:
        structlog.configure(processors=before)
    (line,) = [event for event in logged if event["action"] == "line.lease_expired"]
    assert "lead" not in line
    assert line["call"] == ""


async def test_a_line_ages_from_the_end_of_its_call_until_its_dialog_is_over(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    pool = SipLinePool(SilentHost(), nursery, size=2, calls_per_second=100)
    async with pool.lease(holder="test", deadline_seconds=100) as line:
        await trio.sleep(10)
        assert pool.oldest_ended_seconds() == 0, "leased, and no call"
        await line.originate(_REQUEST)
        await trio.sleep(10)
        assert pool.oldest_ended_seconds() == 0, "the call lives"
    await trio.sleep(7)
    assert pool.oldest_ended_seconds() == 7


async def test_what_is_left_of_a_call_waits_for_no_garbage_collector(
    nursery: trio.Nursery,
) -> None:
    host = EndingHost()
    pool = SipLinePool(host, nursery, size=1, calls_per_second=100)
    gc.collect()
    gc.disable()  # it would hide what it has found
    try:
        for ends_first in (True, False):
            async with pool.lease(holder="test", deadline_seconds=100) as line:
                await line.originate(_REQUEST)
                line.follow(partial(_hear, line))
                if ends_first:
                    host.end()
                gone = weakref.ref(line)
                del line
            host.end()
            assert pool.free == 1
            assert gone() is None, f"{ends_first=}"
    finally:
        gc.enable()


def _hear(line: Line) -> None:
    while line.event_now() is not None:
        pass
