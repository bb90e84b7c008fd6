"""The commands that README.md tells people to type, so that no test can drift from them."""

from __future__ import annotations

import re

from tests.acceptance.support.installation import REPOSITORY

TAKEN_AS_DONE = ("make setup", ". .venv/bin/activate")
"""The tests run in the environment that these two make."""

_BLOCK = re.compile(r"<!-- test_one_lead\.py runs these very lines -->\n```sh\n(.*?)```", re.DOTALL)


def your_pbx_lines() -> list[str]:
    """The lines of the section "Your PBX" that come after the set-up."""
    found = _BLOCK.search((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert found, "README.md has lost the block that the acceptance test runs"
    lines = found[1].splitlines()
    assert tuple(lines[: len(TAKEN_AS_DONE)]) == TAKEN_AS_DONE
    return lines[len(TAKEN_AS_DONE) :]
