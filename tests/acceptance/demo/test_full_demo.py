"""`make demo` as a newcomer sees it: 400 leads for 40 agents, in a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.demo.written import Written

pytestmark = pytest.mark.real

ABOUT_A_MINUTE_SECONDS = 90.0
BUSY_MACHINE_SECONDS = 60.0
"""Beside whatever else runs here."""
STOP_SECONDS = 15.0
"""From Ctrl-C to the end: 3 s for the present calls, their rows, the report, a busy machine."""
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
"""A cursor (DECTCEM)."""
CTRL_C = b"\x03"


class Terminal:
    """A terminal whose foreground is an `acd demo`, and everything that stood on its screen."""

    def __init__(self, keys: int, demo: subprocess.Popen[bytes]) -> None:
        self._keys = keys
        self._demo = demo
        self._shown = b""

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace")

    @property
    def words(self) -> str:
        """What was shown, without colours and moves of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown)

    def type(self, keys: bytes) -> None:
        os.write(self._keys, keys)

    def watch(self, until: Callable[[str], object], *, timeout_seconds: float) -> None:
        """Read until the words say so."""
        deadline = time.monotonic() + timeout_seconds
        while not until(self.words):
            assert self._read_until(deadline), self.shown

    def watch_to_the_end(self, *, timeout_seconds: float) -> int:
        """Read until nobody has the terminal open any more; the demo's exit code."""
        deadline = time.monotonic() + timeout_seconds
        while self._read_until(deadline):
            pass
        return self._demo.wait(timeout=30)

    def _read_until(self, deadline: float) -> bool:
        """Read what there is next; False: there will be no more."""
        ready, _, _ = select.select([self._keys], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing more was shown in time after:\n{self.shown}"
        try:
            part = os.read(self._keys, 65536)
        except OSError:  # Linux says EIO when the other side is closed
            return False
        self._shown += part
        return bool(part)


@contextmanager
def demo_in_a_terminal(folder: Path, *options: str) -> Iterator[Terminal]:
    keys, terminal = pty.openpty()
    demo = subprocess.Popen(
        # Its own session with this terminal, so that Ctrl-C there is its SIGINT.
        ["setsid", "--ctty", sys.executable, "-m", "acd", "demo", "--folder", folder, *options],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
    )
    os.close(terminal)
    try:
        yield Terminal(keys, demo)
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.wait()
        os.close(keys)


def test_400_leads_are_watched_live_and_reported_in_about_a_minute(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo_in_a_terminal(folder) as terminal:
        code = terminal.watch_to_the_end(
            timeout_seconds=ABOUT_A_MINUTE_SECONDS + BUSY_MACHINE_SECONDS
        )
    assert code == 0, terminal.shown
    words = terminal.words
    assert "400 of 400 leads" in words
    assert "40 agents" in words
    assert "attempts (400):" in words
    assert "transfers: answered 160" in words
    assert_all_is_told(terminal)
    Written(folder).assert_rows_are_the_calls(leads=400)


def test_ctrl_c_in_the_middle_leaves_the_report_and_a_terminal_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo_in_a_terminal(folder, "--leads", "60", "--agents", "10") as terminal:
        terminal.watch(lambda words: closed(words) >= 10, timeout_seconds=60)
        pressed_at = time.monotonic()
        terminal.type(CTRL_C)
        code = terminal.watch_to_the_end(timeout_seconds=STOP_SECONDS)
        took = time.monotonic() - pressed_at
    assert code == 0, terminal.shown
    assert took <= STOP_SECONDS
    assert "Traceback" not in terminal.shown
    dialed = len(Written(folder).attempts())
    assert 10 <= dialed < 60
    assert f"attempts ({dialed}):" in terminal.words
    assert_all_is_told(terminal)


def closed(words: str) -> int:
    """How many leads the last picture calls done."""
    counts = re.findall(r"(\d+) of 60 leads", words)
    return int(counts[-1]) if counts else 0


def assert_all_is_told(terminal: Terminal) -> None:
    """Where everything is; and whoever types next sees where."""
    assert re.search(r"database: \S+acd\.sqlite", terminal.words)
    assert re.search(r"metrics:\s+were at http://127\.0\.0\.1:\d+/metrics", terminal.words)
    shown = terminal.shown
    assert shown.rfind(SHOW) > shown.rfind(HIDE) > 0, "the cursor was hidden, and is back"
