"""The whole engine behind a real Asterisk: how long an answered person waits for an agent.

Asterisk's manager interface tells the engine what the agents' phones do. The carrier's 200 OK, the
180 and the 200 of the agent's phone belong together by the lead's number, which Asterisk shows to
the agent as the caller; all three are read from the wire.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from bench.call_centre import LEAD, bench_errors
from bench.protocol import Effort, Figure, Measured, latency_figures, none_of
from bench.statistics import latencies
from tests.acceptance.support.floor import floor_installation
from tests.acceptance.support.installation import edit
from tests.peers import phones
from tests.peers.asterisk import Asterisk, run_asterisk
from tests.peers.sipp.runner import SippError
from tests.peers.wire import SipMessage, Wire, select

PBX = "127.99.3.1"
CARRIER = "127.99.3.2"
AGENTS_PHONES = "127.99.3.3"
AGENTS = [str(extension) for extension in range(200, 320)]
"""Enough for 60 people a second who ring and talk for half a second."""
CALLS = {10: 60, 30: 180, 60: 240}
"""At each rate of answers a second."""
TARGETS = ("extension", "queue")
_RING_MS = 100
_TALK_MS = 400
_ANSWER_AFTER_MS = 300
_LAST_ONE_SECONDS = 30.0
_NUMBER = re.compile(r"sip:(\+\d+)@")


def _figures() -> tuple[Figure, ...]:
    return tuple(figure for target in TARGETS for rate in CALLS for figure in _of(target, rate))


def _of(target: str, rate: int) -> Iterator[Figure]:
    for what, words in (("ring", "phone rings"), ("agent", "agent answers")):
        key = f"{target}.{rate}.{what}"
        yield from latency_figures(key, f"{target}, {rate}/s, {words}", decimals=1)
    yield none_of(f"{target}.{rate}.not_joined", f"{target}, {rate}/s, who had no agent")


@dataclass(frozen=True, slots=True)
class AnswerToAgent:
    name: str = "agent"
    title: str = f"Whole engine through Asterisk, 200 OK → agent's phone (it rings {_RING_MS} ms)"
    figures: tuple[Figure, ...] = _figures()

    def run(self, effort: Effort) -> Measured:
        with bench_errors():
            return trio.run(_all, effort)


async def _all(effort: Effort) -> dict[str, float]:
    found: dict[str, float] = {}
    for target in TARGETS:
        for rate, calls in CALLS.items():
            found |= await _one(target, rate=rate, calls=effort.calls(calls))
    return found


async def _one(target: str, *, rate: int, calls: int) -> dict[str, float]:
    agents = dict.fromkeys(AGENTS, f"{AGENTS_PHONES}:5060")
    async with run_asterisk(address=PBX, carrier=f"{CARRIER}:5060", agents=agents) as pbx:
        if target == "queue":
            await _man_the_queue(pbx)
        with tempfile.TemporaryDirectory(prefix="acd-bench-") as folder:
            messages = await _dial(Path(folder), target, rate=rate, calls=calls)
    return delays_of(messages, f"{target}.{rate}", calls=calls)


async def _man_the_queue(pbx: Asterisk) -> None:
    for extension in AGENTS:
        await pbx.cli(f"queue add member PJSIP/{extension} to sales")
    for extension in ("101", "102"):
        await pbx.cli(f"queue pause member PJSIP/{extension} queue sales")


async def _dial(folder: Path, target: str, *, rate: int, calls: int) -> list[SipMessage]:
    """Everything that the carrier and the agents' phones saw of a campaign."""
    installation = await floor_installation(
        folder,
        pbx=PBX,
        manager=(PBX, 5038),
        extensions=AGENTS,
        leads=[LEAD.format(lead) for lead in range(calls)],
        lines=400,
    )
    edit(folder / "acd.toml", {"calls_per_second": f"{rate}.0"})
    if target == "queue":
        campaign = folder / "campaigns" / "sample" / "campaign.toml"
        text = re.sub(
            r"extensions = .*", f'queue = "sales"\nslots = {len(AGENTS)}', campaign.read_text()
        )
        campaign.write_text(text)
        await installation.succeed("acd campaign reload sample")
    agent = phones.agent_answers(AGENTS_PHONES, ring_ms=_RING_MS, talk_ms=_TALK_MS)
    agent.calls = calls
    carrier = phones.carrier(CARRIER, answer_ms=_ANSWER_AFTER_MS)
    with carrier, agent, Wire(CARRIER, AGENTS_PHONES) as wire:
        async with installation.engine():
            with suppress(SippError):  # somebody got no agent: the wire tells how many
                await trio.to_thread.run_sync(agent.wait, calls / rate + _LAST_ONE_SECONDS)
        return await trio.to_thread.run_sync(wire.sip)


def delays_of(messages: Sequence[SipMessage], key: str, *, calls: int) -> dict[str, float]:
    """The figures of one target and rate; without percentiles where nobody got that far."""
    leads = _numbers(messages, to=CARRIER, header="")
    people = _numbers(messages, to=AGENTS_PHONES, header="from")
    answered = _first(messages, 200, of=CARRIER, numbers=leads)
    found: dict[str, float] = {}
    for what, status in (("ring", 180), ("agent", 200)):
        seen = _first(messages, status, of=AGENTS_PHONES, numbers=people)
        delays = [(at - answered[lead]) * 1000 for lead, at in seen.items() if lead in answered]
        found |= latencies(f"{key}.{what}", delays)
        found[f"{key}.not_joined"] = float(calls - len(delays))
    return found


def _numbers(messages: Sequence[SipMessage], *, to: str, header: str) -> dict[str, str]:
    """Call-ID → the lead's number, of the INVITEs that reached one peer."""
    return {
        m.call_id: found[1]
        for m in select(messages, "INVITE")
        if m.destination[0] == to
        and (found := _NUMBER.search(m.get(header) if header else m.request_uri))
    }


def _first(
    messages: Sequence[SipMessage], status: int, *, of: str, numbers: Mapping[str, str]
) -> dict[str, float]:
    """The lead's number → when the peer first said this."""
    seen: dict[str, float] = {}
    for message in select(messages, status, cseq="INVITE"):
        if message.source[0] == of and message.call_id in numbers:
            seen.setdefault(numbers[message.call_id], message.at_seconds)
    return seen
