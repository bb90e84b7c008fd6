"""The few kinds of panel that the boards are made of, and what every board has.

Every panel has a title, a sentence on what it shows and what to do about it, a unit, and
thresholds where there is a value at which somebody should look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, text, timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import text as text_models

SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="acd-prometheus")
RUNBOOK = "acd-runbook"
"""Uid of the board that shows runbook.md."""
CAMPAIGN = 'campaign=~"$campaign",instance=~"$node"'
NODE = 'instance=~"$node"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """From this value on the panel has this colour."""

    value: float
    color: str


WARNS, ALARMS, FINE = "orange", "red", "green"


def warn_above(warning: float, alarm: float) -> tuple[Level, ...]:
    """Green, orange from `warning` on, red from `alarm` on."""
    return (Level(value=warning, color=WARNS), Level(value=alarm, color=ALARMS))


def _thresholds(levels: Sequence[Level], base: str) -> builders.ThresholdsConfig:
    steps = [dashboard.Threshold(value=None, color=base)]
    steps += [dashboard.Threshold(value=level.value, color=level.color) for level in levels]
    return builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def _query(expr: str, legend: str, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref).exemplar(True)


def number(
    title: str,
    says: str,
    expr: str,
    *,
    unit: str,
    levels: Sequence[Level] = (),
    base: str = FINE,
    width: int = 4,
) -> stat.Panel:
    """One figure as it stands now, coloured by its thresholds."""
    return (
        stat.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .with_target(_query(expr, title, "A").instant())
        .unit(unit)
        .thresholds(_thresholds(levels, base))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .height(4)
        .span(width)
    )


_LEGEND = (
    common_builders.VizLegendOptions()
    .display_mode(common.LegendDisplayMode.LIST)
    .placement(common.LegendPlacement.BOTTOM)
    .show_legend(True)
    .calcs([])
)
_TOOLTIP = (
    common_builders.VizTooltipOptions()
    .mode(common.TooltipDisplayMode.MULTI)
    .sort(common.SortOrder.DESCENDING)
)


def graph(
    title: str,
    says: str,
    queries: Mapping[str, str],
    *,
    unit: str,
    levels: Sequence[Level] = (),
    stacked: bool = False,
    width: int = 12,
) -> timeseries.Panel:
    """Lines over time; `queries` are legend → expression."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(_thresholds(levels, FINE))
        .min(0)
        .height(8)
        .span(width)
        .fill_opacity(25 if stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .legend(_LEGEND)
        .tooltip(_TOOLTIP)
    )
    if levels:
        style = common_builders.GraphThresholdsStyleConfig()
        panel = panel.thresholds_style(style.mode(common.GraphTresholdsStyleMode.DASHED))
    if stacked:
        stacking = common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
        panel = panel.stacking(stacking)
    for ref, (legend, expr) in zip("ABCDEFGH", queries.items(), strict=False):
        panel = panel.with_target(_query(expr, legend, ref))
    return panel


def words(title: str, markdown: str) -> text.Panel:
    """Prose over the whole width."""
    return (
        text.Panel()
        .title(title)
        .description("dashboards/runbook.md of this version.")
        .mode(text_models.TextMode.MARKDOWN)
        .content(markdown)
        .height(30)
        .span(24)
    )


def _variable(name: str, label: str, query: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(dashboard.VariableOption(selected=True, text="All", value="$__all"))
    )


def board(uid: str, title: str, says: str) -> builders.Dashboard:
    """An empty board with what all of them have: variables, links, refresh."""
    links = (
        builders.DashboardLink("acd boards")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags(["acd"])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
        .tooltip("The other boards, with the same campaign, node and time.")
    )
    runbook = (
        builders.DashboardLink("Runbook")
        .type(dashboard.DashboardLinkType.LINK)
        .keep_time(True)
        .url(f"/d/{RUNBOOK}")
        .target_blank(True)
        .tooltip("What each alert asks for: dashboards/runbook.md.")
    )
    return (
        builders.Dashboard(title)
        .uid(uid)
        .description(says)
        .tags(["acd"])
        .time("now-3h", "now")
        .refresh("10s")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            _variable("campaign", "Campaign", "label_values(acd_originates_total, campaign)")
        )
        .with_variable(_variable("node", "Node", "label_values(acd_build_info, instance)"))
        .link(links)
        .link(runbook)
        .editable()
    )
