"""The TAPI gateway: requests a second, and what it adds between an application and the wire."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from acd.tapi.client import (
    GatewayAddress,
    HCall,
    HLine,
    LineApp,
    LineError,
    line_initialize_ex,
)
from bench.peer import PEER
from bench.protocol import BenchError, Effort, Figure, Measured, latency_figures
from bench.statistics import latencies
from bench.wire_latency import answer_to_refer_ms
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import ack, answer, bye, invite, notify, pause, refer, ring, write
from tests.peers.wire import Wire, select

LINES = 999
CALLS = 400
AT_ONCE = 20
CLIENTS = 20
REQUESTS = 2000
TOKEN = "the token of the bench"  # noqa: S105 - of an engine that lives for the bench only
PORT = 8599
START_SECONDS = 30.0
STEPS = (
    *(invite(), ring(), pause(200), answer(), ack()),
    *(refer(202), notify(200, final=True), bye()),
)
SETTINGS = f"""
[[trunk]]
domain = "{PEER}"
user = "acd"
register = false
lines = {LINES}
calls_per_second = 200.0
[metrics]
enabled = false
[tapi]
enabled = true
port = {PORT}
lines = {LINES}
[[tapi_client]]
name = "bench"
token_env = "BENCH_TOKEN"
calls_per_second = 200.0
wait_limit_seconds = 60
keep_calling_hours = false
"""
ADDRESS = GatewayAddress(host="127.0.0.1", port=PORT, client="bench", token=TOKEN)


@dataclass(frozen=True, slots=True)
class TapiGatewayCost:
    name: str = "tapi"
    title: str = f"TAPI gateway, {LINES} lines open"
    figures: tuple[Figure, ...] = (
        Figure(key="one.us", title="a request (call.status), one client", unit="µs", decimals=0),
        Figure(key="many.us", title=f"a request, {CLIENTS} clients at once", unit="µs", decimals=0),
        *latency_figures("make", "lineMakeCall → INVITE"),
        *latency_figures("refer", "200 OK → REFER by the client"),
    )

    def run(self, effort: Effort) -> Measured:
        with tempfile.TemporaryDirectory(prefix="acd-bench-tapi-") as folder:
            # The common peer answers no OPTIONS, without which the engine does not dial.
            peer = Sipp.uas(write(Path(folder), *STEPS), Bind(PEER, 5060))
            with peer, _engine(Path(folder)), Wire(PEER) as wire:
                return trio.run(_measure, wire, effort)


@contextmanager
def _engine(folder: Path) -> Iterator[None]:
    (folder / "acd.toml").write_text(SETTINGS, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "acd", "run"],
        cwd=folder,
        env={**os.environ, "BENCH_TOKEN": TOKEN, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def _measure(wire: Wire, effort: Effort) -> Measured:
    await _wait_serving()
    found: dict[str, float] = {}
    async with line_initialize_ex(ADDRESS) as app:
        lines = [await app.line_open(number) for number in range(1, LINES + 1)]
        requests = effort.calls(REQUESTS)
        found["one.us"] = await _request_us([app], requests)
        async with AsyncExitStack() as stack:
            others = [await stack.enter_async_context(line_initialize_ex(ADDRESS))]
            while len(others) < CLIENTS:
                others.append(await stack.enter_async_context(line_initialize_ex(ADDRESS)))
            found["many.us"] = await _request_us(others, requests)
        asked = await _dial(app, lines, effort.calls(CALLS))
    messages = wire.sip()
    invited: dict[str, float] = {}
    for sent in select(messages, "INVITE"):
        user = sent.request_uri.removeprefix("sip:").partition("@")[0].removeprefix("%2B")
        invited.setdefault(user.removeprefix("+"), sent.at_seconds)
    made = [(invited[number] - at) * 1000 for number, at in asked.items() if number in invited]
    refers = answer_to_refer_ms(messages)
    if not made or not refers:
        raise BenchError("no call of the gateway's on the wire")
    for key, delays in (("make", made), ("refer", refers)):
        found |= latencies(key, delays)
    return found


async def _wait_serving() -> None:
    with trio.move_on_after(START_SECONDS):
        while True:
            try:
                await (await trio.open_tcp_stream(ADDRESS.host, ADDRESS.port)).aclose()
                async with line_initialize_ex(ADDRESS) as app:
                    if app.line_get_dev_caps()[0].in_service:
                        return
            except OSError:
                pass  # not yet
            # Another program starts: it can only be asked again.
            await trio.sleep(0.1)
    raise BenchError("the engine's gateway did not come up")


async def _request_us(apps: list[LineApp], requests: int) -> float:
    """Wall time a request, while every client always has one under way."""
    nobody = HCall("nobody", HLine(1))

    async def ask(app: LineApp) -> None:
        for _ in range(requests // len(apps)):
            with suppress(LineError):  # there is no such call: the round trip is what counts
                await app.line_get_call_status(nobody)

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for app in apps:
            nursery.start_soon(ask, app)
    return (trio.current_time() - began) / requests * 1e6


async def _dial(app: LineApp, lines: list[HLine], calls: int) -> dict[str, float]:
    """Number → when `lineMakeCall` was asked, epoch seconds as the wire has them."""
    asked: dict[str, float] = {}
    limit = trio.CapacityLimiter(AT_ONCE)

    async def call_one(place: int) -> None:
        number = f"43150564{place % 1000:03}"
        async with limit:
            asked[number] = time.time()
            call = await app.line_make_call(lines[place], f"+{number}")
            if await app.wait_connected(call):
                await app.line_blind_transfer(call, "101")
            app.line_deallocate_call(call)

    async with trio.open_nursery() as nursery:
        for place in range(calls):
            nursery.start_soon(call_one, place)
    return asked
