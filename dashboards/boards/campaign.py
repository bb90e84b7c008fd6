"""One campaign: what becomes of its calls, what pacing sees and does, what becomes of its leads."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.boards.queries import HOUR, a_second
from dashboards.panels import ALARMS, CAMPAIGN, FINE, WARNS, Level, board, graph, number, warn_above


def campaign() -> builders.Dashboard:
    """What becomes of the calls, and what pacing sees and does."""
    return (
        board("acd-campaign", "acd: campaign", "One campaign: its calls, its leads, its pacing.")
        .with_panel(
            number(
                "Calls started",
                "INVITEs sent in the chosen time.",
                f"sum(increase(acd_originates_total{{{CAMPAIGN}}}[$__range]))",
                unit="short",
            )
        )
        .with_panel(
            number(
                "Live answers",
                "People joined or abandoned in the chosen time.",
                f"sum(increase(acd_live_answers_total{{{CAMPAIGN}}}[$__range]))",
                unit="short",
            )
        )
        .with_panel(
            number(
                "Abandoned",
                "People whom no agent took in time, in the chosen time.",
                f"sum(increase(acd_abandoned_total{{{CAMPAIGN}}}[$__range]))",
                unit="short",
                levels=warn_above(1, 10),
            )
        )
        .with_panel(
            number(
                "Ledger headroom",
                "How many more abandoned calls today's limit bears; 0: nobody is dialed beyond "
                "the ready agents.",
                f"min(acd_ledger_headroom{{{CAMPAIGN}}})",
                unit="short",
                base=WARNS,
                levels=(Level(value=1, color=FINE),),
            )
        )
        .with_panel(
            number(
                "Leads at hand",
                "Claimed ahead, so that dialing never waits for SQL.",
                f"sum(acd_hopper_leads{{{CAMPAIGN}}})",
                unit="short",
            )
        )
        .with_panel(
            number(
                "List lasts",
                "Until no lead is left, at the speed at which leads were closed lately.",
                f"min(acd_leads_left_seconds{{{CAMPAIGN}}})",
                unit="s",
                base=ALARMS,
                levels=(Level(value=HOUR, color=WARNS), Level(value=4 * HOUR, color=FINE)),
            )
        )
        .with_panel(
            graph(
                "Why no call is started",
                "The one reason at each moment; none: calls are started.",
                {"{{reason}}": f"max by (reason) (acd_campaign_hold{{{CAMPAIGN}}})"},
                unit="bool",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Dispositions a second",
                "Attempts closed, by result.",
                {"{{disposition}}": a_second("acd_dispositions", "disposition")},
                unit="cps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "What pacing sees",
                "Its inputs: ready agents, calls not yet answered, people without an agent, "
                "free lines.",
                {
                    "ready agents": f"sum(acd_pacing_ready_agents{{{CAMPAIGN}}})",
                    "unanswered calls": f"sum(acd_pacing_unanswered_calls{{{CAMPAIGN}}})",
                    "waiting people": f"sum(acd_pacing_waiting_persons{{{CAMPAIGN}}})",
                    "free lines": f"sum(acd_pacing_free_lines{{{CAMPAIGN}}})",
                    "calls per agent": f"avg(acd_pacing_calls_per_agent{{{CAMPAIGN}}})",
                },
                unit="short",
            )
        )
        .with_panel(
            graph(
                "What pacing does",
                "Decisions, and the calls that they started, a second.",
                {
                    "decisions": a_second("acd_pacing_decisions", "campaign"),
                    "calls": a_second("acd_pacing_calls", "campaign"),
                },
                unit="cps",
            )
        )
        .with_panel(
            graph(
                "Previews a second",
                "Leads shown to agents before they are dialed, by how that ended.",
                {"{{result}}": a_second("acd_previews", "result")},
                unit="cps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Disconnect causes a second",
                "Why legs ended, by the technical cause.",
                {"{{cause}}": a_second("acd_calls_ended", "cause")},
                unit="cps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "What keeps leads back",
                "Waiting leads by the first rule that forbids to dial them now. Much of one rule: "
                "acd leads why LEAD tells of a single lead.",
                {
                    "{{rule}}": "sum by (rule) "
                    f"(max by (campaign, rule) (acd_leads_blocked{{{CAMPAIGN}}}))"
                },
                unit="short",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "The abandon ledger",
                "People joined or abandoned in the abandon_window, and how many more abandoned "
                "ones the limit bears. At 0 nobody is dialed beyond the ready agents.",
                {
                    "people, {{campaign}}": "max by (campaign) "
                    f"(acd_ledger_live_answers{{{CAMPAIGN}}})",
                    "abandoned, {{campaign}}": "max by (campaign) "
                    f"(acd_ledger_abandoned{{{CAMPAIGN}}})",
                    "headroom, {{campaign}}": "max by (campaign) "
                    f"(acd_ledger_headroom{{{CAMPAIGN}}})",
                },
                unit="short",
            )
        )
        .with_panel(
            graph(
                "Do-not-call lists missing or too old",
                "Of those that the campaign requires. Any: nobody may be dialed; acd dnc import.",
                {
                    "{{campaign}}": f"max by (campaign) (acd_stale_dnc_lists{{{CAMPAIGN}}})",
                },
                unit="short",
                levels=warn_above(1, 1),
            )
        )
        .with_panel(
            graph(
                "Leads by state",
                "All leads of the campaign, as SQL says.",
                {
                    "{{state}}": "sum by (state) "
                    f"(max by (campaign, state) (acd_leads{{{CAMPAIGN}}}))"
                },
                unit="short",
                stacked=True,
            )
        )
    )
