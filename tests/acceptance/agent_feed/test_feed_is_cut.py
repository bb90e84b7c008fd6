"""What tells of agents is cut for ten seconds under dialing ahead: nobody is guessed at.

The manager interface is cut by itself, and calls go on; with subscriptions the PBX hangs, whose
calls stand still with them.
"""

from __future__ import annotations

import os
import signal
import time
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
from tests.peers.asterisk import run_asterisk
from tests.peers.cut import open_way
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


async def test_ten_seconds_without_it_stop_the_dialing_and_lose_nobody(tmp_path: Path) -> None:
    carrier = f"{HERE.carrier}:5060"
    desks = dict.fromkeys(AGENTS, f"{HERE.agent_101}:5060")
    async with (
        run_asterisk(address=HERE.pbx, carrier=carrier, agents=desks),
        open_way(server=(HERE.pbx, 5038)) as way,
    ):
        installation = await floor_installation(
            tmp_path,
            pbx=HERE.pbx,
            manager=(way.host, way.port),
            extensions=AGENTS,
            leads=[number(lead) for lead in range(LEADS)],
            lines=60,
            campaign=DEFINITION,
        )
        phone = phones.agent_answers(HERE.agent_101, ring_ms=2000, talk_ms=500)
        network = phones.carrier(HERE.carrier, answer_ms=2500)
        with Wire(HERE.pbx, port=5060) as wire, network, phone:
            async with installation.engine() as engine:
                await wait_dialing_ahead(engine, "ami")
                cut_at = time.time()
                way.cut()
                await engine.wait_metric("acd_feed_up", 0, feed="ami")
                await engine.wait_metric("acd_agents", 0, state="ready")
                # How long it is away is what is tried.
                await trio.sleep(cut_at + CUT_SECONDS - time.time())
                await engine.read_metrics()
                assert engine.metric("acd_agents", state="ready") == 0
                before = engine.metric(HANDED_OVER, campaign="sample", disposition="handed_over")
                mended_at = time.time()
                await way.mend()
                await engine.wait_metric("acd_feed_up", 1, feed="ami")
                await wait_handed_over(engine, more_than=before + len(AGENTS))
                assert await engine.end(timeout_seconds=30) == 0, engine.log()
            messages = wire.sip()
    dialed = [m.at_seconds for m in first_of_each_call(invites(messages, HERE.carrier))]
    assert not [at for at in dialed if cut_at + STOPPED_SECONDS < at < mended_at]
    assert_one_person_at_a_time(messages)
    rows = installation.rows("attempts")
    assert {row["state"] for row in rows} == {"closed"}
    assert len({row["lead_id"] for row in rows}) == len(rows)
    assert_settled(rows, lost_at=lost_at(engine), mended_at=mended_at)


async def test_a_pbx_that_hangs_for_ten_seconds_stops_the_dialing_where_it_is_all_that_tells(
    tmp_path: Path,
) -> None:
    desks = dict.fromkeys(AGENTS, f"{HERE.agent_101}:5060")
    async with run_asterisk(address=HERE.pbx, carrier=f"{HERE.carrier}:5060", agents=desks) as pbx:
        installation = await floor_installation(
            tmp_path,
            pbx=HERE.pbx,
            manager=SUBSCRIPTIONS,
            extensions=AGENTS,
            leads=[number(lead) for lead in range(LEADS)],
            lines=60,
            campaign=DEFINITION,
        )
        phone = phones.agent_answers(HERE.agent_101, ring_ms=2000, talk_ms=500)
        network = phones.carrier(HERE.carrier, answer_ms=2500)
        with Wire(HERE.pbx, port=5060) as wire, network, phone:
            async with installation.engine() as engine:
                await wait_dialing_ahead(engine, "dialog_info")
                cut_at = time.time()
                os.kill(pbx.pid, signal.SIGSTOP)
                try:
                    await engine.wait_metric("acd_feed_up", 0, feed="dialog_info")
                    # The metric follows the agents a moment later.
                    await engine.wait_metric("acd_agents", 0, state="ready", timeout_seconds=2)
                    # How long it is away is what is tried.
                    await trio.sleep(cut_at + CUT_SECONDS - time.time())
                    await engine.read_metrics()
                    assert engine.metric("acd_agents", state="ready") == 0
                    before = engine.metric(
                        HANDED_OVER, campaign="sample", disposition="handed_over"
                    )
                    mended_at = time.time()
                finally:
                    os.kill(pbx.pid, signal.SIGCONT)
                await engine.wait_metric("acd_feed_up", 1, feed="dialog_info")
                await wait_handed_over(engine, more_than=before + len(AGENTS))
                assert await engine.end(timeout_seconds=30) == 0, engine.log()
            messages = wire.sip()
    known_at = lost_at(engine)
    assert known_at - last_word_at(messages, before=mended_at) <= SILENT_SECONDS
    dialed = [
        m.at_seconds
        for m in first_of_each_call(invites(messages, HERE.pbx))
        if m.source[0] not in (HERE.carrier, HERE.agent_101)
    ]
    assert not [at for at in dialed if known_at + STOPPED_SECONDS < at < mended_at]
    assert [at for at in dialed if at > mended_at]
    assert_one_person_at_a_time(messages)
    rows = installation.rows("attempts")
    assert {row["state"] for row in rows} == {"closed"}
    assert len({row["lead_id"] for row in rows}) == len(rows)


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


def assert_settled(rows: list[dict[str, Any]], *, lost_at: float, mended_at: float) -> None:
    """Who had an agent's phone ringing keeps the agent, who answers later has none."""
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
