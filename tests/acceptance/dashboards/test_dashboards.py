"""A real Prometheus scrapes an engine whose campaign had a bit of everything.

The lab is the PBX: people who answer, are busy, reject, hang up or do not exist, and two agents; a
third one of the campaign's list has no phone, so that transfers to them fail, the next agent is
tried, and people for whom nobody is left are abandoned. One phone rings until the end.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from dashboards.render import FOLDER, rendered
from tests.acceptance.dashboards.alert_cases import CASES, RECORDED, promtool_file
from tests.acceptance.support.installation import DAYS, Engine, Installation
from tests.peers.addresses import Addresses
from tests.peers.lab import Lab
from tests.peers.prometheus import Prometheus, running_prometheus
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

BLOCK = "+493023125"
"""Kept free for films and books; the last digit says what the lab does."""
FIRST = ("000", "001", "101")
"""Answers at once, busy, busy: the first person meets the agent without a phone, then another."""
MANY_ANSWER = tuple(f"{hundreds}00" for hundreds in range(1, 10))
OTHERS = ("003", "004", "005", "006", "009", "002")
"""Rejects, does not exist, no way, hangs up, switched off; and one that rings until the end."""
NUMBERS = (*FIRST, *MANY_ANSWER, *OTHERS)
SETTLED = len(NUMBERS) - 1
LAB = ("--port", "5060", "--first-extension", "201", "--agents", "2", "--agent-answer", "0.1-0.2",
       "--talk", "0.5-1")  # fmt: skip
WAIT_SECONDS = 60.0
SHOWN_WITH_A_FEED = {"acd_feed_up"}
"""The lab has none; tests/acceptance/agent_feed reads this very series from a real engine."""
RATE = "max(campaign:acd_ledger_abandon:ratio)"
LIVE = "max(acd_ledger_live_answers)"


@dataclass(frozen=True, slots=True)
class Seen:
    """An engine after its calls, and Prometheus beside it."""

    engine: Engine
    prometheus: Prometheus
    installation: Installation
    wire: Wire

    def value(self, expr: str) -> float:
        """Of the one series that an expression gives."""
        (one,) = self.prometheus.query(expr)
        return one.value

    def by(self, label: str, expr: str) -> dict[str, float]:
        """Label → value, zeros left out."""
        return {
            one.labels[label]: one.value for one in self.prometheus.query(expr) if one.value != 0
        }

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        file = self.installation.folder / "acd.sqlite"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return database.execute(statement).fetchall()

    def count(self, statement: str) -> int:
        return int(self.sql(statement)[0][0])


async def wait_true(seen: Callable[[], object], what: Callable[[], object]) -> None:
    """Ask Prometheus until it is so: nobody tells of its next scrape."""
    with trio.move_on_after(WAIT_SECONDS):
        while True:
            if await trio.to_thread.run_sync(seen):
                return
            await trio.sleep(0.2)
    raise AssertionError(f"not within {WAIT_SECONDS} s: {what()}")


def prepare(folder: Path, pbx: str) -> Installation:
    installation = Installation.fresh(folder)
    (folder / "dialer.password").write_text("lab\n")
    (folder / "dialer.password").chmod(0o600)
    (folder / "acd.toml").write_text(
        f"""
[[trunk]]
name = "main"
domain = "{pbx}"
user = "acd"
password_file = "dialer.password"
register = false
lines = 12
calls_per_second = 20.0
[destinations]
default_region = "DE"
[metrics]
port = {installation.metrics_port}
"""
    )
    hours = "\n".join(f'{day} = ["00:00-24:00"]' for day in DAYS)
    (folder / "campaigns" / "sample" / "campaign.toml").write_text(
        f"""
