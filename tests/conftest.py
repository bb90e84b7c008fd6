"""For every test: one Hypothesis profile, logs as they were, and figures shown at the end.

Figures are what a test measured (`record_property`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import structlog
from hypothesis import settings

# A busy machine may take its time over one example, and a failure must come back when it is
# looked at: the same examples every time, and the one that failed printed as a line to paste.
settings.register_profile("acd", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("acd")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """What a test configures of structlog, a command's settings for one, ends with the test."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def machine_in() -> Iterator[Callable[[str], None]]:
    """Sets the machine's own time zone (a POSIX TZ); it is as before once the test is over."""
    with pytest.MonkeyPatch.context() as changed:

        def move(zone: str) -> None:
            changed.setenv("TZ", zone)
            time.tzset()

        yield move
    time.tzset()


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
