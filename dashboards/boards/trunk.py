"""Trunks, lines and what the PBX answers."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.boards.queries import a_second, quantiles
from dashboards.panels import ALARMS, CAMPAIGN, FINE, NODE, Level, board, graph, number, warn_above


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
                f"sum(instance_trunk:acd_lines_used:sum{{{NODE}}})"
                f" / sum(instance_trunk:acd_lines:sum{{{NODE}}})",
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
                "Oldest line whose call is over",
                "How long it has waited for the end of its dialog; a PBX that answers no BYE keeps "
                "lines for 32 s, longer is a leak.",
                {"{{trunk}}": f"max by (trunk) (acd_oldest_ended_call_seconds{{{NODE}}})"},
                unit="s",
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
                {"{{class}}": a_second("acd_responses", "class")},
                unit="cps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "From INVITE to the first sign of a phone",
                "To 180 or 183: the PBX's and the carrier's part of set-up. Much more than "
                "before: ask the carrier.",
                quantiles("acd_setup_seconds", CAMPAIGN),
                unit="s",
                levels=warn_above(3, 6),
            )
        )
        .with_panel(
            graph(
                "From INVITE to the answer",
                "How long phones ring before they are answered.",
                quantiles("acd_ring_seconds", CAMPAIGN),
                unit="s",
            )
        )
    )
