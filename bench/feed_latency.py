"""The whole engine behind a real Asterisk: an agent hangs up, and when may they have the next one?

The end is the moment at which the scheduler's roster has the agent READY: it is stamped there and
then with the wall clock, and stands in the agent's row in `events`. The beginning, by feed:

- AMI, dialog_info: the BYE of the agent's phone on the wire, with the kernel's timestamp.
- HTTP: no feed sees a phone. The agent's desktop, which listens to `/v1/events`, says `wrap-up`
  when they have talked, and `wrap-up-done`: the moment before that request is written to its open
  connection.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

from bench.answer_to_agent import AGENTS, AGENTS_PHONES, CARRIER, PBX
from bench.call_centre import bench_errors
from bench.protocol import BenchError, Effort, Figure, Measured, latency_figures, none_of
from bench.statistics import latencies
from tests.acceptance.support.api import TOKENS, Api, add_agents, open_api_engine, serve_api
from tests.acceptance.support.floor import (
    NO_FEED,
    SUBSCRIPTIONS,
    floor_installation,
    number,
)
from tests.acceptance.support.installation import Engine, Installation, edit
from tests.acceptance.support.records import seconds
from tests.peers import phones
from tests.peers.asterisk import run_asterisk
from tests.peers.sipp.runner import SippError
from tests.peers.wire import SipMessage, Wire, select

RATE_PER_SECOND = 30
CALLS = 300
FEEDS: Mapping[str, tuple[str, tuple[str, int] | str]] = {
    "ami": ("AMI", (PBX, 5038)),
    "dialog_info": ("dialog_info", SUBSCRIPTIONS),
    "http": ("HTTP", NO_FEED),
}
_RING_MS = 100
_TALK_MS = 500
_ANSWER_AFTER_MS = 300
_BUSY = number(9999, "86")
"""Is called again later: the campaign is not over, and agents are ready once more at the end."""
_LAST_ONE_SECONDS = 60.0

Moments = Mapping[str, Sequence[float]]
"""By agent's extension, in order."""


def _of(feed: str, title: str) -> Iterator[Figure]:
    yield from latency_figures(feed, f"{title}, READY", decimals=1)
    yield none_of(f"{feed}.unseen", f"{title}, hang-ups that nobody saw")


@dataclass(frozen=True, slots=True)
class FeedLatency:
    name: str = "feeds"
    title: str = f"Agent hangs up → READY in the scheduler, {RATE_PER_SECOND} hang-ups/s"
    figures: tuple[Figure, ...] = tuple(
        figure for feed, (title, _) in FEEDS.items() for figure in _of(feed, title)
    )

    def run(self, effort: Effort) -> Measured:
        with bench_errors():
            return trio.run(_all, effort)


async def _all(effort: Effort) -> dict[str, float]:
    found: dict[str, float] = {}
    for feed in FEEDS:
        found |= await _one(feed, calls=effort.calls(CALLS))
    return found


async def _one(feed: str, *, calls: int) -> dict[str, float]:
    agents = dict.fromkeys(AGENTS, f"{AGENTS_PHONES}:5060")
    async with run_asterisk(address=PBX, carrier=f"{CARRIER}:5060", agents=agents):
        with tempfile.TemporaryDirectory(prefix="acd-bench-") as folder:
            installation = await _installation(Path(folder), feed, calls=calls)
            hung_up = await _dial(installation, feed, calls=calls)
            return _figures(feed, hung_up, _ready(installation), calls=calls)


async def _installation(folder: Path, feed: str, *, calls: int) -> Installation:
    """120 agents of SQL, each called as their extension is."""
    installation = await floor_installation(
        folder,
        pbx=PBX,
        manager=FEEDS[feed][1],
        extensions=AGENTS,
        leads=[*(number(lead) for lead in range(calls)), _BUSY],
        lines=400,
    )
    edit(folder / "acd.toml", {"calls_per_second": f"{RATE_PER_SECOND}.0"})
    campaign = folder / "campaigns" / "sample" / "campaign.toml"
    # Longer than the run: where nobody sees the phones, the desktop's word alone ends a call.
    campaign.write_text(campaign.read_text().replace("[agents]", "[agents]\nhandle_seconds = 600"))
    add_agents(folder, *(f"a{extension},{extension},sample" for extension in AGENTS))
    await installation.succeed(
        "acd campaign reload sample",
        "acd agents import agents.csv",
        f"acd agents ready {' '.join(f'a{extension}' for extension in AGENTS)}",
    )
    serve_api(installation)
    return installation


