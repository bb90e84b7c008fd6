"""What `promtool test rules` is told: series as an engine shows them, and which alerts follow.

Prometheus' own notation: `0x20` is 0 and then 20 times the same, `0+5x20` rises by 5 each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboards.boards.queries import BUSY, STAFFED, agents_by_state

EVALUATION_SECONDS = 15
"""As in dashboards/prometheus/prometheus.yml."""
INSTANCE = "127.0.0.1:9464"
_WHO = f'instance="{INSTANCE}",job="acd"'


def _series(name: str, **labels: str) -> str:
    more = "".join(f',{key.strip("_")}="{value}"' for key, value in labels.items())
    return f"{name}{{{_WHO}{more}}}"


def ledger(live: int, abandoned: int) -> dict[str, str]:
    """A campaign's window, with the law's limit."""
    return {
        _series("acd_ledger_live_answers", campaign="c"): f"{live}x60",
        _series("acd_ledger_abandoned", campaign="c"): f"{abandoned}x60",
        _series("acd_abandon_limit_ratio", campaign="c"): "0.03x60",
    }


def slow(histogram: str, *, under: str, over: str, **labels: str) -> dict[str, str]:
    """Ten observations a step, all between two bucket limits."""
    return {
        _series(f"{histogram}_bucket", **labels, le=under): "0x60",
        _series(f"{histogram}_bucket", **labels, le=over): "0+10x60",
        _series(f"{histogram}_bucket", **labels, le="+Inf"): "0+10x60",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Series, and whether the alert fires at a minute."""

    alert: str
    series: Mapping[str, str]
    fires: Mapping[str, str] | None = None
    """Labels, `severity` among them; None: it must be silent."""
    since_seconds: int = 0
    """From when on what it looks for is so; it fires its `for` after that, and not before."""

    @property
    def name(self) -> str:
        return f"{self.alert} {'fires' if self.fires is not None else 'is silent'}"


_WARNS, _ALARMS = {"severity": "warning"}, {"severity": "critical"}
_ENGINE = {"instance": INSTANCE, "job": "acd"}
_AGENT_WAIT, _STORE = "acd_answer_to_agent_seconds", "acd_store_seconds"
_LAG = "acd_scheduler_lag_seconds"
_STALE = "AcdDncListsStale"
_NEAR, _OVER = "AcdAbandonRateNearLimit", "AcdAbandonRateOverLimit"


def _up(value: int) -> dict[str, str]:
    return {f"up{{{_WHO}}}": f"{value}x60"}


def _trunk(value: str) -> dict[str, str]:
    return {_series("acd_trunk_up", trunk="main"): value}


def _hold(reason: str) -> dict[str, str]:
    return {_series("acd_campaign_hold", campaign="c", reason=reason): "1x60"}


def _stale(lists: int) -> dict[str, str]:
    return {_series("acd_stale_dnc_lists", campaign="c"): f"{lists}x60"}


def _waiting(persons: int) -> dict[str, str]:
    return {_series("acd_waiting_persons", campaign="c"): f"{persons}x60"}


def _joined(values: str) -> dict[str, str]:
    return {_series("acd_transfers_total", campaign="c", result="answered"): values}


def _answers_of_a_client(*, abandoned: int) -> dict[str, str]:
    """Ten a minute, so many of them abandoned."""
    return {
        _series("acd_live_answers_total", campaign="tapi:overdialer"): "0+10x60",
        _series("acd_abandoned_total", campaign="tapi:overdialer"): f"0+{abandoned}x60",
    }


