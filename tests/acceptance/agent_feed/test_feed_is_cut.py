"""What tells of agents is cut for ten seconds under dialing ahead: nobody is guessed at.

The manager interface is cut by itself, and calls go on; with subscriptions the PBX hangs, whose
calls stand still with them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.acceptance.agent_feed.test_agent_feed import HANDED_OVER
from tests.acceptance.support.floor import SUBSCRIPTIONS, floor_installation, number
from tests.acceptance.support.installation import Engine
from tests.acceptance.support.records import seconds
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import Asterisk, run_asterisk
from tests.peers.cut import Way, open_way
from tests.peers.wire import SipMessage, Wire, first_of_each_call, select

pytestmark = pytest.mark.real

HERE = Addresses.free()
AGENTS = [str(extension) for extension in range(210, 222)]
LEADS = 600
SAMPLE = frozenset({("campaign", "sample")})
CUT_SECONDS = 10.0
KNOWN_SECONDS = 0.2
"""From the log's line to the last agent's state, on a busy machine."""
STOPPED_SECONDS = 1.0
"""An INVITE whose row is being written may still leave; the rest is for a busy machine."""
SILENT_SECONDS = 8.0
"""From the PBX's last word to the loss of the feed."""
DEFINITION = """
dial_mode = "ratio"
calls_per_agent = 2
ramp_seconds = 0
abandon_limit_percent = 10
wait_limit_seconds = 6
"""


@dataclass(frozen=True, slots=True)
class Outage:
    """What came of ten seconds without the feed."""

    cut_at: float
    known_at: float
    """By the engine's own log."""
    mended_at: float
    messages: list[SipMessage]
    """All that the PBX sent and got."""
    rows: list[dict[str, Any]]
    """The attempts."""


async def test_ten_seconds_without_the_manager_interface_stop_the_dialing_and_lose_nobody(
    tmp_path: Path,
) -> None:
    async with open_pbx(), open_way(server=(HERE.pbx, 5038)) as way:
        outage = await ride_out(
            tmp_path, feed="ami", manager=(way.host, way.port), cut=lambda: cut_off(way)
        )
    dialed = [m.at_seconds for m in first_of_each_call(invites(outage.messages, HERE.carrier))]
    assert not [at for at in dialed if outage.cut_at + STOPPED_SECONDS < at < outage.mended_at]
    assert_settled(outage)


async def test_a_pbx_that_hangs_for_ten_seconds_stops_the_dialing_where_it_is_all_that_tells(
    tmp_path: Path,
) -> None:
    async with open_pbx() as pbx:
        outage = await ride_out(
            tmp_path, feed="dialog_info", manager=SUBSCRIPTIONS, cut=lambda: hanging(pbx)
        )
    known_at, mended_at = outage.known_at, outage.mended_at
    assert known_at - last_word_at(outage.messages, before=mended_at) <= SILENT_SECONDS
    dialed = [
        m.at_seconds
        for m in first_of_each_call(invites(outage.messages, HERE.pbx))
        if m.source[0] not in (HERE.carrier, HERE.agent_101)
    ]
    assert not [at for at in dialed if known_at + STOPPED_SECONDS < at < mended_at]
    assert [at for at in dialed if at > mended_at]


def open_pbx() -> AbstractAsyncContextManager[Asterisk]:
    desks = dict.fromkeys(AGENTS, f"{HERE.agent_101}:5060")
    return run_asterisk(address=HERE.pbx, carrier=f"{HERE.carrier}:5060", agents=desks)


@asynccontextmanager
async def cut_off(way: Way) -> AsyncIterator[None]:
    way.cut()
    yield
    await way.mend()


@asynccontextmanager
async def hanging(pbx: Asterisk) -> AsyncIterator[None]:
    """It is there, and answers nobody."""
    os.kill(pbx.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pbx.pid, signal.SIGCONT)


