"""Hostile datagrams at the SIP port of an engine with calls up; 127.61.1.x."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
import trio
from structlog.testing import capture_logs

from acd.lines import Line, Released, TransferAnswered
from acd.logs.actions import ACTIONS
from acd.sip.trunk import SipTrunk
from tests.integration.sip.call_centre import wait_all_free
from tests.integration.sip.conftest import Bench, agent, answered, until
from tests.peers.addresses import Addresses
from tests.peers.hostile import CASES, datagrams
from tests.peers.sipp.steps import ack, answer, bye, invite, notify, refer

pytestmark = pytest.mark.real

_HERE = Addresses.free()
ENGINE = _HERE.dialer
STRANGER = _HERE.carrier
CALLS = 50
DATAGRAMS = 10_000
AT_ONCE = 100
"""Sent before the engine must show that it has read them."""
SEED = 4475
CALLBACK_FAILED = "sip.callback_failed"


class Stranger:
    """Somebody on the network with one UDP socket."""

    def __init__(self, target: str, own: trio.socket.SocketType) -> None:
        self._target = target
        host, _, port = target.partition(":")
        self._address = (host, int(port))
        self._socket = own
        self._own = "{}:{}".format(*own.getsockname()[:2])

    async def attack(self, count: int, *, seed: int) -> None:
        for number, datagram in enumerate(
            datagrams(count, seed=seed, own=self._own, to=self._target), start=1
        ):
            await self._socket.sendto(datagram, self._address)
            if number % AT_ONCE == 0 or number == count:
                await self.wait_read()

    async def wait_read(self) -> None:
        """The engine answers an OPTIONS that came after everything else."""
        identifier = uuid4().hex
        question = CASES["trws"].replace("  \r\n", "\r\n").replace("{id}", identifier)
        filled = question.replace("{own}", self._own).replace("{to}", self._target).encode()
        with trio.fail_after(10):
            await self._socket.sendto(filled, self._address)
            while identifier.encode() not in (await self._socket.recv(65535)):
                pass


async def hold(trunk: SipTrunk, bench: Bench) -> list[Line]:
    lines = [await bench.line(trunk) for _ in range(CALLS)]
    async with trio.open_nursery() as nursery:
        for line in lines:
            nursery.start_soon(answered, line)
    return lines


async def test_after_10000_hostile_datagrams_all_50_calls_are_still_transferred(
    bench: Bench,
) -> None:
    pbx = bench.pbx(invite(), answer(), ack(), refer(202), notify(200, final=True), bye())
    bench.nursery.cancel_scope.deadline = trio.current_time() + 90
    trunk = await bench.trunk(str(pbx.bind), lines=CALLS, bind_address=ENGINE)
    with capture_logs() as logs:
        for repeat in range(2):
            # Twice: what the first round kept for itself would be missing in the second.
            async with AsyncExitStack() as leases:
                bench.async_stack = leases
                lines = await hold(trunk, bench)
                with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
                    await own.bind((STRANGER, 0))
                    await Stranger(trunk.sip_address, own).attack(DATAGRAMS, seed=SEED + repeat)
                for line in lines:
                    result = await line.blind_transfer(agent(), timeout_seconds=5)()
                    assert isinstance(result, TransferAnswered)
                    await until(line, Released)
            await wait_all_free(trunk, timeout_seconds=5)
    assert not [entry for entry in logs if entry["action"] == CALLBACK_FAILED]
    assert bench.sip.counts["callers_turned_away"] > 0, "they did not get as far as a call"
    assert trunk.health.may_dial
    assert trunk.lines.expired_leases == 0


def test_a_failing_callback_is_logged_under_that_name() -> None:
    assert CALLBACK_FAILED in ACTIONS


def test_every_case_of_rfc_4475_has_a_message() -> None:
    assert len(CASES) == 49
