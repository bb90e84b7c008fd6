"""What each alert asks for."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.panels import RUNBOOK, board, words


def runbook() -> builders.Dashboard:
    """What each alert asks for, where the alert is read."""
    markdown = (Path(__file__).parents[1] / "runbook.md").read_text(encoding="utf-8")
    title = "acd: runbook"
    return board(RUNBOOK, title, "What each alert asks for.").with_panel(words(title, markdown))
