"""What agents do, who tells of them, and how fast people reach them."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.boards.queries import BUSY, STAFFED, a_second, agents_by_state, quantiles
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


def agents() -> builders.Dashboard:
    """What agents do, and how fast people reach them."""
    return (
        board("acd-agents", "acd: agents", "Agents, transfers to them, and people's waits.")
        .with_panel(
            number(
                "Ready",
                "Agents who could take a person now.",
                agents_by_state('state="ready"'),
                unit="short",
                width=6,
            )
        )
        .with_panel(
            number(
                "With a person",
                "Agents who talk.",
                agents_by_state('state="on_call"'),
                unit="short",
                width=6,
            )
        )
        .with_panel(
            number(
                "In wrap-up",
                "Agents who finish their notes on the last call.",
                agents_by_state('state="wrap_up"'),
                unit="short",
                width=6,
            )
        )
        .with_panel(
            number(
                "Busy share",
                "Talking or in wrap-up, of those who are logged on.",
                f"sum({BUSY}) / sum({STAFFED})",
                unit="percentunit",
                base=WARNS,
                levels=(Level(value=0.6, color=FINE),),
                width=6,
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
                width=6,
            )
        )
        .with_panel(
            number(
                "Second agents tried",
                "People referred to another agent after a transfer failed, in the chosen time.",
                f"sum(increase(acd_transfer_retries_total{{{CAMPAIGN}}}[$__range]))",
                unit="short",
                levels=warn_above(1, 10),
                width=6,
            )
        )
        .with_panel(
            number(
                "Set not ready",
                "Agents whose phone was not picked up several times in a row, in the chosen time.",
                f"sum(increase(acd_agents_benched_total{{{CAMPAIGN}}}[$__range]))",
                unit="short",
                levels=warn_above(1, 10),
                width=6,
            )
        )
        .with_panel(
            number(
                "Feeds lost",
                "Sources of agents' states that tell nothing; their agents count as not ready.",
                f"count(acd_feed_up{{{NODE}}} == 0) or vector(0)",
                unit="short",
                levels=(Level(value=1, color=ALARMS),),
                width=6,
            )
        )
        .with_panel(
            graph(
                "Agents by state",
                "How many agents are in each state.",
                {"{{state}}": agents_by_state()},
                unit="short",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Transfers a second",
                "Blind transfers by result; answered is the one that is wanted.",
                {"{{result}}": a_second("acd_transfers", "result")},
                unit="cps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "To the overflow a second",
                "People whom no agent took in time, referred to the overflow, by result.",
                {"{{result}}": a_second("acd_overflows", "result")},
                unit="cps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "From the answer to the agent",
                "How long people wait; the law counts a wait of more than two seconds.",
                quantiles("acd_answer_to_agent_seconds", CAMPAIGN),
                unit="s",
                levels=warn_above(1.5, 2),
            )
        )
        .with_panel(
            graph(
                "From the answer to our REFER",
                "The part of the wait that is this program's own.",
                quantiles("acd_answer_to_refer_seconds", CAMPAIGN),
                unit="s",
                levels=warn_above(0.1, 0.5),
            )
        )
        .with_panel(
            graph(
                "From the answer to the ringing of the agent's phone",
                "What lies between our REFER and the phone is the PBX's part. Empty where no "
                "feed sees phones.",
                quantiles("acd_answer_to_ring_seconds", CAMPAIGN),
                unit="s",
                levels=warn_above(0.5, 1),
            )
        )
        .with_panel(
            graph(
                "Agent feeds",
                "1 while a feed tells what its agents do. At 0 they count as not ready: see the "
                "runbook, AcdFeedLost.",
                {"{{feed}}, {{instance}}": f"min by (feed, instance) (acd_feed_up{{{NODE}}})"},
                unit="bool",
            )
        )
    )
