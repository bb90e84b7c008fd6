"""A real Asterisk between a carrier and an agent's phone, and what of a call can be read there.

The carrier's 200 OK and the INVITE that reaches the agent belong together by the lead's number:
Asterisk shows it to the agent as the caller.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from bench import sides
from bench.ami import Manager
from bench.order import CallOrder
from bench.protocol import BenchError
from bench.statistics import latencies
from tests.peers import phones
from tests.peers.asterisk import DIALER, DIALER_PASSWORD, Asterisk, run_asterisk
from tests.peers.asterisk.runner import AsteriskError
from tests.peers.sipp.runner import SippError
from tests.peers.wire import SipMessage, Wire, WireError, select

RATE_PER_SECOND = 30.0
LEAD = "+493023125{:04d}01"
"""The carrier chooses by the last two digits: 01 rings and answers."""
AGENT = "101"
ANSWER_AFTER_MS = 500
CARRIER = "127.99.2.2"
AGENTS_PHONE = "127.99.2.3"
_RING_MS = 100
_TALK_MS = 200
_LAST_ONE_SECONDS = 15.0

_MANAGER = ("bench", "bench")
_MANAGER_USER = "\n[bench]\nsecret=bench\nread=\nwrite=originate\n"
_NUMBER = re.compile(r"sip:(\+\d+)@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """How a number of answered people reached the agent."""

    delays_ms: list[float]
    """From the carrier's 200 OK to the INVITE at the agent's phone, one for each who landed."""
    calls: int
    refers: int

    def figures(self, side: str) -> dict[str, float]:
        found = {f"{side}.not_landed": float(self.calls - len(self.delays_ms))}
        return found | latencies(side, self.delays_ms)


@contextmanager
def bench_errors() -> Iterator[None]:
    """Have a missing or broken Asterisk, SIPp or tcpdump cost these rows, not the whole table."""
    try:
        yield
    except* (AsteriskError, SippError, WireError, BenchError) as group:
        raise BenchError("; ".join(str(error) for error in group.exceptions)) from None


@asynccontextmanager
async def open_pbx(address: str) -> AsyncIterator[Asterisk]:
    """The documented Asterisk, and a manager that may start calls for comparison."""
    agents = {AGENT: f"{AGENTS_PHONE}:5060"}
    async with run_asterisk(address=address, carrier=f"{CARRIER}:5060", agents=agents) as pbx:
        await trio.to_thread.run_sync(_add_manager, pbx)
        await pbx.cli("manager reload")
        yield pbx


async def land(pbx: Asterisk, calls: int, dial: Callable[[], Awaitable[None]]) -> Landing:
    """Let `dial` start this many calls, and read from the wire how they reached the agent."""
    agent = phones.agent_answers(AGENTS_PHONE, ring_ms=_RING_MS, talk_ms=_TALK_MS)
    agent.calls = calls
    carrier = phones.carrier(CARRIER, answer_ms=ANSWER_AFTER_MS)
    with carrier, agent, Wire(CARRIER, AGENTS_PHONE, pbx.address) as wire:
        await dial()
        with suppress(SippError):  # somebody did not land: the wire tells how many
            await trio.to_thread.run_sync(agent.wait, _LAST_ONE_SECONDS)
        messages = await trio.to_thread.run_sync(wire.sip)
    refers = len({(m.call_id, m.get("cseq")) for m in select(messages, "REFER")})
    return Landing(delays_ms=answer_to_agent_ms(messages), calls=calls, refers=refers)


async def land_acd(pbx: Asterisk, calls: int, *, own: str, prefix: Sequence[str] = ()) -> Landing:
    """acd dials over its account and transfers; `prefix` as in `bench.callers.run_python`."""
    order = CallOrder(
        calls=calls,
        rate_per_second=RATE_PER_SECOND,
        own=own,
        peer=f"{pbx.address}:{pbx.port}",
        lead=LEAD,
        agent=AGENT,
        user=DIALER,
        password=DIALER_PASSWORD,
    )

    async def dial() -> None:
        await trio.to_thread.run_sync(lambda: sides.acd_busy(order, prefix=prefix))

    return await land(pbx, calls, dial)


async def land_by_itself(pbx: Asterisk, calls: int) -> Landing:
    """Asterisk dials on its own: Originate through its manager, then Dial in the dialplan."""

    async def dial() -> None:
        address = (pbx.address, pbx.manager_port)
        user, secret = _MANAGER
        with await trio.to_thread.run_sync(
            lambda: Manager(address, user=user, secret=secret)
        ) as manager:
            began = trio.current_time()
            for number in range(calls):
                await trio.sleep_until(began + number / RATE_PER_SECOND)
                manager.send("Originate", _originate(LEAD.format(number)))
            await trio.to_thread.run_sync(manager.expect_success, calls)

    return await land(pbx, calls, dial)


def answer_to_agent_ms(messages: Sequence[SipMessage]) -> list[float]:
    """One for each lead whose answer was followed by an INVITE at the agent's phone."""
    leads = {
        m.call_id: number
        for m in select(messages, "INVITE")
        if m.destination[0] == CARRIER and (number := _number_in(m.request_uri))
    }
    answered: dict[str, float] = {}
    for answer in select(messages, 200, cseq="INVITE"):
        if answer.source[0] == CARRIER and answer.call_id in leads:
            answered.setdefault(leads[answer.call_id], answer.at_seconds)
    landed: dict[str, float] = {}
    for invite in select(messages, "INVITE"):
        if invite.destination[0] == AGENTS_PHONE:
            landed.setdefault(_number_in(invite.get("from")), invite.at_seconds)
    return [(at - answered[lead]) * 1000 for lead, at in landed.items() if lead in answered]


def _number_in(text: str) -> str:
    found = _NUMBER.search(text)
    return found[1] if found else ""


def _originate(lead: str) -> dict[str, str]:
    return {
        "Channel": f"PJSIP/{lead}@carrier",
        "CallerID": f"<{lead}>",
        "Application": "Dial",
        "Data": f"PJSIP/{AGENT}",
        "Timeout": "30000",
        "Async": "true",
    }


def _add_manager(pbx: Asterisk) -> None:
    folder: Path = pbx.root / pbx.configuration.parent.relative_to("/")
    with (folder / "manager.conf").open("a") as file:
        file.write(_MANAGER_USER)
