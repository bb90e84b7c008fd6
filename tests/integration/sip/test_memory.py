"""What a call leaves behind in memory: nothing that grows overnight."""

from __future__ import annotations

import ctypes
import gc

import pytest
import trio

from acd.lines import Answered
from acd.sip.trunk import SipTrunk
from tests.integration.sip.conftest import Bench, released, request, until
from tests.peers.sipp.steps import ack, answer, bye, invite

pytestmark = pytest.mark.real

CALLS = 800
OVER_SECONDS = 6.0
"""A client transaction is kept for timer K, 5 s, after its answer (RFC 3261 17.1.2.2)."""
MOST_BYTES_A_CALL = 100
"""Each dialog's copy of the account's credentials was 280; without it the noise is 10."""


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


async def _call(trunk: SipTrunk) -> None:
    async with trunk.lines.lease(holder="test", deadline_seconds=60) as line:
        await line.originate(request())
        await until(line, Answered)
        await line.hang_up()
        await released(line)


async def _calls(trunk: SipTrunk) -> int:
    """Place them all; how much memory is taken once they are forgotten."""
    async with trio.open_nursery() as nursery:
        for _ in range(CALLS):
            nursery.start_soon(_call, trunk)
    await trio.sleep(OVER_SECONDS)
    return malloc_bytes()


async def test_a_call_leaves_nothing_behind(bench: Bench, nursery: trio.Nursery) -> None:
    nursery.cancel_scope.deadline += 60
    pbx = bench.pbx(invite(), answer(), ack(), bye())
    trunk = await bench.trunk(str(pbx.bind), lines=20)
    # The first round fills what is kept on purpose: pools, caches, slots.
    before = await _calls(trunk)
    after = await _calls(trunk)
    assert after - before < CALLS * MOST_BYTES_A_CALL
