"""What `promtool test rules` is told: series as an engine shows them, and which alerts follow.

Prometheus' own notation: `0x20` is 0 and then 20 times the same, `0+5x20` rises by 5 each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    minute: int = 10

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
        fires={"campaign": "tapi:overdialer", **_ALARMS},
    ),
    Case(alert="AcdNobodyTakesPeople", series=_answers_of_a_client(abandoned=0)),
    Case(
        alert="AcdTrunkDown",
        series=_trunk("1x2 0x57"),
        fires={"trunk": "main", **_ENGINE, **_ALARMS},
    ),
    Case(alert="AcdTrunkDown", series=_trunk("1x60")),
    Case(alert="AcdTrunkDown", series=_trunk("1x9 0x50"), minute=10),
    Case(
        alert="AcdTrunkRefused",
        series={_series("acd_trunk_status", trunk="main", status="transfer_refused"): "1x60"},
        fires={"trunk": "main", "status": "transfer_refused", **_ENGINE, **_ALARMS},
    ),
    Case(
        alert="AcdTrunkRefused",
        series={_series("acd_trunk_status", trunk="main", status="backing_off"): "1x60"},
    ),
    Case(
        alert="AcdFeedLost",
        series={_series("acd_feed_up", feed="ami"): "1x5 0x54"},
        fires={"feed": "ami", **_ENGINE, **_ALARMS},
    ),
    Case(alert="AcdFeedLost", series={_series("acd_feed_up", feed="ami"): "1x60"}),
    Case(
        alert="AcdCampaignStarved",
        series=_hold("no_lead"),
        fires={"campaign": "c", **_WARNS},
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
    Case(alert="AcdCampaignStarved", series=_hold("no_lead"), minute=4),
    Case(alert=_STALE, series=_stale(1), fires={"campaign": "c", **_ALARMS}),
    Case(alert=_STALE, series=_stale(0)),
    Case(
        alert="AcdLineLeak",
        series={_series("acd_oldest_ended_call_seconds", trunk="main"): "0x5 41+60x54"},
        fires={"trunk": "main", "instance": INSTANCE, **_WARNS},
    ),
    Case(
        alert="AcdLineLeak",
        series={_series("acd_expired_leases_total", trunk="main"): "0x5 1x54"},
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
        fires={"instance": INSTANCE, **_WARNS},
    ),
    Case(alert="AcdSchedulerLag", series=slow(_LAG, under="0.02", over="0.05")),
    Case(alert="AcdEngineDead", series=_up(0), fires={**_ENGINE, **_ALARMS}),
    Case(alert="AcdEngineDead", series=_up(1)),
    Case(alert="AcdEngineDead", series={}, fires={"job": "acd", **_ALARMS}),
)


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
        record="trunk:acd_lines_used:sum",
        series={
            _series("acd_lines", trunk="main", state="idle"): "90x60",
            _series("acd_lines", trunk="main", state="connected"): "6x60",
            _series("acd_lines", trunk="main", state="ringback"): "4x60",
        },
        labels={"trunk": "main"},
        value=10,
    ),
    Recorded(
        record="trunk:acd_lines:sum",
        series={
            _series("acd_lines", trunk="main", state="idle"): "90x60",
            _series("acd_lines", trunk="main", state="connected"): "10x60",
        },
        labels={"trunk": "main"},
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


def promtool_file(rules: Sequence[str]) -> dict[str, Any]:
    """All of it as promtool reads it; JSON is YAML too."""
    return {
        "rule_files": list(rules),
        "evaluation_interval": "15s",
        "tests": [_alert_test(case) for case in CASES] + [_record_test(one) for one in RECORDED],
    }


def _input(series: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in series.items()]


def _alert_test(case: Case) -> dict[str, Any]:
    """By the ALERTS series: what is asked is that it fires, whatever its sentence says."""
    firing = f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}'
    fires = case.fires or {}
    labels = {"alertname": case.alert, "alertstate": "firing", **fires}
    expected = [] if case.fires is None else [_sample("ALERTS", labels, 1)]
    return _expression_test(case.name, case.series, firing, f"{case.minute}m", expected)


def _record_test(one: Recorded) -> dict[str, Any]:
    """Rounded: promtool of Prometheus 2.42 compares to the last bit."""
    expected = [_sample("", one.labels, one.value)]
    expr = f"round({one.record}, 0.001)"
    return _expression_test(one.record, one.series, expr, "10m", expected)


def _sample(name: str, labels: Mapping[str, str], value: float) -> dict[str, Any]:
    written = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return {"labels": f"{name}{{{written}}}", "value": value}


def _expression_test(
    name: str, series: Mapping[str, str], expr: str, at: str, expected: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": _input(series),
        "promql_expr_test": [{"expr": expr, "eval_time": at, "exp_samples": expected}],
    }