CASES: Sequence[Case] = (
    Case(alert=_NEAR, series=ledger(1000, 25), fires={"campaign": "c", **_WARNS}),
    Case(alert=_NEAR, series=ledger(1000, 20)),
    Case(alert=_NEAR, series=ledger(0, 0)),
    Case(alert=_OVER, series=ledger(1000, 31), fires={"campaign": "c", **_ALARMS}),
    Case(alert=_OVER, series=ledger(1000, 29)),
    Case(
        alert="AcdPeopleWaiting",
        series=slow(_AGENT_WAIT, under="2.0", over="3.0", campaign="c"),
        since_seconds=60,
        fires={"campaign": "c", **_WARNS},
    ),
    Case(alert="AcdPeopleWaiting", series=slow(_AGENT_WAIT, under="1.0", over="2.0", campaign="c")),
    Case(
        alert="AcdNobodyTakesPeople",
        series=_waiting(3) | _joined("5x60"),
        fires={"campaign": "c", **_ALARMS},
    ),
    Case(alert="AcdNobodyTakesPeople", series=_waiting(3) | _joined("0+5x60")),
    Case(alert="AcdNobodyTakesPeople", series=_waiting(0) | _joined("5x60")),
    Case(
        alert="AcdNobodyTakesPeople",
        series=_answers_of_a_client(abandoned=2),
        since_seconds=60,
        fires={"campaign": "tapi:overdialer", **_ALARMS},
    ),
    Case(alert="AcdNobodyTakesPeople", series=_answers_of_a_client(abandoned=0)),
    Case(
        alert="AcdTrunkDown",
        series=_trunk("1x2 0x57"),
        since_seconds=180,
        fires={"trunk": "main", **_ENGINE, **_ALARMS},
    ),
    Case(alert="AcdTrunkDown", series=_trunk("1x60")),
    *(
        Case(
            alert="AcdTrunkRefused",
            series={_series("acd_trunk_status", trunk="main", status=status): "1x60"},
            fires={"trunk": "main", "status": status, **_ENGINE, **_ALARMS},
        )
        for status in ("transfer_refused", "credentials_refused")
    ),
    Case(
        alert="AcdTrunkRefused",
        series={_series("acd_trunk_status", trunk="main", status="backing_off"): "1x60"},
    ),
    Case(
        alert="AcdFeedLost",
        series={_series("acd_feed_up", feed="ami"): "1x5 0x54"},
        since_seconds=360,
        fires={"feed": "ami", **_ENGINE, **_ALARMS},
    ),
    Case(alert="AcdFeedLost", series={_series("acd_feed_up", feed="ami"): "1x60"}),
    Case(
        alert="AcdCampaignStarved",
        series=_hold("no_lead"),
        fires={"campaign": "c", **_WARNS},
    ),
    *(
        Case(alert="AcdCampaignStarved", series=_hold(reason), fires={"campaign": "c", **_WARNS})
        for reason in ("no_free_line", "trunk", "store")
    ),
    Case(
        alert="AcdCampaignStarved",
        series={
            _series("acd_campaign_hold", campaign="c", reason="no_lead"): "1 0 1 0 1 0 1 0 1 0 1 0",
            _series("acd_campaign_hold", campaign="c", reason="trunk"): "0 1 0 1 0 1 0 1 0 1 0 1",
        },
        fires={"campaign": "c", **_WARNS},
    ),
    Case(alert="AcdCampaignStarved", series=_hold("no_ready_agent")),
    Case(alert=_STALE, series=_stale(1), fires={"campaign": "c", **_ALARMS}),
    Case(alert=_STALE, series=_stale(0)),
    Case(
        alert="AcdLineLeak",
        series={_series("acd_oldest_ended_call_seconds", trunk="main"): "0x5 41+60x54"},
        since_seconds=360,
        fires={"trunk": "main", "instance": INSTANCE, **_WARNS},
    ),
    Case(
        alert="AcdLineLeak",
        series={_series("acd_expired_leases_total", trunk="main"): "0x5 1x54"},
        since_seconds=360,
        fires={"trunk": "main", "instance": INSTANCE, **_WARNS},
    ),
    Case(
        alert="AcdLineLeak",
        series={
            # Some line is ending at every look: a PBX that is slow to answer BYE.
            _series("acd_lines", trunk="main", state="disconnected"): "3x60",
            _series("acd_oldest_ended_call_seconds", trunk="main"): "31x60",
            _series("acd_expired_leases_total", trunk="main"): "3x60",
        },
    ),
    Case(
        alert="AcdStoreDown",
        series={_series("acd_store_up"): "0x60"},
        fires={**_ENGINE, **_ALARMS},
    ),
    Case(alert="AcdStoreDown", series={_series("acd_store_up"): "1x60"}),
    Case(
        alert="AcdStoreSlow",
        series=slow(_STORE, under="0.5", over="1.0", access="write"),
        since_seconds=60,
        fires={"instance": INSTANCE, **_WARNS},
    ),
    Case(
        alert="AcdStoreSlow",
        series={_series("acd_store_queue"): "501x60"},
        fires={**_ENGINE, **_WARNS},
    ),
    Case(alert="AcdStoreSlow", series=slow(_STORE, under="0.05", over="0.1", access="write")),
    Case(
        alert="AcdSchedulerLag",
        series=slow(_LAG, under="0.1", over="0.2"),
        since_seconds=60,
        fires={"instance": INSTANCE, **_WARNS},
    ),
    Case(alert="AcdSchedulerLag", series=slow(_LAG, under="0.02", over="0.05")),
    Case(alert="AcdEngineDead", series=_up(0), fires={**_ENGINE, **_ALARMS}),
    Case(alert="AcdEngineDead", series=_up(1)),
    Case(alert="AcdEngineDead", series={}, fires={"job": "acd", **_ALARMS}),
)


