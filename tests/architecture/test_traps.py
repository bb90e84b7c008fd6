"""docs/traps.md names code and tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRAPS = [
    line
    for line in (ROOT / "docs/traps.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| Trap ")
]
PLACE = re.compile(r"`((?:acd|tests)/\S+\.py):(\w+)`")


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("row", TRAPS, ids=[row.split("|")[1].strip()[:50] for row in TRAPS])
def test_a_trap_names_a_function_of_ours_and_a_test_that_exist(row: str) -> None:
    code, test = PLACE.findall(row)
    for file, function in (code, test):
        assert function in _functions(ROOT / file)
    assert code[0].startswith("acd/")
    assert test[0].startswith("tests/")
    assert test[1].startswith("test_")
