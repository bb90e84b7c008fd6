"""The program itself: database, scheduler, process."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.boards.queries import quantile, quantiles
from dashboards.panels import ALARMS, FINE, NODE, Level, board, graph, number, warn_above

PROCESS = f'job="acd",{NODE}'
"""Prometheus has such figures of every process that it scrapes."""


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
                {"{{access}}": quantile(0.95, "acd_store_seconds", NODE, "access")},
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
                quantiles("acd_scheduler_lag_seconds", NODE),
                unit="s",
                levels=warn_above(0.05, 0.1),
            )
        )
        .with_panel(
            graph(
                "CPU",
                "Cores that the process uses; near 1 the scheduler is what has no more to give.",
                {"{{instance}}": f"rate(process_cpu_seconds_total{{{PROCESS}}}[$__rate_interval])"},
                unit="short",
                levels=warn_above(0.8, 1.2),
            )
        )
        .with_panel(
            graph(
                "Memory",
                "What the process holds, and what it has asked for.",
                {
                    "resident, {{instance}}": f"process_resident_memory_bytes{{{PROCESS}}}",
                    "virtual, {{instance}}": f"process_virtual_memory_bytes{{{PROCESS}}}",
                },
                unit="bytes",
            )
        )
        .with_panel(
            graph(
                "Open files",
                "Sockets are files too: each call has two. At the limit no call can be started; "
                "LimitNOFILE of the unit raises it.",
                {
                    "open, {{instance}}": f"process_open_fds{{{PROCESS}}}",
                    "limit, {{instance}}": f"process_max_fds{{{PROCESS}}}",
                },
                unit="short",
            )
        )
        .with_panel(
            graph(
                "Runs since",
                "Seconds since each engine's start; a fall is a restart.",
                {"{{instance}}": f"time() - process_start_time_seconds{{{PROCESS}}}"},
                unit="s",
            )
        )
    )
