"""Asterisk is killed under a hundred live calls: nobody is lost, nobody is dialed, and it goes on.

When it is killed, people's phones ring, others have answered and an agent's phone rings for them,
and some talk to their agents already; all agents are told of by the manager interface. The same
with ten calls, where subscriptions are all that tells of agents.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from tests.acceptance.support.floor import (
    ANSWERS,
    RINGS,
    SUBSCRIPTIONS,
    floor_installation,
    number,
)
from tests.acceptance.support.installation import Engine, Installation
from tests.acceptance.support.records import seconds
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import Asterisk, run_asterisk
from tests.peers.wire import SipMessage, Wire, select

pytestmark = pytest.mark.real

HERE = Addresses.free()
AFTERWARDS = 20
"""At least so many leads are left for the time when Asterisk is back."""
WAIT_LIMIT_SECONDS = 5.0
RING_SECONDS = 15.0
LIMITS = f"wait_limit_seconds = {WAIT_LIMIT_SECONDS}\nring_timeout_seconds = {RING_SECONDS}"
KNOWN_SECONDS = 8.0
"""From the kill to the trunk's health: with few calls Asterisk says nothing for seconds."""
FREE_SECONDS = RING_SECONDS + 32.0 + 13.0
"""From the kill: the youngest call's ring timeout, RFC 3261 9.1's 64 * T1 for an INVITE that was
cancelled and stays unanswered, and the rest for a busy machine."""
LIVE = ("dialing", "proceeding", "ringback", "connected", "transferring")


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """So many calls and agents, told of by one feed."""

    feed: str
    manager: tuple[str, int] | str
    lines: int
    leads: int
    places: int

    @property
    def agents(self) -> dict[str, str]:
        """Each eighth picks up at once and talks on, the others' phones ring."""
        return {
            str(200 + place): f"{HERE.agent_101 if place % 8 else HERE.agent_102}:5060"
            for place in range(self.places)
        }

    def people(self) -> list[str]:
        """Of those dialed first two of five only ring."""
        return [
            number(n, RINGS if n % 5 < 2 and n < self.lines else ANSWERS) for n in range(self.leads)
        ]


FLOORS = (
    Floor(feed="ami", manager=(HERE.pbx, 5038), lines=100, leads=160, places=130),
    Floor(feed="dialog_info", manager=SUBSCRIPTIONS, lines=10, leads=40, places=24),
)


@asynccontextmanager
async def open_pbx(floor: Floor) -> AsyncIterator[Asterisk]:
    carrier = f"{HERE.carrier}:5060"
    async with run_asterisk(address=HERE.pbx, carrier=carrier, agents=floor.agents) as pbx:
        yield pbx


@pytest.mark.parametrize("floor", FLOORS, ids=lambda floor: floor.feed)
async def test_calls_are_settled_lines_are_free_and_work_goes_on_when_it_is_back(
    tmp_path: Path, floor: Floor
) -> None:
    installation = await floor_installation(
        tmp_path,
        pbx=HERE.pbx,
        manager=floor.manager,
        extensions=list(floor.agents),
        leads=floor.people(),
        lines=floor.lines,
        campaign=LIMITS,
    )
    async with AsyncExitStack() as peers:
        wire = peers.enter_context(Wire(HERE.pbx, port=5060))
        peers.enter_context(phones.carrier(HERE.carrier))
        peers.enter_context(phones.agent_answers(HERE.agent_102, talk_ms=120_000))
        with phones.agent_silent(HERE.agent_101):
            async with open_pbx(floor) as pbx:
                engine = await peers.enter_async_context(installation.engine())
                await wait_all_lines_busy(installation, engine, lines=floor.lines)
                died_at = time.time()
                os.kill(pbx.pid, signal.SIGKILL)
                await engine.wait_metric("acd_feed_up", 0, feed=floor.feed)
                await engine.wait_metric("acd_trunk_up", 0, trunk="main")
                # The metric follows the agents a moment later.
                await engine.wait_metric("acd_agents", 0, state="ready", timeout_seconds=2)
            killed_at = trio.current_time()
            assert known_at(engine) - died_at <= KNOWN_SECONDS
            before = await settled(installation, engine, lines=floor.lines)
            dialed = first_invites(wire)
            assert max(dialed.values()) < known_at(engine), "nobody was dialed any more"
            assert len(dialed) == len(before)
        peers.enter_context(phones.agent_answers(HERE.agent_101))
        async with open_pbx(floor):
            await wait_closed(installation, at_least=len(before) + AFTERWARDS)
            left_seconds = killed_at + FREE_SECONDS - trio.current_time()
            await engine.wait_metric(
                "acd_lines", floor.lines, trunk="main", state="idle", timeout_seconds=left_seconds
            )
            assert await engine.end() == 0, engine.log()
    since = [row for row in installation.rows("attempts") if row["attempt_id"] not in before]
    handed_over = [row for row in since if row["disposition"] == "handed_over"]
    assert len(handed_over) >= AFTERWARDS // 2, since


