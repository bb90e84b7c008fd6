"""An engine whose campaign and TAPI client had a bit of everything, and Prometheus beside it.

The lab is the PBX: people who answer, are busy, reject, hang up or do not exist, and agents; cora
has no phone, so that transfers to her fail, the next agent is tried, and people for whom nobody is
left are abandoned. One lead is on a do-not-call list. At the end one phone rings for the campaign
and one for the TAPI client, anna is in wrap-up, dora not ready and emil logged off.
"""

from __future__ import annotations

import math
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import trio

from acd.tapi.client import GatewayAddress, LineApp, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState, LineErr
from tests.acceptance.support.installation import DAYS, Engine, Installation
from tests.peers.addresses import Addresses, free_port
from tests.peers.lab import Lab
from tests.peers.prometheus import Prometheus, Series, running_prometheus
from tests.peers.wire import Wire

BLOCK = "+493023125"
"""Kept free for films and books; the last digit says what the lab does."""
FIRST = ("000", "001", "101")
"""Answers at once, busy, busy: the first person meets the agent without a phone, then another."""
MANY_ANSWER = tuple(f"{hundreds}00" for hundreds in range(1, 9))
OTHERS = ("003", "004", "005", "006", "009", "002")
"""Rejects, does not exist, no way, hangs up, switched off; and one that rings until the end."""
NUMBERS = (*FIRST, *MANY_ANSWER, *OTHERS)
LISTED = "010"
"""On a do-not-call list: never dialed."""
SETTLED = len(NUMBERS) - 1
ANSWERS, BUSY, RINGS = "020", "021", "022"
"""Whom the TAPI client dials."""
TAPI_CALLS, TAPI_SETTLED = 4, 3
"""Handed over, abandoned, busy; and one that rings until the end."""
TAPI_AGENT = "204"
LAB = ("--port", "5060", "--first-extension", "201", "--agents", "4", "--agent-answer", "0.1-0.2",
       "--talk", "0.5-1")  # fmt: skip
AGENTS = """name,extension,campaigns
cora,299,sample
anna,201,sample
ben,202,sample
fred,203,sample
dora,211,sample
emil,212,sample
"""
TOKEN = "a-token-of-the-tests"
WAIT_SECONDS = 120.0
SETTINGS = """
[[trunk]]
name = "main"
domain = "{pbx}"
user = "acd"
password_file = "dialer.password"
register = false
lines = 14
calls_per_second = 20.0
[destinations]
default_region = "DE"
[metrics]
port = {metrics_port}
[api]
enabled = true
port = {api_port}
[[api_client]]
name = "desktops"
token_env = "TOKEN"
[tapi]
enabled = true
port = {tapi_port}
lines = 2
grace_seconds = 1.0
[[tapi_client]]
name = "office"
token_env = "TOKEN"
keep_calling_hours = false
"""
CAMPAIGN = """
wait_limit_seconds = 1.5
ring_timeout_seconds = 100
number_columns = ["phone"]
[agents]
extensions = ["299", "201", "202", "203"]
handle_seconds = 2
no_answer_limit = 0
[dnc]
required_lists = ["robinson"]
when_stale = "alarm"
[calling_hours]
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """An engine after its calls, and Prometheus beside it."""

    engine: Engine
    prometheus: Prometheus
    installation: Installation
    wire: Wire
    office: GatewayAddress
    api_port: int
    at: float | None = None
    """The moment that Prometheus is asked about; None: now."""

    def query(self, expr: str) -> list[Series]:
        return self.prometheus.query(expr, at=self.at)

    def value(self, expr: str) -> float:
        """Of the one series that an expression gives; NaN: it gives none."""
        (one, *others) = self.query(expr) or [Series({}, math.nan)]
        assert not others, expr
        return one.value

    def by(self, label: str, expr: str) -> dict[str, float]:
        """Label → value, zeros left out."""
        return {one.labels[label]: one.value for one in self.query(expr) if one.value != 0}

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        file = self.installation.folder / "acd.sqlite"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return database.execute(statement).fetchall()

    def count(self, statement: str) -> int:
        return int(self.sql(statement)[0][0])

    def say(self, agent: str, word: str) -> bool:
        """Say it as an agent's desktop does; whether it fits the moment."""
        url = f"http://127.0.0.1:{self.api_port}/v1/agents/{agent}/{word}"
        request = Request(url, method="POST", headers={"Authorization": f"Bearer {TOKEN}"})
        try:
            with urlopen(request, timeout=10):  # noqa: S310 - our own server
                return True
        except HTTPError as refused:
            refused.close()
            if refused.code != 422:
                raise
            return False

    async def scraped(self, expr: str) -> None:
        """Wait until Prometheus has seen it."""
        await wait_true(partial(self.prometheus.query, expr), self.engine.log)


async def wait_true(seen: Callable[[], object], what: Callable[[], object]) -> None:
    """Ask Prometheus until it is so: nobody tells of its next scrape."""
    with trio.move_on_after(WAIT_SECONDS):
        while True:
            if await trio.to_thread.run_sync(seen):
                return
            await trio.sleep(0.2)
    raise AssertionError(f"not within {WAIT_SECONDS} s: {what()}")


