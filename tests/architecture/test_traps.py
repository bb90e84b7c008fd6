"""docs/traps.md and docs/siptapi.md name code and tests that exist."""

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


SIPTAPI = (ROOT / "docs/siptapi.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", sorted(set(PLACE.findall(SIPTAPI))), ids=lambda place: place[1])
def test_a_bug_of_siptapi_names_a_test_that_exists(place: tuple[str, str]) -> None:
    file, function = place
    assert function in _functions(ROOT / file)


@pytest.mark.parametrize("row", sorted(set(re.findall(r"`(test_row_\w+)`", SIPTAPI))))
def test_an_accepted_row_names_a_test_that_exists(row: str) -> None:
    folder = ROOT / "tests/acceptance/tapi"
    assert any(row in _functions(file) for file in folder.glob("test_*.py"))
