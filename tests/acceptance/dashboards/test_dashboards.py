"""A real Prometheus scrapes an engine whose campaign and TAPI client had a bit of everything."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import trio

from dashboards.render import FOLDER, rendered
from tests.acceptance.dashboards.alert_cases import CASES, RECORDED, SENTENCES, promtool_file
from tests.acceptance.dashboards.whole_run import (
    NUMBERS,
    TAPI_CALLS,
    Seen,
    after_its_calls,
    wait_true,
)
from tests.peers.wire import select

pytestmark = pytest.mark.real

RATE = "max(campaign:acd_ledger_abandon:ratio)"
LIVE = "max(acd_ledger_live_answers)"
STILL_RINGING = 2
SCRAPED_SECONDS = 2.0
"""Scrapes that began so long ago are over."""
ABANDONED = "SELECT count(*) FROM attempts WHERE abandoned AND campaign_id IS NOT NULL"
"""The ledger is the campaign's: a TAPI client's calls are not in it."""


async def test_prometheus_and_the_database_say_the_same(tmp_path: Path) -> None:
    async with after_its_calls(tmp_path) as seen:
        now = await quiet_moment(seen)
        for check in (
            assert_calls,
            assert_lines,
            assert_agents,
            assert_transfers,
            assert_ledger,
            assert_leads,
            assert_exemplar,
            assert_variables_offer_what_there_is,
            assert_the_page_is_to_promtools_taste,
            assert_every_panel_shows_something,
            assert_rules_are_about_real_series,
        ):
            await trio.to_thread.run_sync(check, now)


async def quiet_moment(seen: Seen) -> Seen:
    """The same, asked about a moment at which Prometheus knows all that SQL does.

    The counts from SQL are at most some seconds old; all is quiet now but two phones. A moment,
    because on a busy machine the next scrape may fail and leave nothing to compare.
    """
    found: list[Seen] = []

    def is_quiet() -> bool:
        now = replace(seen, at=time.time() - SCRAPED_SECONDS)
        if has_caught_up(now):
            found.append(now)
        return bool(found)

    await wait_true(is_quiet, lambda: seen.query('{__name__=~"acd_le.+|acd_agents|up"}'))
    return found[0]


def has_caught_up(seen: Seen) -> bool:
    """What the engine reads from SQL, and what Prometheus records of it, is of now."""
    abandoned = seen.count(ABANDONED)
    agents = agents_in_sql(seen)
    return (
        seen.value('up{job="acd"}') == 1
        and seen.by("state", "acd_agents") == agents
        and "wrap_up" in agents
        and "on_call" not in agents
        and seen.value('sum(acd_lines{state="ringback"})') == STILL_RINGING
        and seen.by("state", "acd_leads")
        == dict(seen.sql("SELECT state, count(*) FROM leads GROUP BY state"))
        and seen.value("max(acd_ledger_abandoned)") == abandoned
        and bool(seen.query(f"{RATE} == {abandoned} / {LIVE}"))
    )


def assert_calls(seen: Seen) -> None:
    assert seen.by("disposition", "sum by (disposition) (acd_dispositions_total)") == dict(
        seen.sql("SELECT disposition, count(*) FROM attempts WHERE state = 'closed' GROUP BY 1")
    )
    assert {"busy", "handed_over", "abandoned"} <= set(
        seen.by("disposition", 'acd_dispositions_total{campaign="sample"}')
    )
    live_answers = seen.count(
        "SELECT count(*) FROM attempts WHERE abandoned OR transferred_at IS NOT NULL"
        " OR (campaign_id IS NULL AND answered_at IS NOT NULL)"
    )
    assert seen.value("sum(acd_live_answers_total)") == live_answers > 0
    attempts = seen.count("SELECT count(*) FROM attempts")
    assert seen.value("sum(acd_originates_total)") == attempts == len(NUMBERS) + TAPI_CALLS
    statuses = Counter(
        "2xx" if answered_at else f"{status // 100}xx"
        for answered_at, status in seen.sql(
            "SELECT answered_at, sip_status FROM attempts WHERE state = 'closed'"
        )
    )
    assert seen.by("class", "sum by (class) (acd_responses_total)") == dict(statuses)
    # Not one a call: pjsip sends credentials at once to who has asked for them before.
    asked = {message.call_id for message in select(seen.wire.sip(), 401, cseq="INVITE")}
    assert seen.value("sum(acd_trunk_challenges_total)") == len(asked) > 0


def assert_lines(seen: Seen) -> None:
    """One phone rings for the campaign, and one for the TAPI client."""
    open_attempts = dict(
        seen.sql(
            "SELECT CASE WHEN campaign_id IS NULL THEN 'tapi:' || tapi_client ELSE 'sample' END,"
            " count(*) FROM attempts WHERE state <> 'closed' GROUP BY 1"
        )
    )
    assert open_attempts == {"sample": 1, "tapi:office": 1}
    assert seen.by("holder", "acd_leased_lines") == open_attempts
    assert sum(open_attempts.values()) == STILL_RINGING
    assert seen.value('sum(acd_lines{state!="idle"})') == STILL_RINGING
    assert seen.by("state", "acd_tapi_calls{state!='idle'}") == {"ringback": 1}


def agents_in_sql(seen: Seen) -> dict[str, float]:
    return dict(seen.sql("SELECT state, count(*) FROM agents GROUP BY state"))


def assert_agents(seen: Seen) -> None:
    states = agents_in_sql(seen)
    assert seen.by("state", "acd_agents") == states
    assert states["wrap_up"] == states["not_ready"] == states["logged_off"] == 1
    assert sum(states.values()) == 6


def assert_transfers(seen: Seen) -> None:
    results = seen.by("result", "sum by (result) (acd_transfers_total)")
    retries = seen.value("sum(acd_transfer_retries_total)")
    joined = seen.count("SELECT count(*) FROM attempts WHERE transfer_result = 'answered'")
    assert results["answered"] == joined > 0
    assert retries > 0
    # A row keeps its last transfer; every retry followed one that is not in SQL.
    last = dict(
        seen.sql(
            "SELECT transfer_result, count(*) FROM attempts"
            " WHERE transfer_result IS NOT NULL GROUP BY 1"
        )
    )
    retried = Counter(results)
    retried.subtract(last)
    assert min(retried.values()) >= 0, (results, last)
    assert sum(retried.values()) == retries
    # On a busy machine an agent's answer may come late: joined, by another result's name.
    with_agent = seen.count("SELECT count(transferred_at) FROM attempts")
    assert seen.value("sum(acd_answer_to_agent_seconds_count)") == with_agent


def assert_ledger(seen: Seen) -> None:
    abandoned = seen.count("SELECT count(*) FROM attempts WHERE abandoned")
    of_campaign = seen.count(ABANDONED)
    joined = seen.count(
        "SELECT count(*) FROM attempts"
        " WHERE transferred_at IS NOT NULL AND NOT abandoned AND campaign_id IS NOT NULL"
    )
    assert seen.value("sum(acd_abandoned_total)") == abandoned > of_campaign > 0
    assert seen.value("sum(acd_ledger_abandoned)") == of_campaign
    rate = seen.value(RATE)
    assert rate == pytest.approx(of_campaign / (of_campaign + joined))


def assert_leads(seen: Seen) -> None:
    states = dict(seen.sql("SELECT state, count(*) FROM leads GROUP BY state"))
    assert seen.by("state", "acd_leads") == states
    left = sum(count for state, count in states.items() if state in {"waiting", "claimed"})
    assert seen.at is not None
    ((began,),) = seen.sql(
        "SELECT (julianday(min(started_at)) - 2440587.5) * 86400 FROM attempts"
        " WHERE campaign_id IS NOT NULL"
    )
    expected = left * (seen.at - began) / states["closed"]
    shown = seen.value("sum(acd_leads_left_seconds)")
    # The gauge is some seconds older than our question.
    assert shown == pytest.approx(expected, abs=left * 12 / states["closed"])


def assert_exemplar(seen: Seen) -> None:
    """A point of each graph of calls leads to a call's log lines."""
    log = seen.engine.log()
    for series in CALL_SERIES:
        found = seen.prometheus.get("query_exemplars", query=series, start="0", end="4102444800")
        calls = {one["labels"]["call"] for series in found for one in series["exemplars"]}
        assert calls, series
        assert all(f'"call": "{call}"' in log for call in calls), series