wait_limit_seconds = 1.5
ring_timeout_seconds = 100
number_columns = ["phone"]
[agents]
extensions = ["299", "201", "202"]
handle_seconds = 3
[calling_hours]
{hours}
"""
    )
    leads = "\n".join(BLOCK + number for number in NUMBERS)
    (folder / "campaigns" / "sample" / "leads.csv").write_text(f"phone\n{leads}\n")
    return installation


@asynccontextmanager
async def after_its_calls(folder: Path) -> AsyncIterator[Seen]:
    """The lab starts last, so that Prometheus has seen every series before it moves."""
    pbx = Addresses.free().pbx
    installation = prepare(folder, pbx)
    await installation.succeed(
        "acd leads import sample campaigns/sample/leads.csv", "acd campaign start sample"
    )
    async with installation.engine() as engine:
        await engine.wait_metric("acd_trunk_status", 1, trunk="main", status="unreachable")
        with (
            Wire(pbx) as wire,
            running_prometheus(
                folder / "prometheus", target_port=installation.metrics_port
            ) as prometheus,
        ):
            seen = Seen(engine, prometheus, installation, wire)
            scrapes = 'count_over_time(acd_leads{state="waiting"}[1m])'
            await wait_true(
                lambda: [one for one in prometheus.query(scrapes) if one.value >= 2], engine.log
            )
            lab = Lab(pbx, folder, LAB)
            await trio.to_thread.run_sync(lab.__enter__)
            try:
                await wait_true(
                    lambda: prometheus.query(f"sum(acd_dispositions_total) == {SETTLED}"),
                    engine.log,
                )
                yield seen
            finally:
                # The engine is killed by its own block: one phone still rings.
                await trio.to_thread.run_sync(lab.stop)


async def test_prometheus_and_the_database_say_the_same(tmp_path: Path) -> None:
    async with after_its_calls(tmp_path) as seen:
        # The counts from SQL are at most some seconds old; all is quiet now but one phone.
        await wait_true(
            lambda: has_caught_up(seen), lambda: seen.prometheus.query('{__name__=~"acd_le.+"}')
        )
        for check in (assert_calls, assert_transfers, assert_ledger, assert_leads, assert_exemplar):
            await trio.to_thread.run_sync(check, seen)
        await trio.to_thread.run_sync(assert_every_panel_shows_something, seen)
        await trio.to_thread.run_sync(assert_rules_are_about_real_series, seen)


def has_caught_up(seen: Seen) -> bool:
    """What the engine reads from SQL, and what Prometheus records of it, is of now."""
    abandoned = seen.count("SELECT count(*) FROM attempts WHERE abandoned")
    return (
        seen.by("state", "acd_leads")
        == dict(seen.sql("SELECT state, count(*) FROM leads GROUP BY state"))
        and seen.value("max(acd_ledger_abandoned)") == abandoned
        and bool(seen.prometheus.query(f"{RATE} == {abandoned} / {LIVE}"))
    )


def assert_calls(seen: Seen) -> None:
    assert seen.by("disposition", "sum by (disposition) (acd_dispositions_total)") == dict(
        seen.sql("SELECT disposition, count(*) FROM attempts WHERE state = 'closed' GROUP BY 1")
    )
    assert {"busy", "handed_over", "abandoned", "lead_hung_up"} & set(
        seen.by("disposition", "acd_dispositions_total")
    ) >= {"busy", "handed_over", "abandoned"}
    answered = seen.count("SELECT count(answered_at) FROM attempts")
    assert seen.value("sum(acd_live_answers_total)") == answered > 0
    attempts = seen.count("SELECT count(*) FROM attempts")
    assert seen.value("sum(acd_originates_total)") == attempts == len(NUMBERS)
    statuses = Counter(
        "2xx" if answered_at else f"{status // 100}xx"
        for answered_at, status in seen.sql(
            "SELECT answered_at, sip_status FROM attempts WHERE state = 'closed'"
        )
    )
    assert seen.by("class", "acd_responses_total") == dict(statuses)
    open_attempts = seen.count("SELECT count(*) FROM attempts WHERE state <> 'closed'")
    assert seen.value('sum(acd_lines{state!="idle"})') == open_attempts == 1
    assert seen.by("holder", "acd_leased_lines") == {"sample": 1}
    # Not one a call: pjsip sends credentials at once to who has asked for them before.
    asked = {message.call_id for message in select(seen.wire.sip(), 401, cseq="INVITE")}
    assert seen.value("sum(acd_trunk_challenges_total)") == len(asked) > 0


def assert_transfers(seen: Seen) -> None:
    results = seen.by("result", "acd_transfers_total")
    retries = seen.value("sum(acd_transfer_retries_total)")
    joined = seen.count("SELECT count(*) FROM attempts WHERE transfer_result = 'answered'")
    assert results["answered"] == joined > 0
    assert retries > 0
    # A row keeps its last transfer; every retry followed one that is not in SQL.
    last = seen.count("SELECT count(transfer_result) FROM attempts")
    assert sum(results.values()) == last + retries
    # On a busy machine an agent's answer may come late: joined, by another result's name.
    with_agent = seen.count("SELECT count(transferred_at) FROM attempts")
    assert seen.value("sum(acd_answer_to_agent_seconds_count)") == with_agent


def assert_ledger(seen: Seen) -> None:
    abandoned = seen.count("SELECT count(*) FROM attempts WHERE abandoned")
    joined = seen.count(
        "SELECT count(*) FROM attempts WHERE transferred_at IS NOT NULL AND NOT abandoned"
    )
    assert seen.value("sum(acd_abandoned_total)") == abandoned > 0
    assert seen.value("sum(acd_ledger_abandoned)") == abandoned
    rate = seen.value(RATE)
    assert rate == pytest.approx(abandoned / (abandoned + joined))


def assert_leads(seen: Seen) -> None:
    states = dict(seen.sql("SELECT state, count(*) FROM leads GROUP BY state"))
    assert seen.by("state", "acd_leads") == states
    left = sum(count for state, count in states.items() if state in {"waiting", "claimed"})
    ((began, now),) = seen.sql(
        "SELECT julianday(min(started_at)) * 86400, julianday('now') * 86400 FROM attempts"
    )
    expected = left * (now - began) / states["closed"]
    shown = seen.value("sum(acd_leads_left_seconds)")
    # The gauge is some seconds older than our question.
    assert shown == pytest.approx(expected, abs=left * 12 / states["closed"])


def assert_exemplar(seen: Seen) -> None:
    """A point of the graph leads to the call's log lines."""
    found = seen.prometheus.get(
        "query_exemplars",
        query="acd_answer_to_agent_seconds_bucket",
        start="0",
        end="4102444800",
    )
    calls = {one["labels"]["call"] for series in found for one in series["exemplars"]}
    assert calls
    log = seen.engine.log()
    assert all(f'"call": "{call}"' in log for call in calls)


