from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from acd.calls import CallState
from acd.metrics import Metrics
from dashboards.boards import BOARDS
from dashboards.panels import RUNBOOK, SOURCE
from dashboards.render import BOARDS_FOLDER, FOLDER, rendered

METRIC = re.compile(r"\b(?:[a-z_]+:)?(?:acd|process)_[a-z0-9_]+(?::[a-z0-9_]+)?")
ALERTS = re.findall(r"- alert: (\w+)", (FOLDER / "prometheus" / "alerts.yml").read_text())
RECORDS = set(re.findall(r"- record: (\S+)", (FOLDER / "prometheus" / "rules.yml").read_text()))


class Lines:
    size = free = expired_leases = 0

    def states(self) -> dict[CallState, int]:
        return {}

    def holders(self) -> dict[str, int]:
        return {}

    def oldest_ended_seconds(self) -> float:
        return 0.0


def full_metrics() -> Metrics:
    """With a campaign, a trunk, a feed and a TAPI client."""
    metrics = Metrics()
    metrics.know_campaign("spring")
    metrics.feed_up.labels("ami").set(1)
    metrics.know_trunk("main", Lines())
    metrics.know_tapi(
        {"office": "tapi:office"},
        dict,
        requests=["line.open"],
        errors=["LINEERR_INUSE"],
        states=["idle"],
    )
    return metrics


def known_names() -> set[str]:
    """Every series name that an engine shows, and every recorded one."""
    return RECORDS | {
        sample.name for family in full_metrics().registry.collect() for sample in family.samples
    }


def unknown_in(expr: str) -> set[str]:
    return set(METRIC.findall(expr)) - known_names()


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, text in rendered().items():
        for panel in json.loads(text)["panels"]:
            yield name, panel


def expressions() -> list[str]:
    return [target["expr"] for _, panel in panels() for target in panel.get("targets", ())]


def variable_queries() -> set[str]:
    """What the boards' variables are filled from."""
    return {
        variable["query"]
        for text in rendered().values()
        for variable in json.loads(text)["templating"]["list"]
    }


def test_the_committed_boards_are_what_the_functions_say() -> None:
    committed = {path.name: path.read_text() for path in BOARDS_FOLDER.iterdir()}
    assert committed == rendered(), "run python -m dashboards"


def test_no_board_names_a_metric_that_no_engine_shows() -> None:
    assert len(expressions()) > 50
    asked = {*expressions(), *variable_queries()}
    assert len(variable_queries()) == 2
    assert {expr: unknown for expr in asked if (unknown := unknown_in(expr))} == {}


def test_every_query_keeps_to_the_chosen_campaigns_or_nodes() -> None:
    """Every series has a node, those of calls and leads a campaign; a record has what it is by."""
    selector = re.compile(rf"({METRIC.pattern})\b(\{{[^}}]*\}})?")
    everything = {
        (expr, name)
        for expr in expressions()
        for name, chosen in selector.findall(expr)
        if "$node" not in chosen and ("$campaign" not in chosen or not has_campaign(name))
    }
    assert everything == set()


def has_campaign(name: str) -> bool:
    labels = {
        sample.name: sample.labels
        for family in full_metrics().registry.collect()
        for sample in family.samples
    }
    return name.startswith("campaign:") or "campaign" in labels.get(name, {})


def test_no_board_adds_up_what_every_engine_says_of_all_agents() -> None:
    agents = [expr for expr in expressions() if "acd_agents{" in expr]
    assert len(agents) > 5
    assert all(
        expr.count("acd_agents{") == expr.count("max by (state) (acd_agents{") for expr in agents
    )


@pytest.mark.parametrize(
    ("expr", "unknown"),
    [
        ("sum(rate(acd_originate_total[1m]))", {"acd_originate_total"}),
        ("campaign:acd_nothing:ratio > 1", {"campaign:acd_nothing:ratio"}),
        ("sum(acd_agents)", set()),
    ],
)
def test_an_unknown_metric_is_noticed(expr: str, unknown: set[str]) -> None:
    assert unknown_in(expr) == unknown