CALL_SERIES = (
    *("acd_setup_seconds_bucket", "acd_ring_seconds_bucket"),
    *("acd_answer_to_refer_seconds_bucket", "acd_answer_to_agent_seconds_bucket"),
    *('acd_originates_total{campaign="sample"}', "acd_responses_total", "acd_calls_ended_total"),
    *("acd_live_answers_total", "acd_abandoned_total", "acd_transfers_total"),
    "acd_dispositions_total",
)
"""Nobody sees here when an agent's phone rings: acd_answer_to_ring_seconds has none."""
MAY_BE_ZERO = re.compile(
    "acd_expired_leases|acd_store_failures|acd_store_queue|acd_store_statements"
    "|acd_oldest_ended_call|acd_ledger_headroom|acd_feed_up.*== 0|acd_answer_to_ring"
    "|acd_previews|acd_overflows|acd_agents_benched"
)
"""What a run without a fault shows as 0, or only for a moment; nobody sees when a phone rings, and
this campaign has no previews, no overflow and no limit of calls that are not picked up."""


def assert_every_panel_shows_something(seen: Seen) -> None:
    """Each query has data now, and had a value other than 0 at some time of the run."""
    silent, zero = [], []
    for panel, expr in panel_queries():
        if not seen.query(expr):
            silent.append((panel, expr))
        highest = seen.query(f"max_over_time(({expr})[4m:500ms])")
        if not any(one.value > 0 for one in highest) and not MAY_BE_ZERO.search(expr):
            zero.append((panel, expr))
    assert not silent, "\n".join(map(str, silent))
    assert not zero, "\n".join(map(str, zero))


