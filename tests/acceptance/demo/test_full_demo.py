"""`make demo` as a newcomer sees it: 400 leads for 40 agents, in a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ABOUT_A_MINUTE_SECONDS = 90.0
BUSY_MACHINE_SECONDS = 60.0
"""Beside whatever else runs here."""
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
"""A cursor (DECTCEM)."""


def test_400_leads_are_watched_live_and_reported_in_about_a_minute(tmp_path: Path) -> None:
    screen, terminal = pty.openpty()
    began = time.monotonic()
    with os.fdopen(screen, "rb", buffering=0) as seen:
        demo = subprocess.Popen(
            [sys.executable, "-m", "acd", "demo", "--folder", str(tmp_path / "demo")],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
        )
        os.close(terminal)
        try:
            shown = whole_screen(seen.fileno())
            code = demo.wait(timeout=30)
        finally:
            if demo.poll() is None:
                demo.kill()
                demo.wait()
    assert code == 0, shown
    assert time.monotonic() - began <= ABOUT_A_MINUTE_SECONDS + BUSY_MACHINE_SECONDS
    assert shown.rfind(SHOW) > shown.rfind(HIDE) > 0, "the cursor was hidden, and is back"
    words = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "400 of 400 leads" in words
    assert "40 agents" in words
    assert "attempts (400):" in words
    assert "transfers: answered 160" in words
    assert re.search(r"database: \S+acd\.sqlite", words)
    assert re.search(r"metrics:\s+were at http://127\.0\.0\.1:\d+/metrics", words)


def whole_screen(terminal: int) -> str:
    """Everything that is written until nobody has the terminal open any more."""
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says EIO when the other side is closed
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode(errors="replace")
