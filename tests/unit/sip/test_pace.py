from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio
import trio.testing

from acd.lines import CallId, Destination, DestinationKind, Line, OriginateRequest
from acd.sip.messages import Command
from acd.sip.pace import InvitePace
from acd.sip.pool import BURST_SECONDS, SipLinePool
from tests.unit.sip.test_pool import SilentHost


class CountingHost(SilentHost):
    """Knows when each INVITE was ordered."""

    def __init__(self) -> None:
        self.ordered_at: list[float] = []

    def post(self, command: Command) -> None:
        self.ordered_at.append(trio.current_time())


@pytest.mark.parametrize("rate", [1.0, 5.0, 50.0, 200.0])
async def test_invites_that_come_all_at_once_leave_at_the_rate(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, rate: float
) -> None:
    pace = InvitePace(rate)
    left_at: list[float] = []
    order: list[int] = []
    calls = int(4 * rate)

    async def leave(number: int) -> None:
        await pace.wait_turn()
        left_at.append(trio.current_time())
        order.append(number)

    async with trio.open_nursery() as leaving:
        for number in range(calls):
            leaving.start_soon(leave, number)
            await trio.testing.wait_all_tasks_blocked()
    assert order == sorted(order), "who comes first leaves first"
    in_a_second = [sum(0 <= at - start < 1 for at in left_at) for start in left_at]
    assert max(in_a_second) <= rate + max(1.0, rate * BURST_SECONDS)
    assert left_at[-1] - left_at[0] <= calls / rate, "no slower either"


async def test_whoever_gives_up_waiting_keeps_nobody_from_a_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pace = InvitePace(1.0)
    await pace.wait_turn()
    with trio.move_on_after(0.1) as waited:
        await pace.wait_turn()
    assert waited.cancelled_caught
    began_at = trio.current_time()
    await pace.wait_turn()
    assert trio.current_time() - began_at <= 1.0


async def test_nobody_is_given_a_line_while_many_invites_wait(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """As after a commit that took long: what was leased meanwhile is dialed all at once."""
    host = CountingHost()
    rate = 20.0
    pool = SipLinePool(host, nursery, size=100, calls_per_second=rate)
    async with AsyncExitStack() as leases:
        lines: list[Line] = [
            await leases.enter_async_context(pool.lease(holder="test", deadline_seconds=900))
            for _ in range(60)
        ]
        async with trio.open_nursery() as dialing:
            began_at = trio.current_time()
            for number, line in enumerate(lines):
                dialing.start_soon(line.originate, request(number))
            await trio.testing.wait_all_tasks_blocked()
            await leases.enter_async_context(pool.lease(holder="test", deadline_seconds=900))
            waiting = len(lines) - len(host.ordered_at)
            assert trio.current_time() > began_at + 1
            assert waiting <= rate / 2
    assert len(host.ordered_at) >= len(lines)


def request(number: int) -> OriginateRequest:
    return OriginateRequest(
        call_id=CallId(f"a{number}"),
        destination=Destination(kind=DestinationKind.LEAD, user="+4930231250001"),
        ring_timeout_seconds=25.0,
    )
