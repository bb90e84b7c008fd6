"""The source of `acd`, held against the one table of actions."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from acd.logs.actions import ACTIONS

SOURCE = Path(__file__).parents[3] / "acd"
LEVELS = frozenset({"debug", "info", "warning", "error", "critical", "exception"})


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger, and every other one in such a module that names an action."""
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "structlog" in text else ():
            if isinstance(node, ast.Call) and (_is_log(node.func) or action_of(node)):
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def _is_log(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in LEVELS
        and isinstance(function.value, ast.Name)
        and function.value.id in ("log", "_log")
    )


def action_of(call: ast.Call) -> str:
    """The literal of `action=`; empty where there is none."""
    for keyword in call.keywords:
        if keyword.arg == "action" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return ""


def test_every_log_line_has_an_action_of_the_table() -> None:
    wrong = {where for where, call in log_calls() if action_of(call) not in ACTIONS}
    assert not wrong


def test_every_action_of_the_table_is_written_somewhere() -> None:
    assert {action_of(call) for _, call in log_calls()} == set(ACTIONS)


def test_no_two_actions_mean_the_same_and_no_action_stands_there_twice() -> None:
    assert not [words for words, count in Counter(ACTIONS.values()).items() if count > 1]
    table = ast.parse((SOURCE / "logs" / "actions.py").read_text(encoding="utf-8"))
    keys = [
        key.value
        for node in ast.walk(table)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    ]
    assert not [key for key, count in Counter(keys).items() if count > 1]
