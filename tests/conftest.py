"""For every test: figures that a test measured (`record_property`) are shown at the end."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    measured = [
        (report.nodeid, report.user_properties)
        for report in terminalreporter.getreports("passed")
        if report.when == "call" and report.user_properties
    ]
    if not measured:
        return
    terminalreporter.section("measured")
    for test, figures in measured:
        terminalreporter.write_line(test)
        for name, value in figures:
            shown = f"{value:.4f}" if isinstance(value, float) else str(value)
            terminalreporter.write_line(f"  {name} {shown}")
