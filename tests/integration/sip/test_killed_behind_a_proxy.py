"""An Asterisk that is killed behind a Kamailio that lives on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from acd.lines import TrunkStatus
from acd.sip import open_sip
from acd.sip.trunk import SipTrunk
from tests.integration.sip.call_centre import (
    call_and_hand_over,
    run_pbx,
    trunk_settings,
    wait_all_free,
)
from tests.integration.sip.conftest import released, request, wait_status
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import Asterisk
from tests.peers.certificates import make_certificate
from tests.peers.kamailio import run_kamailio
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

KNOWN_SECONDS = 8.0
CALLS = 4


@dataclass
class Site:
    """A proxy, and a PBX behind it that comes and goes."""

    proxy: Addresses
    centre: Addresses
    wire: Wire
    stack: AsyncExitStack
    pbx: Asterisk = field(init=False)

    async def start_pbx(self) -> None:
        self.pbx = await self.stack.enter_async_context(run_pbx(self.centre))

    def kill_pbx(self) -> float:
        """Without a word; when that was, by the clock of the wire."""
        os.kill(self.pbx.pid, signal.SIGKILL)
        return time.time()

    @asynccontextmanager
    async def trunk(self, **settings: object) -> AsyncIterator[SipTrunk]:
        values = {"domain": self.proxy.pbx, "lines": CALLS} | settings
        async with open_sip([trunk_settings(self.centre, **values)]) as sip:
            trunk = sip.trunk("main")
            await wait_status(trunk, TrunkStatus.UP)
            yield trunk


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    proxy, centre = Addresses.free(), Addresses.free()
    certificate, key = make_certificate(tmp_path, name=proxy.pbx)
    async with AsyncExitStack() as stack:
        stack.enter_context(phones.carrier(centre.carrier))
        stack.enter_context(phones.agent_answers(centre.agent_101))
        wire = stack.enter_context(Wire(proxy.pbx))
        site = Site(proxy, centre, wire, stack)
        await site.start_pbx()
        await stack.enter_async_context(
            run_kamailio(
                address=proxy.pbx,
                pbx=f"{site.pbx.address}:{site.pbx.port}",
                certificate=certificate,
                key=key,
            )
        )
        with trio.fail_after(100):
            yield site


async def works_again(trunk: SipTrunk) -> None:
    await wait_status(trunk, TrunkStatus.UP)
    await call_and_hand_over(trunk)
    await wait_all_free(trunk, timeout_seconds=10)


async def test_calls_tell_it_in_8_seconds(site: Site) -> None:
    async with site.trunk() as trunk:
        site.kill_pbx()
        async with AsyncExitStack() as leases, trio.open_nursery() as nursery:
            for number in range(CALLS):
                lease = trunk.lines.lease(holder="test", deadline_seconds=60)
                line = await leases.enter_async_context(lease)
                await line.originate(request(user=f"+4315056410{number}"))
                nursery.start_soon(released, line)
            health = await wait_status(trunk, TrunkStatus.BACKING_OFF)
            known_at = time.time()
        invited = [
            m for m in select(site.wire.sip(), "INVITE") if m.source[0] == site.centre.dialer
        ]
        await site.start_pbx()
        await works_again(trunk)
    assert known_at - invited[0].at_seconds <= KNOWN_SECONDS
    assert "calls in a row ended with 408 and reached nobody" in health.detail


async def test_without_a_call_it_is_known_in_8_seconds_where_options_pass_the_proxy(
    site: Site,
) -> None:
    async with site.trunk(probe_user="acd-probe") as trunk:
        died_at = site.kill_pbx()
        health = await wait_status(trunk, TrunkStatus.UNREACHABLE)
        known_at = time.time()
        assert not select(site.wire.sip(), "INVITE")
        # What the proxy says of itself does not bring the trunk back.
        while not select(site.wire.sip(), 408, cseq="OPTIONS"):
            await trunk.wait_health_change(health)
        assert trunk.health.status is TrunkStatus.UNREACHABLE
        await site.start_pbx()
        await works_again(trunk)
    assert known_at - died_at <= KNOWN_SECONDS
