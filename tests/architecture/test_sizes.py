"""How long functions and files are: printed for people to judge, never a failure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_LINES_WANT_A_REASON = 60
FILE_LINES_WANT_A_REASON = 450


def test_sizes_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    report = [line for folder in ("acd", "tests") for line in _report(folder)]
    assert report
    with capsys.disabled():
        print("", *report, sep="\n")


def _report(folder: str) -> Iterator[str]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    functions = [found for path in paths for found in _functions(path)]
    lengths = [length for _, length in functions]
    p90 = quantiles(lengths, n=10)[-1]
    yield f"{folder}: {len(lengths)} functions, median {median(lengths):.0f}, p90 {p90:.0f} lines"
    for where, length in functions:
        if length > FUNCTION_LINES_WANT_A_REASON:
            yield f"  {where}: {length} lines"
    for path in paths:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > FILE_LINES_WANT_A_REASON:
            yield f"  {path.relative_to(ROOT)}: {lines} lines"


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            end = node.end_lineno or node.lineno
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", end - node.lineno + 1