def test_every_rule_and_alert_is_about_known_metrics() -> None:
    for file in ("rules.yml", "alerts.yml"):
        text = (FOLDER / "prometheus" / file).read_text()
        assert unknown_in(re.sub(r"runbook: \S+", "", text)) == set(), file


def test_every_metric_is_on_a_board_or_in_an_alert() -> None:
    alerts = (FOLDER / "prometheus" / "alerts.yml").read_text()
    rules = (FOLDER / "prometheus" / "rules.yml").read_text()
    shown = set(METRIC.findall(" ".join([*expressions(), alerts, rules])))
    unseen = {
        family.name
        for family in full_metrics().registry.collect()
        if shown.isdisjoint({family.name} | {sample.name for sample in family.samples})
    }
    assert unseen == set()


def test_the_panels_go_through_grafanas_own_model_unchanged() -> None:
    """The SDK reads what it has written: a field that Grafana's schema lacks would be lost."""
    plugins.register_default_plugins()
    for name, text in rendered().items():
        board = json.loads(text)
        assert as_grafana_reads(board) == board, name
    board["panels"][0]["options"]["misspelt"] = 1
    assert as_grafana_reads(board) != board, "such a field must not go unnoticed"


def as_grafana_reads(board: dict[str, Any]) -> Any:
    read = dashboard.Dashboard.from_json(board)
    return json.loads(json.dumps(read, cls=JSONEncoder))


def test_every_panel_says_what_it_shows_in_which_unit() -> None:
    for name, panel in panels():
        where = f"{name}: {panel.get('title')}"
        assert panel["title"], where
        assert panel["description"].endswith("."), where
        if panel["type"] != "text":
            assert panel["fieldConfig"]["defaults"]["unit"], where
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"], where


def test_panels_lie_beside_each_other() -> None:
    for name, text in rendered().items():
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(text)["panels"]:
            at = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
            assert not cells & taken, f"{name}: {panel['title']}"
            assert at["x"] + at["w"] <= 24, f"{name}: {panel['title']}"
            taken |= cells


def test_every_board_leads_to_the_others_and_to_the_runbook() -> None:
    for name, text in rendered().items():
        board = json.loads(text)
        assert board["uid"] == name.removesuffix(".json")
        assert board["uid"] in BOARDS
        assert "acd" in board["tags"]
        assert {link["type"] for link in board["links"]} == {"dashboards", "link"}
        assert [link["url"] for link in board["links"] if link["type"] == "link"] == [
            f"/d/{RUNBOOK}"
        ]
        assert {variable["name"] for variable in board["templating"]["list"]} == {
            "campaign",
            "node",
        }


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_section_in_the_runbook(alert: str) -> None:
    runbook = (FOLDER / "runbook.md").read_text()
    section = re.search(rf"(?ms)^## {alert}\n\n(.+?)(?=^## |\Z)", runbook)
    assert section is not None, alert
    assert len(section[1].split()) > 15, f"{alert} says next to nothing"


def test_the_runbook_has_no_section_of_a_past_alert() -> None:
    sections = re.findall(r"(?m)^## (\w+)$", (FOLDER / "runbook.md").read_text())
    assert sections == ALERTS


def test_grafana_finds_the_data_source_and_the_boards_where_its_files_say() -> None:
    provisioning = FOLDER / "grafana" / "provisioning"
    source = (provisioning / "datasources" / "acd.yml").read_text()
    assert re.findall(r"uid: (\S+)", source) == [SOURCE.uid]
    (folder,) = re.findall(r"path: (\S+)", (provisioning / "dashboards" / "acd.yml").read_text())
    assert f"./grafana/boards:{folder}:ro" in (FOLDER / "compose.yml").read_text()


def test_the_runbook_names_panels_that_there_are() -> None:
    runbook = (FOLDER / "runbook.md").read_text()
    titles: dict[str, set[str]] = {}
    for name, panel in panels():
        titles.setdefault(name.removeprefix("acd-").removesuffix(".json"), set()).add(
            panel["title"]
        )
    named = re.findall(r'Board \*(\w+)\*,\s+"([^"]+)"', re.sub(r"(?i)board", "Board", runbook))
    assert len(named) > 5
    for board, title in named:
        assert " ".join(title.split()) in titles[board.lower()], title