def assert_variables_offer_what_there_is(seen: Seen) -> None:
    """As Grafana asks for the values of a board's variables."""
    asked = {
        tuple(re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups())  # type: ignore[union-attr] # or the test fails
        for text in rendered().values()
        for variable in json.loads(text)["templating"]["list"]
    }
    offered = {
        label: seen.prometheus.get(f"label/{label}/values", **{"match[]": metric})
        for metric, label in asked
    }
    assert offered == {
        "campaign": ["sample", "tapi:office"],
        "instance": [f"127.0.0.1:{seen.installation.metrics_port}"],
    }


def assert_the_page_is_to_promtools_taste(seen: Seen) -> None:
    """Names, types and help of everything that this very engine shows."""
    url = f"http://127.0.0.1:{seen.installation.metrics_port}/metrics"
    with urlopen(url, timeout=10) as page:  # our own server
        promtool("check", "metrics", text=page.read().decode())


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
        told = set(re.findall(r'(\w+)="', labels))
        shown = [set(one.labels) - {"__name__"} for one in seen.query(name)]
        assert told in shown, f"{series}; an engine shows {shown[:1]}"
        for label, value in re.findall(r'(le|state|status|reason|access)="([^"]*)"', labels):
            assert seen.query(f'{name}{{{label}="{value}"}}'), series
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
        and rule["annotations"]["runbook_url"].endswith("/d/acd-runbook")
    )


def test_promtool_finds_every_alert_firing_and_silent_as_told(tmp_path: Path) -> None:
    rules = [FOLDER / "prometheus" / name for name in ("rules.yml", "alerts.yml")]
    file = tmp_path / "tests.json"
    waits = dict(re.findall(r"- alert: (\w+)\n(?:.+\n)+?        for: (\w+)", rules[1].read_text()))
    seconds = {alert: int(wait[:-1]) * {"s": 1, "m": 60}[wait[-1]] for alert, wait in waits.items()}
    file.write_text(json.dumps(promtool_file([str(rule) for rule in rules], seconds)))
    promtool("check", "rules", *map(str, rules))
    promtool("check", "config", str(FOLDER / "prometheus" / "prometheus.yml"))
    promtool("test", "rules", str(file))
    alerts = set(re.findall(r"- alert: (\w+)", rules[1].read_text()))
    assert {case.alert for case in CASES if case.fires is not None} == alerts
    assert {case.alert for case in CASES if case.fires is None} == alerts
    assert set(SENTENCES) == alerts
    assert {one.record for one in RECORDED} == set(
        re.findall(r"- record: (\S+)", rules[0].read_text())
    )
    assert all(math.isfinite(one.value) for one in RECORDED)


def promtool(*arguments: str, text: str = "") -> None:
    done = subprocess.run(
        ["promtool", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
