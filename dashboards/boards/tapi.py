"""What TAPI clients have open, what they ask, and how long the people wait whom they dial."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.boards.queries import TAPI_CALLS, a_second, quantile, quantiles
from dashboards.panels import ALARMS, FINE, NODE, Level, board, graph, number, warn_above


def tapi() -> builders.Dashboard:
    """Are the clients there, what do they ask, and does anybody wait for them?"""
    return (
        board("acd-tapi", "acd: TAPI", "Applications on TAPI lines: requests, calls, waits.")
        .with_panel(
            number(
                "Clients connected",
                "Sessions with a connection. None: the application or its machine is down.",
                f'sum(acd_tapi_sessions{{{NODE},link="connected"}})',
                unit="short",
                base=ALARMS,
                levels=(Level(value=1, color=FINE),),
            )
        )
        .with_panel(
            number(
                "Clients lost",
                "Sessions whose connection broke; after grace_seconds their calls are ended.",
                f'sum(acd_tapi_sessions{{{NODE},link="lost"}})',
                unit="short",
                levels=warn_above(1, 2),
            )
        )
        .with_panel(
            number(
                "Lines open",
                "Line devices that applications have open, with and without a call.",
                f"sum(acd_tapi_open_lines{{{NODE}}})",
                unit="short",
            )
        )
        .with_panel(
            number(
                "Lines in use",
                "Lines leased for calls of TAPI clients.",
                f'sum(acd_leased_lines{{{NODE},holder=~"tapi:.*"}})',
                unit="short",
            )
        )
        .with_panel(
            number(
                "People waiting",
                "Who have answered and whom nobody has yet: the application's lineBlindTransfer "
                "has not come, or the agent has not answered.",
                f"sum(acd_waiting_persons{{{TAPI_CALLS}}})",
                unit="short",
                levels=warn_above(1, 5),
            )
        )
        .with_panel(
            number(
                "Abandoned",
                "People whom no application took in time, in the chosen time.",
                f"sum(increase(acd_abandoned_total{{{TAPI_CALLS}}}[$__range]))",
                unit="short",
                levels=warn_above(1, 10),
            )
        )
        .with_panel(
            graph(
                "Calls by state",
                "As the application was told last (LINECALLSTATE); placing: waits for its turn "
                "or a line; idle: over, and the application still holds the handle.",
                {"{{state}}": f"sum by (state) (acd_tapi_calls{{{NODE}}})"},
                unit="short",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Sessions and lines by client",
                "Sessions with and without a connection, and line devices that are open.",
                {
                    "{{client}}, {{link}}": f"sum by (client, link) (acd_tapi_sessions{{{NODE}}})",
                    "{{client}}, lines": f"sum by (client) (acd_tapi_open_lines{{{NODE}}})",
                },
                unit="short",
            )
        )
        .with_panel(
            graph(
                "Requests a second",
                "What applications ask.",
                {"{{request}}": a_second("acd_tapi_requests", "request", NODE)},
                unit="reqps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Refused requests a second",
                "By LINEERR. RESOURCEUNAVAIL: trunk or database is down, or no line is free; "
                "ADDRESSBLOCKED: a rule forbids the number.",
                {"{{error}}": a_second("acd_tapi_errors", "error", NODE)},
                unit="reqps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "From the request to LINE_REPLY",
                "95 of 100, by request. call.make: the wait for a turn and a line; "
                "call.transfer: until the agent has answered.",
                {"{{request}}": quantile(0.95, "acd_tapi_reply_seconds", NODE, "request")},
                unit="s",
            )
        )
        .with_panel(
            graph(
                "Transfers a second",
                "lineBlindTransfer by what became of it.",
                {"{{result}}": a_second("acd_transfers", "result", TAPI_CALLS)},
                unit="cps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "From the answer to lineBlindTransfer",
                "How long people wait for the application; the law counts a wait of more than "
                "two seconds until the agent.",
                quantiles("acd_answer_to_refer_seconds", TAPI_CALLS),
                unit="s",
                levels=warn_above(0.5, 1.5),
            )
        )
        .with_panel(
            graph(
                "From the answer to the agent",
                "The person's whole wait.",
                quantiles("acd_answer_to_agent_seconds", TAPI_CALLS),
                unit="s",
                levels=warn_above(1.5, 2),
            )
        )
    )
