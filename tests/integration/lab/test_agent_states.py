"""The engine's own feed of subscriptions at the lab: what it is told while agents take people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from acd.agents import AgentState, Phone
from acd.lines import (
    Answered,
    CallId,
    Destination,
    DestinationKind,
    OriginateRequest,
    TransferAnswered,
    TrunkStatus,
)
from acd.settings import FeedsSettings, TrunkSettings
from acd.sip import open_sip
from acd.sip.trunk import SipTrunk
from tests.integration.feeds.floor import Told, told
from tests.integration.sip.conftest import until, wait_status
from tests.peers.addresses import Addresses
from tests.peers.lab import Lab
from tests.peers.watching import wait_on_wire
from tests.peers.wire import SipMessage, Wire, select

pytestmark = pytest.mark.real

HERE = Addresses.free()
AGENT, COLLEAGUE = "2001", "2002"
ANSWERS_AT_ONCE = "+436601234500"
WHOLE_SECONDS = 60
_PORTS = ("--port", "5070", "--watch-port", "5071")
"""The same after a restart."""


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire(HERE.pbx) as capture:
        yield capture


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Not yet started."""
    slow = ("--agents", "2", "--agent-answer", "0.5", "--talk", "1")
    return Lab(HERE.pbx, tmp_path, (*_PORTS, *slow))


@asynccontextmanager
async def engine_at(lab: Lab) -> AsyncIterator[tuple[SipTrunk, Told]]:
    """A trunk at a lab that runs, and the feed behind `[feeds.dialog_info]`."""
    settings = TrunkSettings.model_validate(
        {
            "domain": str(lab.bind),
            "user": "acd",
            "password": "lab",
            "register": False,
            "lines": 3,
            "bind_address": HERE.dialer,
        }
    )
    with trio.fail_after(WHOLE_SECONDS):
        async with open_sip([settings]) as sip:
            trunk = sip.trunk("main")
            await wait_status(trunk, TrunkStatus.UP)
            watch = partial(trunk.watch, domain=str(lab.watch))
            async with told(FeedsSettings(), watch=watch) as agents:
                agents.now(AGENT)
                agents.now(COLLEAGUE)
                yield trunk, agents


async def hand_over(trunk: SipTrunk) -> None:
    """One person to `AGENT`."""
    number = Destination(kind=DestinationKind.LEAD, user=ANSWERS_AT_ONCE)
    agent = Destination(kind=DestinationKind.TRANSFER, user=AGENT)
    async with trunk.lines.lease(holder="test", deadline_seconds=WHOLE_SECONDS) as line:
        await line.originate(
            OriginateRequest(call_id=CallId("one"), destination=number, ring_timeout_seconds=20)
        )
        await until(line, Answered)
        assert isinstance(await line.blind_transfer(agent, timeout_seconds=20)(), TransferAnswered)


async def until_course(agents: Told, course: list[Phone]) -> None:
    """Wait for these states of `AGENT`'s phone, in this order, and no others."""
    while True:
        phones = [update.phone for update in agents.updates if update.agent == AGENT]
        seen = [phone for i, phone in enumerate(phones) if phone not in phones[max(0, i - 1) : i]]
        assert seen == course[: len(seen)]
        if seen == course:
            return
        await agents.wait_news()


async def test_an_agent_is_free_then_rings_then_talks_and_is_free_again(lab: Lab) -> None:
    with lab:
        async with engine_at(lab) as (trunk, agents):
            await agents.until(AGENT, AgentState.READY)
            await agents.until(COLLEAGUE, AgentState.READY)
            await hand_over(trunk)
            course = [Phone.UNKNOWN, Phone.IDLE, Phone.RINGING, Phone.IN_USE, Phone.IDLE]
            await until_course(agents, course)
            assert agents.states(COLLEAGUE) == [AgentState.NOT_READY, AgentState.READY]


async def test_a_lab_that_is_started_again_tells_of_its_agents_again(lab: Lab) -> None:
    with lab:
        async with engine_at(lab) as (trunk, agents):
            await agents.until(AGENT, AgentState.READY)
            await trio.to_thread.run_sync(lab.stop)
            await agents.until(AGENT, AgentState.NOT_READY)
            with lab:
                await agents.until(AGENT, AgentState.READY)
                await wait_status(trunk, TrunkStatus.UP)
                before = len(agents.updates)
                await hand_over(trunk)
                await agents.until(AGENT, AgentState.ON_CALL)
                assert Phone.RINGING in {update.phone for update in agents.updates[before:]}


async def test_who_watches_no_longer_is_told_so_and_then_nothing(lab: Lab, wire: Wire) -> None:
    with lab:
        async with engine_at(lab) as (trunk, _):
            async with trunk.watch(COLLEAGUE, domain=str(lab.watch)) as updates:
                await updates.receive()
            await wait_on_wire(wire, _last_notify)


def _last_notify(messages: list[SipMessage]) -> bool:
    """The SUBSCRIBE that ends a subscription was answered and brought its NOTIFY."""
    notifies = select(messages, "NOTIFY")
    return any(
        notify.get("subscription-state") == "terminated;reason=timeout"
        for end in select(messages, "SUBSCRIBE")
        if end.get("expires") == "0"
        for notify in notifies
        if notify.get("call-id") == end.get("call-id")
    )