SENTENCES: Mapping[str, str] = {
    _NEAR: "Campaign c has abandoned 2.5% of the people who answered in its window, close to its "
    "limit.",
    _OVER: "Campaign c has abandoned 3.1% of the people who answered in its window, more than its "
    "limit allows.",
    "AcdPeopleWaiting": "One in twenty people who answer a call of campaign c waits longer than "
    "2.95s for an agent.",
    "AcdNobodyTakesPeople": "People who answer a call of c are not given to anybody.",
    "AcdTrunkDown": f"Trunk main of engine {INSTANCE} may not dial; nobody is called through it.",
    "AcdTrunkRefused": "The PBX refuses trunk main (transfer_refused); it will not get better "
    "without a person.",
    "AcdFeedLost": f"Engine {INSTANCE} hears nothing of its agents through ami; they count as not "
    "ready, and nobody is called for them.",
    "AcdCampaignStarved": "Campaign c has started no call for five minutes although it could use "
    "some; now for: no_lead.",
    _STALE: "1 do-not-call lists that campaign c requires are missing or too old.",
    "AcdLineLeak": f"Engine {INSTANCE} holds lines of trunk main whose calls are over.",
    "AcdStoreDown": f"Engine {INSTANCE} does not reach its database; nobody is dialed, results "
    "wait in memory.",
    "AcdStoreSlow": f"The database of engine {INSTANCE} is slow; calls start late and results "
    "queue up.",
    "AcdSchedulerLag": f"Engine {INSTANCE} is woken 199ms late; answered people wait that much "
    "longer.",
    "AcdEngineDead": f"The engine {INSTANCE} does not answer Prometheus: it has ended, or its "
    "machine is away.",
}
"""What whoever is woken reads, of the first case in which each alert fires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a recording rule says after ten minutes."""

    record: str
    series: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    value: float


RECORDED: Sequence[Recorded] = (
    Recorded(
        record="campaign:acd_ledger_abandon:ratio",
        series=ledger(200, 5),
        labels={"campaign": "c"},
        value=0.025,
    ),
    Recorded(
        record="campaign:acd_originates:rate1m",
        series={_series("acd_originates_total", campaign="c"): "0+120x60"},
        labels={"campaign": "c"},
        value=2,
    ),
    Recorded(
        record="campaign:acd_answer_to_agent_seconds:p95_5m",
        series=slow(_AGENT_WAIT, under="1.0", over="2.0", campaign="c"),
        labels={"campaign": "c"},
        value=1.95,
    ),
    Recorded(
        record="instance_trunk:acd_lines_used:sum",
        series={
            _series("acd_lines", trunk="main", state="idle"): "90x60",
            _series("acd_lines", trunk="main", state="connected"): "6x60",
            _series("acd_lines", trunk="main", state="ringback"): "4x60",
        },
        labels={"instance": INSTANCE, "trunk": "main"},
        value=10,
    ),
    Recorded(
        record="instance_trunk:acd_lines:sum",
        series={
            _series("acd_lines", trunk="main", state="idle"): "90x60",
            _series("acd_lines", trunk="main", state="connected"): "10x60",
        },
        labels={"instance": INSTANCE, "trunk": "main"},
        value=100,
    ),
    Recorded(
        record="instance:acd_store_seconds:p95_5m",
        series=slow(_STORE, under="0.1", over="0.2", access="read"),
        labels={"instance": INSTANCE},
        value=0.195,
    ),
    Recorded(
        record="instance:acd_scheduler_lag_seconds:p99_5m",
        series=slow(_LAG, under="0.1", over="0.2"),
        labels={"instance": INSTANCE},
        value=0.199,
    ),
)


