"""For the supervisor: are agents busy, are people abandoned, how long will the list last?"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.boards.queries import BUSY, HOUR, STAFFED, a_second, agents_by_state
from dashboards.panels import (
    ALARMS,
    CAMPAIGN,
    FINE,
    NODE,
    WARNS,
    Level,
    board,
    graph,
    number,
    warn_above,
)


def overview() -> builders.Dashboard:
    """Are agents busy, are people abandoned, how long will the list last?"""
    return (
        board("acd-overview", "acd: overview", "For the supervisor: agents, people, leads.")
        .with_panel(
            number(
                "Agents busy",
                "Agents talking or in wrap-up, of those who are logged on. Low: look at why no "
                "calls are started on the campaign's board.",
                f"sum({BUSY}) / sum({STAFFED})",
                unit="percentunit",
                base=WARNS,
                levels=(Level(value=0.6, color=FINE),),
            )
        )
        .with_panel(
            number(
                "Abandon rate",
                "People abandoned ÷ people who reached an agent or were abandoned, in the "
                "abandon_window of the campaign that stands worst. The law's limit is 3 %.",
                'max(campaign:acd_ledger_abandon:ratio{campaign=~"$campaign"})',
                unit="percentunit",
                levels=warn_above(0.024, 0.03),
            )
        )
        .with_panel(
            number(
                "People waiting",
                "Answered people whom no agent has at this moment.",
                f"sum(acd_waiting_persons{{{CAMPAIGN}}})",
                unit="short",
                levels=warn_above(1, 5),
            )
        )
        .with_panel(
            number(
                "List lasts",
                "Until no lead is left of the campaign that runs dry first, at the speed at "
                "which leads were closed lately. Short: import more leads.",
                f"min(acd_leads_left_seconds{{{CAMPAIGN}}})",
                unit="s",
                base=ALARMS,
                levels=(Level(value=HOUR, color=WARNS), Level(value=4 * HOUR, color=FINE)),
            )
        )
        .with_panel(
            number(
                "Lines in use",
                "Calls of any state on all trunks.",
                f'sum(acd_lines{{{NODE},state!="idle"}})',
                unit="short",
            )
        )
        .with_panel(
            number(
                "Trunks down",
                "Trunks that may not dial now; the trunk's board says why.",
                f"count(acd_trunk_up{{{NODE}}} == 0) or vector(0)",
                unit="short",
                levels=(Level(value=1, color=ALARMS),),
            )
        )
        .with_panel(
            graph(
                "Agents by state",
                "How many agents are in each state. Much ready: too few calls, or no leads.",
                {"{{state}}": agents_by_state()},
                unit="short",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Live answers and abandoned people a second",
                "People joined or abandoned, and those of them whom no agent took in time.",
                {
                    "live answers, {{campaign}}": a_second("acd_live_answers", "campaign"),
                    "abandoned, {{campaign}}": a_second("acd_abandoned", "campaign"),
                },
                unit="cps",
            )
        )
        .with_panel(
            graph(
                "Abandon rate",
                "In each campaign's abandon_window, as the law counts, and the campaign's limit.",
                {
                    "{{campaign}}": 'campaign:acd_ledger_abandon:ratio{campaign=~"$campaign"}',
                    "limit, {{campaign}}": "max by (campaign) "
                    f"(acd_abandon_limit_ratio{{{CAMPAIGN}}})",
                },
                unit="percentunit",
                levels=warn_above(0.024, 0.03),
            )
        )
        .with_panel(
            graph(
                "Leads that are not closed",
                "Waiting, claimed by an engine, or kept for a person's review.",
                {
                    "{{campaign}}, {{state}}": "max by (campaign, state) "
                    f'(acd_leads{{{CAMPAIGN},state!="closed"}})'
                },
                unit="short",
                stacked=True,
            )
        )
    )
