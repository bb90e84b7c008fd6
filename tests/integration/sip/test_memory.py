"""What a call leaves behind in memory: nothing that grows overnight."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Awaitable, Callable

import pytest
import trio

from acd.lines import Line, TrunkStatus
from acd.sip.trunk import SipTrunk
from tests.integration.sip.call_centre import answered_at, open_engine, run_pbx
from tests.integration.sip.conftest import Bench, answered, released, wait_status
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.sipp.steps import ack, answer, bye, invite

pytestmark = pytest.mark.real

HERE = Addresses.free()
CALLS = 800
CALLS_THROUGH_ASTERISK = 150
OVER_SECONDS = 6.0
"""A client transaction is kept for timer K, 5 s, after its answer (RFC 3261 17.1.2.2)."""
MOST_BYTES_A_CALL = 100
"""Each dialog's copy of the account's credentials was 280, its digests 1,700; the noise is 10."""
NOISE_BYTES = 30_000


class _MallocInfo(ctypes.Structure):
    """glibc's `struct mallinfo2` (mallinfo(3))."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def malloc_bytes() -> int:
    """What C has taken and not given back; Python's own small objects are not in it."""
    gc.collect()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _MallocInfo
    return int(mallinfo2().uordblks)


async def _call(trunk: SipTrunk, talk: Callable[[Line], Awaitable[object]]) -> None:
    async with trunk.lines.lease(holder="test", deadline_seconds=60) as line:
        await talk(line)
        await line.hang_up()
        await released(line)


async def _bytes_a_call(
    trunk: SipTrunk, calls: int, talk: Callable[[Line], Awaitable[object]]
) -> float:
    """What is still taken once a number of calls is forgotten; less what any number leaves."""
    taken = []
    # The first round fills what is kept on purpose: pools, caches, slots.
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            for _ in range(calls):
                nursery.start_soon(_call, trunk, talk)
        # Nothing tells when pjsip has forgotten a transaction.
        await trio.sleep(OVER_SECONDS)
        taken.append(malloc_bytes())
    return max(0, taken[1] - taken[0] - NOISE_BYTES) / calls


async def test_a_call_leaves_nothing_behind(bench: Bench, nursery: trio.Nursery) -> None:
    nursery.cancel_scope.deadline += 60
    pbx = bench.pbx(invite(), answer(), ack(), bye())
    trunk = await bench.trunk(str(pbx.bind), lines=20)
    assert await _bytes_a_call(trunk, CALLS, answered) < MOST_BYTES_A_CALL


async def test_a_call_at_a_pbx_that_asks_for_the_password_leaves_nothing_behind() -> None:
    with phones.carrier(HERE.carrier), trio.fail_after(120):
        async with run_pbx(HERE), open_engine(HERE) as (_, trunk):
            await wait_status(trunk, TrunkStatus.UP)
            left = await _bytes_a_call(trunk, CALLS_THROUGH_ASTERISK, answered_at)
    assert left < MOST_BYTES_A_CALL
