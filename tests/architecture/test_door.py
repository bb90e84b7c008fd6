"""One door checks every destination: nobody else makes one that is dialed or transferred to."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKERS = frozenset(
    {
        "acd/lines/door.py",
        # `watch` subscribes to an extension; nobody is called.
        "acd/sip/trunk.py:watch",
    }
)


def makers_of(name: str) -> set[str]:
    """Where the program calls this class: `file:function`."""
    found: set[str] = set()
    for path in sorted((ROOT / "acd").rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and _called(call.func) == name:
                around = [each.name for each in functions if call in ast.walk(each)]
                found.add(f"{file}:{around[-1] if around else ''}")
    return found


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def test_only_the_door_makes_destinations() -> None:
    made = makers_of("Destination")
    assert {place for place in made if place not in MAKERS and _file(place) not in MAKERS} == set()
    assert {_file(place) for place in made} == {_file(place) for place in MAKERS}


def _file(place: str) -> str:
    return place.partition(":")[0]