def prepare(folder: Path, pbx: str, *, api_port: int, tapi_port: int) -> Installation:
    installation = Installation.fresh(folder)
    (folder / "dialer.password").write_text("lab\n")
    (folder / "dialer.password").chmod(0o600)
    ports = {"metrics_port": installation.metrics_port, "api_port": api_port}
    (folder / "acd.toml").write_text(SETTINGS.format(pbx=pbx, tapi_port=tapi_port, **ports))
    hours = "\n".join(f'{day} = ["00:00-24:00"]' for day in DAYS)
    sample = folder / "campaigns" / "sample"
    (sample / "campaign.toml").write_text(CAMPAIGN + hours + "\n")
    leads = "\n".join(BLOCK + number for number in (*NUMBERS, LISTED))
    (sample / "leads.csv").write_text(f"phone\n{leads}\n")
    (folder / "agents.csv").write_text(AGENTS)
    return installation


async def command_all(installation: Installation, *lines: str) -> None:
    """Several commands in one process: most of a command's time is its start."""
    file = installation.folder / "commands.py"
    file.write_text(
        f"from acd.cli import acd\nfor line in {lines!r}:\n"
        "    acd.main(line.split(), prog_name='acd', standalone_mode=False)\n"
    )
    await installation.succeed(f"TOKEN={TOKEN} {sys.executable} {file}")


@asynccontextmanager
async def after_its_calls(folder: Path) -> AsyncIterator[Seen]:
    """The lab starts last, so that Prometheus has seen every series before it moves."""
    pbx, api_port, tapi_port = Addresses.free().pbx, free_port(), free_port()
    installation = prepare(folder, pbx, api_port=api_port, tapi_port=tapi_port)
    await command_all(
        installation,
        "leads import sample campaigns/sample/leads.csv",
        f"dnc add {BLOCK}{LISTED}",
        "agents import agents.csv",
        "agents ready cora anna ben fred",
        "agents not-ready dora --reason lunch",
        "campaign start sample",
    )
    async with installation.engine(f"env TOKEN={TOKEN} acd run") as engine:
        await engine.wait_metric("acd_trunk_status", 1, trunk="main", status="unreachable")
        with (
            Wire(pbx) as wire,
            running_prometheus(
                folder / "prometheus", target_port=installation.metrics_port
            ) as prometheus,
        ):
            office = GatewayAddress(host="127.0.0.1", port=tapi_port, client="office", token=TOKEN)
            seen = Seen(engine, prometheus, installation, wire, office, api_port)
            scrapes = 'count_over_time(acd_leads{state="waiting"}[1m])'
            await wait_true(
                lambda: [one for one in prometheus.query(scrapes) if one.value >= 2], engine.log
            )
            lab = Lab(pbx, folder, LAB)
            await trio.to_thread.run_sync(lab.__enter__)
            try:
                async with line_initialize_ex(office) as app:
                    await let_happen(seen, app)
                    yield seen
            finally:
                # The engine is killed by its own block: two phones still ring.
                await trio.to_thread.run_sync(lab.stop)


async def let_happen(seen: Seen, app: LineApp) -> None:
    """Everything up to the moment at which Prometheus and SQL are compared."""
    await seen.engine.wait_metric("acd_trunk_up", 1, trunk="main")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work_on_tapi_lines, seen, app)
        # She can only say so while she has somebody.
        wraps_up = partial(seen.say, "anna", "wrap-up")
        nursery.start_soon(wait_true, wraps_up, seen.engine.log)
    settled = 'sum(acd_dispositions_total{campaign="%s"}) == %d'
    for campaign, calls in (("sample", SETTLED), ("tapi:office", TAPI_SETTLED)):
        await wait_true(
            partial(seen.prometheus.query, settled % (campaign, calls)), seen.engine.log
        )


async def work_on_tapi_lines(seen: Seen, app: LineApp) -> None:
    """One person handed over, one left alone, one who is busy, one whose phone rings on."""
    first, second = await app.line_open(1), await app.line_open(2)
    handed_over = await app.line_make_call(first, BLOCK + ANSWERS)
    assert await app.wait_connected(handed_over)
    with pytest.raises(LineError) as refused:
        await app.line_make_call(first, BLOCK + BUSY)
    assert refused.value.code is LineErr.INUSE
    await seen.scraped('sum(acd_waiting_persons{campaign="tapi:office"}) > 0')
    await app.line_blind_transfer(handed_over, TAPI_AGENT)
    await handed_over.wait_states(LineCallState.IDLE)
    for line, number in ((first, ANSWERS), (first, BUSY)):
        call = await app.line_make_call(line, BLOCK + number)
        await call.wait_states(LineCallState.IDLE)
        app.line_deallocate_call(call)
    async with trio.open_nursery() as nursery:
        await nursery.start(LineApp(seen.office).run)
        nursery.cancel_scope.cancel()  # without a goodbye
    await seen.scraped('sum(acd_tapi_sessions{link="lost"}) > 0')
    await app.line_make_call(second, BLOCK + RINGS)
