from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_page_is_drawn_from_the_present_tables() -> None:
    drawn = runpy.run_path(str(ROOT / "scripts" / "draw_call_states.py"))["page"]()
    assert (ROOT / "docs" / "call-states.md").read_text(encoding="utf-8") == drawn
