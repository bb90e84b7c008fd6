"""docs/traps.md, docs/siptapi.md, the code that they name, and the suite say the same."""

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
PLACE = re.compile(r"`((?:acd|tests|scripts)/[^\s:`]+):([^`]+)`")
OF_TRAPS = ROOT / "tests/integration/sip/test_traps.py"
"""A module whose every test is there for a trap."""


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def _names(path: Path) -> set[str]:
    """Every name that a module defines or uses."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return used | _functions(path)


def _places(row: str) -> tuple[tuple[Path, str], tuple[Path, str]]:
    """The place of the code and that of the test."""
    code, test = row.split("|")[3:5]
    ((code_file, what),), ((test_file, name),) = PLACE.findall(code), PLACE.findall(test)
    return (ROOT / code_file, what), (ROOT / test_file, name)


@pytest.mark.parametrize("row", TRAPS, ids=[row.split("|")[1].strip()[:50] for row in TRAPS])
def test_a_trap_names_a_line_of_ours_and_a_test_that_exist(row: str) -> None:
    (code, what), (test, name) = _places(row)
    if code.suffix == ".py":
        assert what in _names(code)
    else:
        assert what in code.read_text(encoding="utf-8")
    assert name.startswith("test_")
    assert name in _functions(test)


@pytest.mark.parametrize("row", TRAPS, ids=[row.split("|")[1].strip()[:50] for row in TRAPS])
def test_a_trap_is_tested_with_what_it_traps(row: str) -> None:
    _, (test, _) = _places(row)
    assert not test.is_relative_to(ROOT / "tests/unit")


def test_every_test_of_a_trap_is_in_the_list() -> None:
    listed = {name for row in TRAPS for _, (test, name) in [_places(row)] if test == OF_TRAPS}
    assert {name for name in _functions(OF_TRAPS) if name.startswith("test_")} == listed


BUGS = 37
"""What reading SIPTAPI 0.3.23 and its changelog brought to light; none may fall off the page."""
SIPTAPI = (ROOT / "docs/siptapi.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", sorted(set(PLACE.findall(SIPTAPI))), ids=lambda place: place[1])
def test_a_bug_of_siptapi_names_a_test_that_exists(place: tuple[str, str]) -> None:
    file, function = place
    assert function in _functions(ROOT / file)


def test_bugs_of_siptapi_are_numbered_without_a_gap_and_each_names_its_test() -> None:
    begin, end = SIPTAPI.index("## SIPTAPI's bugs"), SIPTAPI.index("## Acceptance")
    rows = re.findall(r"^\| ([0-9]+) \|(.*)$", SIPTAPI[begin:end], re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, BUGS + 1))
    assert all(len(PLACE.findall(cells)) == 1 for _, cells in rows)


LISTED = frozenset(re.findall(r"`(test_row_\w+)`", SIPTAPI))
ROW_TESTS = frozenset(
    name
    for file in (ROOT / "tests/acceptance/tapi").glob("test_*.py")
    for name in _functions(file)
    if name.startswith("test_row_")
)
ROWS = frozenset(range(1, 41)) - {37}
"""37 is the Windows service provider, in 32 and 64 bits: later work."""


@pytest.mark.parametrize("row", sorted(LISTED))
def test_an_accepted_row_names_a_test_that_exists(row: str) -> None:
    assert row in ROW_TESTS


def test_every_row_of_the_acceptance_stands_on_the_page() -> None:
    numbers = re.findall(r"^\| ([0-9, ]+) \|.*`test_row_", SIPTAPI, re.MULTILINE)
    assert {int(each) for cell in numbers for each in cell.split(",")} >= ROWS


def test_every_row_of_the_acceptance_has_a_test_that_bears_its_number() -> None:
    numbers = (re.findall(r"(?:row|and)_([0-9]{2})(?=_)", name) for name in ROW_TESTS)
    assert {int(each) for found in numbers for each in found} >= ROWS


def test_every_test_of_a_row_stands_on_the_page() -> None:
    assert ROW_TESTS <= LISTED