MAY_BE_ZERO = re.compile(
    "acd_expired_leases|acd_store_failures|acd_store_queue|acd_store_statements"
    "|acd_ledger_headroom|wrap_up"
)
"""What a run without a fault shows as 0, or only for a moment; the fixed feed knows no wrap-up."""


def assert_every_panel_shows_something(seen: Seen) -> None:
    """Each query has data now, and had a value other than 0 at some time of the run."""
    silent, zero = [], []
    for panel, expr in panel_queries():
        if not seen.prometheus.query(expr):
            silent.append((panel, expr))
        highest = seen.prometheus.query(f"max_over_time(({expr})[2m:500ms])")
        if not any(one.value > 0 for one in highest) and not MAY_BE_ZERO.search(expr):
            zero.append((panel, expr))
    assert not silent, "\n".join(map(str, silent))
    assert not zero, "\n".join(map(str, zero))


def panel_queries() -> Iterator[tuple[str, str]]:
    """Panel and expression, with Grafana's variables filled in."""
    for text in rendered().values():
        for panel in json.loads(text)["panels"]:
            for target in panel.get("targets", ()):
                expr = target["expr"]
                for variable, value in (
                    ("$__rate_interval", "5m"),
                    ("$__range", "5m"),
                    ("$campaign", ".*"),
                    ("$node", ".*"),
                ):
                    expr = expr.replace(variable, value)
                assert "$" not in expr
                yield panel["title"], expr


def assert_rules_are_about_real_series(seen: Seen) -> None:
    """What promtool is told exists on a real engine, with these very label names."""
    told_of = [case.series for case in CASES] + [one.series for one in RECORDED]
    for series in {name for all_of_one in told_of for name in all_of_one}:
        name, _, labels = series.rstrip("}").partition("{")
        if name in SHOWN_WITH_A_FEED:
            continue
        told = set(re.findall(r'(\w+)="', labels))
        shown = [set(one.labels) - {"__name__"} for one in seen.prometheus.query(name)]
        assert told in shown, f"{series}; an engine shows {shown[:1]}"
        for label, value in re.findall(r'(le|state|status|reason|access)="([^"]*)"', labels):
            assert seen.prometheus.query(f'{name}{{{label}="{value}"}}'), series
    for group in seen.prometheus.get("rules")["groups"]:
        for rule in group["rules"]:
            assert rule["health"] == "ok", rule
            assert rule["type"] == "recording" or says_enough(rule), rule


def says_enough(rule: dict[str, Any]) -> bool:
    return (
        rule["duration"] > 0
        and rule["labels"]["severity"] in {"warning", "critical"}
        and rule["annotations"]["summary"].endswith(".")
        and rule["annotations"]["runbook"].endswith(f"#{rule['name'].lower()}")
    )


def test_promtool_finds_every_alert_firing_and_silent_as_told(tmp_path: Path) -> None:
    rules = [FOLDER / "prometheus" / name for name in ("rules.yml", "alerts.yml")]
    file = tmp_path / "tests.json"
    file.write_text(json.dumps(promtool_file([str(rule) for rule in rules])))
    promtool("check", "rules", *map(str, rules))
    promtool("check", "config", str(FOLDER / "prometheus" / "prometheus.yml"))
    promtool("test", "rules", str(file))
    alerts = set(re.findall(r"- alert: (\w+)", rules[1].read_text()))
    assert {case.alert for case in CASES if case.fires is not None} == alerts
    assert {case.alert for case in CASES if case.fires is None} == alerts
    assert {one.record for one in RECORDED} == set(
        re.findall(r"- record: (\S+)", rules[0].read_text())
    )
    assert all(math.isfinite(one.value) for one in RECORDED)


def promtool(*arguments: str) -> None:
    done = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
