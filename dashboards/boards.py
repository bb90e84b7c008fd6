"""The boards: for the supervisor, a campaign, its agents, the trunk, the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.panels import (
    ALARMS,
    CAMPAIGN,
    FINE,
    NODE,
    RUNBOOK,
    WARNS,
    Level,
    board,
    graph,
    number,
    warn_above,
    words,
)

HOUR = 3600.0
_BUSY = f'acd_agents{{{NODE},state=~"on_call|wrap_up"}}'
_STAFFED = f'acd_agents{{{NODE},state!="logged_off"}}'


def _by(label: str, metric: str, *, seconds: bool = False) -> str:
    """Events per second by one label, of the chosen campaigns and nodes."""
    suffix = "" if seconds else "_total"
    return f"sum by ({label}) (rate({metric}{suffix}{{{CAMPAIGN}}}[$__rate_interval]))"


def _quantile(share: float, histogram: str, chosen: str, by: str = "") -> str:
    labels = f"le,{by}" if by else "le"
    rate = f"rate({histogram}_bucket{{{chosen}}}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({labels}) ({rate}))"


def _quantiles(histogram: str, chosen: str) -> dict[str, str]:
    return {
        "half": _quantile(0.5, histogram, chosen),
        "95 of 100": _quantile(0.95, histogram, chosen),
        "99 of 100": _quantile(0.99, histogram, chosen),
    }


def overview() -> builders.Dashboard:
    """Are agents busy, are people abandoned, how long will the list last?"""
    return (
        board("acd-overview", "acd: overview", "For the supervisor: agents, people, leads.")
        .with_panel(
            number(
                "Agents busy",
                "Agents talking or in wrap-up, of those who are logged on. Low: look at why no "
                "calls are started on the campaign's board.",
                f"sum({_BUSY}) / sum({_STAFFED})",
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
                {"{{state}}": f"sum by (state) (acd_agents{{{NODE}}})"},
                unit="short",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Live answers and abandoned people a second",
                "People who answered, and those of them whom no agent took in time.",
                {
                    "answered, {{campaign}}": _by("campaign", "acd_live_answers"),
                    "abandoned, {{campaign}}": _by("campaign", "acd_abandoned"),
                },
                unit="cps",
            )
        )
        .with_panel(
            graph(
                "Abandon rate",
                "In each campaign's abandon_window: what the law counts.",
                {"{{campaign}}": 'campaign:acd_ledger_abandon:ratio{campaign=~"$campaign"}'},
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
                "People who answered in the chosen time.",
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
                {"{{disposition}}": _by("disposition", "acd_dispositions")},
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
                    "decisions": _by("campaign", "acd_pacing_decisions"),
                    "calls": _by("campaign", "acd_pacing_calls"),
                },
                unit="cps",
            )
        )
        .with_panel(
            graph(
                "Disconnect causes a second",
                "Why legs ended, by the technical cause.",
                {"{{cause}}": _by("cause", "acd_calls_ended")},
                unit="cps",
                stacked=True,
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


def agents() -> builders.Dashboard:
    """What agents do, and how fast people reach them."""
    return (
        board("acd-agents", "acd: agents", "Agents, transfers to them, and people's waits.")
        .with_panel(
            number(
                "Ready",
                "Agents who could take a person now.",
                f'sum(acd_agents{{{NODE},state="ready"}})',
                unit="short",
            )
        )
        .with_panel(
            number(
                "With a person",
                "Agents who talk.",
                f'sum(acd_agents{{{NODE},state="on_call"}})',
                unit="short",
            )
        )
        .with_panel(
            number(
                "In wrap-up",
                "Agents who finish their notes on the last call.",
                f'sum(acd_agents{{{NODE},state="wrap_up"}})',
                unit="short",
            )
        )
        .with_panel(
            number(
                "Busy share",
                "Talking or in wrap-up, of those who are logged on.",
                f"sum({_BUSY}) / sum({_STAFFED})",
                unit="percentunit",
                base=WARNS,
                levels=(Level(value=0.6, color=FINE),),
            )
        )
        .with_panel(
            number(
                "Transfers that failed",
                "In the chosen time: refused, failed or timed out. An agent's phone may be off.",
                'sum(increase(acd_transfers_total{result=~"refused|failed|timed_out",'
                f"{CAMPAIGN}}}[$__range]))",
                unit="short",
                levels=warn_above(1, 10),
            )
        )
        .with_panel(
            number(
                "Second agents tried",
                "People referred to another agent after a transfer failed, in the chosen time.",
                f"sum(increase(acd_transfer_retries_total{{{CAMPAIGN}}}[$__range]))",
                unit="short",
                levels=warn_above(1, 10),
            )
        )
        .with_panel(
            graph(
                "Agents by state",
                "How many agents are in each state.",
                {"{{state}}": f"sum by (state) (acd_agents{{{NODE}}})"},
                unit="short",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Transfers a second",
                "Blind transfers by result; answered is the one that is wanted.",
                {"{{result}}": _by("result", "acd_transfers")},
                unit="cps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "From the answer to the agent",
                "How long people wait; the law counts a wait of more than two seconds.",
                _quantiles("acd_answer_to_agent_seconds", CAMPAIGN),
                unit="s",
                levels=warn_above(1.5, 2),
            )
        )
        .with_panel(
            graph(
                "From the answer to our REFER",
                "The part of the wait that is this program's own.",
                _quantiles("acd_answer_to_refer_seconds", CAMPAIGN),
                unit="s",
                levels=warn_above(0.1, 0.5),
            )
        )
    )


def trunk() -> builders.Dashboard:
    """May the trunks dial, and what does the PBX answer?"""
    return (
        board("acd-trunk", "acd: trunk and SIP health", "Trunks, lines, and the PBX's answers.")
        .with_panel(
            number(
                "Trunks up",
                "Trunks that may dial.",
                f"sum(acd_trunk_up{{{NODE}}})",
                unit="short",
                width=6,
                base=ALARMS,
                levels=(Level(value=1, color=FINE),),
            )
        )
        .with_panel(
            number(
                "Lines in use",
                "Of all that the trunks carry.",
                "sum(trunk:acd_lines_used:sum) / sum(trunk:acd_lines:sum)",
                unit="percentunit",
                width=6,
                levels=warn_above(0.9, 1),
            )
        )
        .with_panel(
            number(
                "Leases past their deadline",
                "Lines that had to be taken back, in the chosen time. Any is a fault of ours: "
                "see the runbook, line leak.",
                f"sum(increase(acd_expired_leases_total{{{NODE}}}[$__range]))",
                unit="short",
                width=6,
                levels=warn_above(1, 2),
            )
        )
        .with_panel(
            number(
                "Challenges",
                "INVITEs that were answered 401 or 407, in the chosen time; each costs a round "
                "trip of set-up time.",
                f"sum(increase(acd_trunk_challenges_total{{{NODE}}}[$__range]))",
                unit="short",
                width=6,
            )
        )
        .with_panel(
            graph(
                "Lines by call state",
                "All lines but the idle ones.",
                {"{{state}}": f'sum by (state) (acd_lines{{{NODE},state!="idle"}})'},
                unit="short",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Lines by leaseholder",
                "Who has the lines: campaigns and TAPI clients.",
                {"{{holder}}": f"sum by (holder) (acd_leased_lines{{{NODE}}})"},
                unit="short",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Trunk status",
                "The status of each trunk at each moment.",
                {"{{trunk}}, {{status}}": f"max by (trunk, status) (acd_trunk_status{{{NODE}}})"},
                unit="bool",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Changes of status",
                "How often a trunk came into a status within ten minutes; much backing_off: "
                "lower calls_per_second.",
                {
                    "{{trunk}}, {{status}}": "sum by (trunk, status) "
                    f"(increase(acd_trunk_changes_total{{{NODE}}}[10m]))"
                },
                unit="short",
            )
        )
        .with_panel(
            graph(
                "Final responses a second",
                "To our INVITEs, by class; none: silence, or we hung up first.",
                {"{{class}}": _by("class", "acd_responses")},
                unit="cps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "From INVITE to the answer",
                "How long phones ring before they are answered.",
                _quantiles("acd_ring_seconds", CAMPAIGN),
                unit="s",
            )
        )
    )


def engine() -> builders.Dashboard:
    """Is the program itself well: database, scheduler, process?"""
    return (
        board("acd-engine", "acd: engine", "Database, scheduler and process of each node.")
        .with_panel(
            number(
                "Engines",
                "That answer Prometheus.",
                f'sum(up{{job="acd",{NODE}}})',
                unit="short",
                width=6,
                base=ALARMS,
                levels=(Level(value=1, color=FINE),),
            )
        )
        .with_panel(
            number(
                "Version",
                "Engines by version.",
                f"count by (version) (acd_build_info{{{NODE}}})",
                unit="short",
                width=6,
            )
        )
        .with_panel(
            number(
                "Databases up",
                "Engines that reach their database.",
                f"sum(acd_store_up{{{NODE}}})",
                unit="short",
                width=6,
                base=ALARMS,
                levels=(Level(value=1, color=FINE),),
            )
        )
        .with_panel(
            number(
                "Outcomes queued",
                "Results of calls that are not in the database yet.",
                f"sum(acd_store_queue{{{NODE}}})",
                unit="short",
                width=6,
                levels=warn_above(100, 500),
            )
        )
        .with_panel(
            graph(
                "Database latency",
                "One transaction with the wait for its turn, 95 of 100, by kind.",
                {"{{access}}": _quantile(0.95, "acd_store_seconds", NODE, "access")},
                unit="s",
                levels=warn_above(0.1, 0.5),
            )
        )
        .with_panel(
            graph(
                "Transactions and failures a second",
                "How much the database is asked, and how often it was not there.",
                {
                    "{{access}}": "sum by (access) "
                    f"(rate(acd_store_seconds_count{{{NODE}}}[$__rate_interval]))",
                    "failed, {{access}}": "sum by (access) "
                    f"(rate(acd_store_failures_total{{{NODE}}}[$__rate_interval]))",
                },
                unit="ops",
            )
        )
        .with_panel(
            graph(
                "Under way in the database",
                "Transactions that are not over, and outcomes not written yet.",
                {
                    "transactions": f"sum(acd_store_statements{{{NODE}}})",
                    "outcomes queued": f"sum(acd_store_queue{{{NODE}}})",
                },
                unit="short",
            )
        )
        .with_panel(
            graph(
                "Scheduler lag",
                "How late a sleeping task is woken: this program's own slowness.",
                _quantiles("acd_scheduler_lag_seconds", NODE),
                unit="s",
                levels=warn_above(0.05, 0.1),
            )
        )
    )


def runbook() -> builders.Dashboard:
    """What each alert asks for, where the alert is read."""
    markdown = (Path(__file__).parent / "runbook.md").read_text(encoding="utf-8")
    title = "acd: runbook"
    return board(RUNBOOK, title, "What each alert asks for.").with_panel(words(title, markdown))


BOARDS: Mapping[str, Callable[[], builders.Dashboard]] = MappingProxyType(
    {
        "acd-overview": overview,
        "acd-campaign": campaign,
        "acd-agents": agents,
        "acd-trunk": trunk,
        "acd-engine": engine,
        RUNBOOK: runbook,
    }
)
"""uid → board."""
