"""An Asterisk that dies or falls silent with calls up, and the work after it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import AsyncExitStack, ExitStack

import pytest
import trio

from acd.errors import TrunkUnavailable
from acd.lines import Line, Released, TrunkStatus
from acd.sip.trunk import SipTrunk
from tests.integration.sip.call_centre import (
    answered_at,
    call_and_hand_over,
    open_engine,
    run_pbx,
    wait_all_free,
)
from tests.integration.sip.conftest import request, wait_status
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.wire import Wire

pytestmark = pytest.mark.real

HERE = Addresses.free()
CALLS = 20
KNOWN_SECONDS = 8.0
"""From the PBX's last message to the trunk's health."""
FREE_SECONDS = 10.0
"""From our hang-up: PJSIP_TD_TIMEOUT (6 s) for a BYE that nothing answers; measured 6.0 to 6.5,
the rest is for a loaded machine."""
BACK_SECONDS = 12.0
"""From the PBX's return: an OPTIONS in flight is lost only after its 4 s."""


async def wait_known_dead(trunk: SipTrunk) -> float:
    """Wait until health says so; return when that was, by the clock of the wire."""
    with trio.fail_after(20):
        health = await wait_status(trunk, TrunkStatus.UNREACHABLE)
    assert health.detail == "the PBX does not answer"
    return time.time()


def last_word_of(wire: Wire, address: str) -> float:
    return max(m.at_seconds for m in wire.sip() if m.source[0] == address)


async def hold_calls(trunk: SipTrunk, stack: AsyncExitStack) -> list[Line]:
    leases = [trunk.lines.lease(holder="test", deadline_seconds=60) for _ in range(CALLS)]
    lines = [await stack.enter_async_context(lease) for lease in leases]
    async with trio.open_nursery() as nursery:
        for line in lines:
            nursery.start_soon(answered_at, line)
    return lines


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "silent"])
async def test_a_lost_pbx_is_known_in_8_seconds_and_its_lines_are_free_soon_after(
    by: signal.Signals,
) -> None:
    with ExitStack() as peers, trio.fail_after(100):
        wire = peers.enter_context(Wire(HERE.pbx))
        peers.enter_context(phones.carrier(HERE.carrier))
        peers.enter_context(phones.agent_answers(HERE.agent_101))
        async with AsyncExitStack() as centre:
            async with run_pbx(HERE) as pbx:
                _, trunk = await centre.enter_async_context(open_engine(HERE, lines=CALLS))
                await wait_status(trunk, TrunkStatus.UP)
                async with AsyncExitStack() as leases:
                    lines = await hold_calls(trunk, leases)
                    assert trunk.lines.free == 0
                    os.kill(pbx.pid, by)
                    known_at = await wait_known_dead(trunk)
                    assert known_at - last_word_of(wire, HERE.pbx) <= KNOWN_SECONDS
                    with pytest.raises(TrunkUnavailable, match="does not answer"):
                        await spare_originate(lines[0])
                await wait_all_free(trunk, timeout_seconds=FREE_SECONDS)
                if by is signal.SIGSTOP:
                    os.kill(pbx.pid, signal.SIGCONT)
                    await works_again(trunk)
            if by is signal.SIGKILL:
                async with run_pbx(HERE):
                    await works_again(trunk)


async def spare_originate(line: Line) -> None:
    """The line has a call; hang it up first, so that only the trunk's health can refuse."""
    await line.hang_up()
    with trio.fail_after(FREE_SECONDS):
        while not isinstance(await line.next_event(), Released):
            pass
    await line.originate(request())


async def works_again(trunk: SipTrunk) -> None:
    with trio.fail_after(BACK_SECONDS):
        await wait_status(trunk, TrunkStatus.UP)
    await call_and_hand_over(trunk)
    await wait_all_free(trunk, timeout_seconds=FREE_SECONDS)