async def _dial(installation: Installation, feed: str, *, calls: int) -> Moments:
    """When each agent hung up, of a campaign that has ended with everybody ready again."""
    agent = phones.agent_answers(AGENTS_PHONES, ring_ms=_RING_MS, talk_ms=_TALK_MS)
    agent.calls = calls
    carrier = phones.carrier(CARRIER, answer_ms=_ANSWER_AFTER_MS)
    desktops = Desktops()
    with carrier, agent, Wire(AGENTS_PHONES) as wire:
        async with open_api_engine(installation) as (engine, api):
            async with trio.open_nursery() as nursery:
                if feed == "http":
                    nursery.start_soon(desktops.serve, api)
                with suppress(SippError):  # somebody got no agent: the rows tell how many
                    wait_seconds = calls / RATE_PER_SECOND + _LAST_ONE_SECONDS
                    await trio.to_thread.run_sync(agent.wait, wait_seconds)
                await _wait_all_ready(engine)
                nursery.cancel_scope.cancel()
            await engine.end()
        return desktops.done if feed == "http" else _byes(await trio.to_thread.run_sync(wire.sip))


async def _wait_all_ready(engine: Engine) -> None:
    with suppress(AssertionError):  # the rows tell who is not
        await engine.wait_metric("acd_agents", len(AGENTS), state="ready", timeout_seconds=10)


@dataclass(slots=True)
class Desktops:
    """One client for the desktops of all agents: it hears that they talk, and ends it for them."""

    done: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """When each said so."""

    async def serve(self, api: Api) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:

            def talks(name: str) -> None:
                # The listener's thread may outlive the run.
                with suppress(trio.RunFinishedError, trio.Cancelled):
                    trio.from_thread.run_sync(nursery.start_soon, self._talk, api, name)

            await trio.to_thread.run_sync(_listen, api, talks, abandon_on_cancel=True)

    async def _talk(self, api: Api, name: str) -> None:
        await trio.sleep(_TALK_MS / 1000)
        await trio.to_thread.run_sync(self._hang_up, api, name)

    def _hang_up(self, api: Api, name: str) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)) as desktop:
            _say(desktop, name, "wrap-up")
            self.done[name.removeprefix("a")].append(time.time())
            _say(desktop, name, "wrap-up-done")


def _say(desktop: http.client.HTTPConnection, name: str, word: str) -> None:
    desktop.request("POST", f"/v1/agents/{name}/{word}", headers=_authorized())
    answer = desktop.getresponse()
    said = answer.read()
    if answer.status != 200:
        raise BenchError(f"{word} of agent {name}: {said.decode()}")


def _listen(api: Api, talks: Callable[[str], None]) -> None:
    """Have every agent's talk begin when the engine says so; blocks until the engine is gone.

    A listener that is late is dropped, and goes on where it was: see docs/api.md.
    """
    last = ""
    with suppress(ConnectionError, http.client.HTTPException):
        while True:
            with closing(http.client.HTTPConnection("127.0.0.1", api.port)) as connection:
                headers = {**_authorized(), "Last-Event-ID": last}
                connection.request("GET", "/v1/events", headers=headers)
                for line in connection.getresponse():
                    name, _, value = line.decode().strip().partition(": ")
                    last = value if name == "id" else last
                    event = json.loads(value) if name == "data" else {}
                    if event.get("what") == "on_call" and event.get("agent"):
                        talks(event["agent"])


def _authorized() -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS['boss']}"}


def _byes(messages: Sequence[SipMessage]) -> Moments:
    """Of each call at an agent's phone the first BYE."""
    extensions = {
        m.call_id: m.request_uri.removeprefix("sip:").partition("@")[0]
        for m in select(messages, "INVITE")
        if m.destination[0] == AGENTS_PHONES
    }
    first: dict[str, float] = {}
    for bye in select(messages, "BYE"):
        if bye.source[0] == AGENTS_PHONES:
            first.setdefault(bye.call_id, bye.at_seconds)
    found: dict[str, list[float]] = defaultdict(list)
    for call_id, at in first.items():
        found[extensions[call_id]].append(at)
    return found


def _ready(installation: Installation) -> Moments:
    """When each agent became READY."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in installation.rows("events"):
        if row["subject"] == "agent" and row["what"] == "ready":
            found[row["subject_id"].removeprefix("a")].append(seconds(row["at"]))
    return found


def _figures(feed: str, hung_up: Moments, ready: Moments, *, calls: int) -> dict[str, float]:
    delays = [
        (at - end) * 1000
        for agent, ends in hung_up.items()
        for end, at in ready_after(sorted(ends), sorted(ready.get(agent, ())))
    ]
    return {f"{feed}.unseen": float(calls - len(delays)), **latencies(feed, delays)}


def ready_after(ends: Sequence[float], moments: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Each end with the first moment after it, if that comes before the next end."""
    for end, following in zip(ends, [*ends[1:], float("inf")], strict=True):
        place = bisect_left(moments, end)
        if place < len(moments) and moments[place] < following:
            yield end, moments[place]