def promtool_file(rules: Sequence[str], waits: Mapping[str, int]) -> dict[str, Any]:
    """All of it as promtool reads it; JSON is YAML too.

    Args:
        rules: files.
        waits: the `for` of each alert, in seconds.
    """
    return {
        "rule_files": list(rules),
        "evaluation_interval": f"{EVALUATION_SECONDS}s",
        # Or an alert about a record sees the one of 15 s ago, now and then.
        "group_eval_order": ["acd-records", "acd-alerts"],
        "tests": [
            *(_alert_test(case, waits[case.alert]) for case in CASES),
            *(_record_test(one) for one in RECORDED),
            _two_nodes_test(),
        ],
    }


def _input(series: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in series.items()]


def _alert_test(case: Case, wait_seconds: int) -> dict[str, Any]:
    """By the ALERTS series: pending until its `for` is over, firing from then on."""
    asked = f'ALERTS{{alertname="{case.alert}"}}'
    if case.fires is None:
        firing = asked.replace("}", ',alertstate="firing"}')
        return _expression_test(case.name, case.series, [(firing, "10m", [])])
    fires_at = case.since_seconds + wait_seconds
    moments = {"pending": fires_at - EVALUATION_SECONDS, "firing": fires_at}
    expected = []
    for state, at in moments.items():
        labels = {"alertname": case.alert, "alertstate": state, **case.fires}
        expected.append((asked, f"{at}s", [_sample("ALERTS", labels, 1)]))
    test = _expression_test(case.name, case.series, expected)
    first = next(one for one in CASES if one.alert == case.alert and one.fires is not None)
    return test | _sentence_test(case, f"{fires_at}s") if case is first else test


def _sentence_test(case: Case, at: str) -> dict[str, Any]:
    annotations = {
        "summary": SENTENCES[case.alert],
        "runbook": f"dashboards/runbook.md#{case.alert.lower()}",
        "runbook_url": "/d/acd-runbook",
    }
    alert = {"exp_labels": dict(case.fires or {}), "exp_annotations": annotations}
    return {"alert_rule_test": [{"alertname": case.alert, "eval_time": at, "exp_alerts": [alert]}]}


def _two_nodes_test() -> dict[str, Any]:
    """Two engines on one database have the same agents: a board counts each once."""
    series = {
        f'acd_agents{{instance="{node}",job="acd",state="{state}"}}': f"{count}x60"
        for node in ("a:9464", "b:9464")
        for state, count in (("on_call", 6), ("ready", 2), ("logged_off", 9))
    }
    busy_share = f"sum({BUSY}) / sum({STAFFED})".replace("$node", ".*")
    ready = agents_by_state('state="ready"').replace("$node", ".*")
    expected = [
        (busy_share, "10m", [_sample("", {}, 0.75)]),
        (ready, "10m", [_sample("", {"state": "ready"}, 2)]),
    ]
    return _expression_test("agents of two engines", series, expected)


def _record_test(one: Recorded) -> dict[str, Any]:
    """Rounded: promtool of Prometheus 2.42 compares to the last bit."""
    expected = [_sample("", one.labels, one.value)]
    expr = f"round({one.record}, 0.001)"
    return _expression_test(one.record, one.series, [(expr, "10m", expected)])


def _sample(name: str, labels: Mapping[str, str], value: float) -> dict[str, Any]:
    written = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return {"labels": f"{name}{{{written}}}", "value": value}


def _expression_test(
    name: str, series: Mapping[str, str], asked: Sequence[tuple[str, str, list[dict[str, Any]]]]
) -> dict[str, Any]:
    """Expressions, when they are asked, and what they give then."""
    return {
        "name": name,
        "interval": "1m",
        "input_series": _input(series),
        "promql_expr_test": [
            {"expr": expr, "eval_time": at, "exp_samples": expected} for expr, at, expected in asked
        ],
    }