async def ride_out(
    folder: Path,
    *,
    feed: str,
    manager: tuple[str, int] | str,
    cut: Callable[[], AbstractAsyncContextManager[None]],
) -> Outage:
    """Take the feed away while phones ring for people, give it back, and go on dialing.

    Nobody is called twice by it, no agent has two people, and no attempt is left open.
    """
    installation = await floor_installation(
        folder,
        pbx=HERE.pbx,
        manager=manager,
        extensions=AGENTS,
        leads=[number(lead) for lead in range(LEADS)],
        lines=60,
        campaign=DEFINITION,
    )
    phone = phones.agent_answers(HERE.agent_101, ring_ms=2000, talk_ms=500)
    network = phones.carrier(HERE.carrier, answer_ms=2500)
    with Wire(HERE.pbx, port=5060) as wire, network, phone:
        async with installation.engine() as engine:
            await wait_dialing_ahead(engine, feed)
            cut_at = time.time()
            async with cut():
                await engine.wait_metric("acd_feed_up", 0, feed=feed)
                # The metric follows the agents a moment later.
                await engine.wait_metric("acd_agents", 0, state="ready", timeout_seconds=2)
                # How long it is away is what is tried.
                await trio.sleep(cut_at + CUT_SECONDS - time.time())
                await engine.read_metrics()
                assert engine.metric("acd_agents", state="ready") == 0
                before = engine.metric(HANDED_OVER, campaign="sample", disposition="handed_over")
                mended_at = time.time()
            await engine.wait_metric("acd_feed_up", 1, feed=feed)
            await wait_handed_over(engine, more_than=before + len(AGENTS))
            assert await engine.end(timeout_seconds=30) == 0, engine.log()
        messages = wire.sip()
    assert_one_person_at_a_time(messages)
    rows = installation.rows("attempts")
    assert {row["state"] for row in rows} == {"closed"}
    assert len({row["lead_id"] for row in rows}) == len(rows)
    return Outage(cut_at, lost_at(engine), mended_at, messages, rows)


def last_word_at(messages: list[SipMessage], *, before: float) -> float:
    """When the PBX said something last."""
    said = (m.at_seconds for m in messages if m.source[0] == HERE.pbx)
    return max(at for at in said if at < before)


def invites(messages: list[SipMessage], to: str) -> list[SipMessage]:
    return [m for m in select(messages, "INVITE") if m.destination[0] == to]


async def wait_dialing_ahead(engine: Engine, feed: str) -> None:
    """Until more calls are under way than there are ready agents, and phones ring for people."""
    await engine.wait_metric("acd_feed_up", 1, feed=feed)
    with trio.fail_after(60):
        while True:
            await engine.read_metrics()
            calls = engine.samples.get(("acd_pacing_unanswered_calls", SAMPLE), 0)
            ahead = calls > engine.samples.get(("acd_pacing_ready_agents", SAMPLE), 0) + 1
            if ahead and engine.metric("acd_agents", state="reserved") >= 4:
                return
            await trio.sleep(0.05)  # the engine can only be asked again


async def wait_handed_over(engine: Engine, *, more_than: float) -> None:
    with trio.fail_after(60):
        while engine.metric(HANDED_OVER, campaign="sample", disposition="handed_over") < more_than:
            await trio.sleep(0.1)  # the engine can only be asked again
            await engine.read_metrics()


def lost_at(engine: Engine) -> float:
    """When the engine knew, by its own log."""
    (lost,) = engine.logged("feed.lost")
    return seconds(lost["timestamp"])


def moment(row: dict[str, Any], column: str) -> float:
    """What did not happen never comes."""
    return seconds(row[column]) if row[column] else float("inf")


def assert_settled(outage: Outage) -> None:
    """Who had an agent's phone ringing keeps the agent, who answers later has none."""
    rows, lost_at, mended_at = outage.rows, outage.known_at, outage.mended_at
    reserved = [
        row
        for row in rows
        if moment(row, "agent_rang_at") < lost_at < moment(row, "transferred_at") < mended_at
    ]
    assert reserved, "somebody was reserved when the feed was lost"
    assert {row["disposition"] for row in reserved} == {"handed_over"}
    known_at = lost_at + KNOWN_SECONDS
    late = [row for row in rows if known_at < moment(row, "answered_at") < mended_at - 7]
    assert late, "somebody answered when no agent was known any more"
    assert {(row["disposition"], row["agent"]) for row in late} == {("abandoned", None)}


def assert_one_person_at_a_time(messages: list[SipMessage]) -> None:
    """No agent's phone is called before its last call is over."""
    calls = first_of_each_call(invites(messages, HERE.agent_101))
    ends = {m.call_id: m.at_seconds for m in select(messages, "BYE")}
    for extension in AGENTS:
        own = [m for m in calls if f"sip:{extension}@" in m.request_uri]
        for one, following in pairwise(own):
            assert ends[one.call_id] < following.at_seconds, extension