async def wait_all_lines_busy(installation: Installation, engine: Engine, *, lines: int) -> None:
    """Whoever talks to an agent is none of the engine's calls any more."""
    with trio.fail_after(60):
        while True:
            await engine.wait_metric("acd_lines", 0, trunk="main", state="idle")
            live = sum(engine.metric("acd_lines", trunk="main", state=state) for state in LIVE)
            answered = [row for row in installation.rows("attempts") if row["answered_at"]]
            called = len(answered) > lines / 2 and all(row["agent_rang_at"] for row in answered)
            if live == lines and called and any(row["agent_answered_at"] for row in answered):
                return
            await trio.sleep(0.1)  # the engine can only be asked again


def known_at(engine: Engine) -> float:
    """When the engine found out, by its own log."""
    told = engine.logged("trunk.health")
    (lost,) = [line for line in told if line["status"] == "unreachable"]
    return seconds(lost["timestamp"])


def first_invites(wire: Wire) -> dict[str, float]:
    """Dialed number → when the engine called it first; each once."""
    found: dict[str, SipMessage] = {}
    for message in select(wire.sip(), "INVITE"):
        if message.destination[0] == HERE.pbx and message.source[0] != HERE.carrier:
            there = found.setdefault(message.request_uri, message)
            assert there.call_id == message.call_id, f"{message.request_uri} was dialed twice"
    return {uri: message.at_seconds for uri, message in found.items()}


async def settled(installation: Installation, engine: Engine, *, lines: int) -> set[int]:
    """Every attempt so far, once all are closed, each with the one disposition that is true."""
    await wait_closed(installation, at_least=lines)
    rows = installation.rows("attempts")
    assert len({row["lead_id"] for row in rows}) == len(rows)
    for row in rows:
        if row["answered_at"] is None:
            # Stopped: its agent's phone went unseen first, and with it the reason to ring on.
            assert row["disposition"] in ("no_answer", "unreachable", "stopped"), row
        elif row["agent_answered_at"] is not None:
            assert row["disposition"] == "handed_over", row
        else:
            assert (row["disposition"], row["abandoned"]) == ("abandoned", 1), row
    assert {row["disposition"] for row in rows} >= {"abandoned", "handed_over"}
    await engine.read_metrics()
    abandoned = sum(row["abandoned"] for row in rows)
    assert engine.metric("acd_abandoned_total", campaign="sample") == abandoned
    return {row["attempt_id"] for row in rows}


async def wait_closed(installation: Installation, *, at_least: int) -> None:
    """Wait until so many attempts are closed, and none is open."""
    with trio.fail_after(30):
        while True:
            states = [row["state"] for row in installation.rows("attempts")]
            if len(states) >= at_least and set(states) == {"closed"}:
                return
            # Another process writes the rows: they can only be read again.
            await trio.sleep(0.1)
