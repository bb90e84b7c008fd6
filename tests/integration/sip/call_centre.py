"""`acd.sip` at a real Asterisk with a telephone network and an agent behind it.

The PBX comes and goes under the SIP side's feet where a test wants that, so the two have
lifetimes of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import trio

from acd.calls import DisconnectCause
from acd.lines import (
    Answered,
    CallId,
    Ended,
    Line,
    OriginateRequest,
    Released,
    TransferAnswered,
    TransferResult,
    Trunk,
)
from acd.settings import TrunkSettings
from acd.sip import Sip, open_sip
from acd.sip.trunk import SipTrunk
from tests.integration.sip.conftest import agent, lead, until
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import DIALER, DIALER_PASSWORD, Asterisk, run_asterisk

AGENT = "101"
_LEASE_SECONDS = 170.0
_RING_SECONDS = 30.0


def run_pbx(addresses: Addresses, *, packet_ms: int = 20) -> AbstractAsyncContextManager[Asterisk]:
    """The documented Asterisk, with agent 101 behind it."""
    return run_asterisk(
        address=addresses.pbx,
        carrier=f"{addresses.carrier}:5060",
        agents={AGENT: f"{addresses.agent_101}:5060"},
        packet_ms=packet_ms,
    )


def trunk_settings(addresses: Addresses, **settings: object) -> TrunkSettings:
    """The documented account."""
    values: dict[str, object] = {
        "domain": addresses.pbx,
        "user": DIALER,
        "password": DIALER_PASSWORD,
        "lines": 20,
        "calls_per_second": 100,
        "bind_address": addresses.dialer,
    }
    return TrunkSettings.model_validate(values | settings)


@asynccontextmanager
async def open_engine(
    addresses: Addresses, **settings: object
) -> AsyncIterator[tuple[Sip, SipTrunk]]:
    """The SIP side with its one trunk, which need not be up yet."""
    async with open_sip([trunk_settings(addresses, **settings)]) as sip:
        yield sip, sip.trunk("main")


async def answered_at(line: Line, *, number: str = phones.ANSWERS) -> Answered:
    """Start a call to a lead and take events until a person is on the line."""
    await line.originate(
        OriginateRequest(
            call_id=CallId(f"call-{line.number}"),
            destination=lead(number),
            ring_timeout_seconds=_RING_SECONDS,
        )
    )
    while True:
        event = await line.next_event()
        if isinstance(event, Answered):
            return event
        assert not isinstance(event, Ended), event


async def hand_over(line: Line, *, timeout_seconds: float = 20.0) -> TransferResult:
    return await line.blind_transfer(agent(AGENT), timeout_seconds=timeout_seconds)()


async def call_and_hand_over(trunk: SipTrunk) -> None:
    """One call from its lease to the end of its dialog, with the person at the agent."""
    async with trunk.lines.lease(holder="test", deadline_seconds=_LEASE_SECONDS) as line:
        await answered_at(line)
        result = await hand_over(line)
        assert isinstance(result, TransferAnswered), result
        ended, _ = await until(line, Released)
        assert isinstance(ended, Ended)
        assert ended.cause is DisconnectCause.TRANSFERRED


async def wait_all_free(trunk: Trunk, *, timeout_seconds: float) -> float:
    """Wait until every line can be leased; return how long it took."""
    began = trio.current_time()
    with trio.fail_after(timeout_seconds):
        # The pool tells nobody when a line comes back.
        while trunk.lines.free < trunk.lines.size:  # noqa: ASYNC110
            await trio.sleep(0.005)
    return trio.current_time() - began
