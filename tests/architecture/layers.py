"""The layer table of the design, and a reader of imports that holds the source against it.

Only `ast` is used: nothing of `acd` is imported, so a module that needs pjsua2 or a database is
judged on a machine that has neither. Imports under `TYPE_CHECKING` and inside functions count:
the rule is about who may know of whom, not about what runs first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BINDING = "pjsua2"
BINDING_USERS = frozenset({"acd.sip", "acd.lab"})

# A part is `acd` plus one name; a higher rank may import a lower one, never an equal one.
# The tens tell the layer. The parts of L3 are siblings and share a rank; in the other layers the
# ones tell the order in which parts may build on each other, so that no circle can form.
RANKS: Mapping[str, int] = {
    "acd.__main__": 43,
    "acd.cli": 42,
    "acd.demo": 41,
    "acd.doctor": 41,
    "acd.app": 40,
    "acd.app_tapi": 39,
    "acd.app_trace": 39,
    "acd.app_api": 39,
    "acd.app_office": 38,
    "acd.app_words": 36,
    "acd.app_desktops": 37,
    "acd.app_preview": 37,
    "acd.dialer": 30,
    "acd.sip": 30,
    "acd.tapi": 30,
    "acd.api": 30,
    "acd.agents_feed": 30,
    "acd.simulation": 30,
    "acd.lab": 30,
    "acd.metrics": 22,
    "acd.read_metrics": 21,
    "acd.lines": 21,
    "acd.logs": 21,
    "acd.control": 20,
    "acd.settings": 20,
    "acd.store": 20,
    "acd.rules": 11,
    "acd.calls": 10,
    "acd.agents": 10,
    "acd.numbers": 10,
    "acd.dns": 10,
    "acd.errors": 0,
    "acd.clock": 0,
    "acd.beat": 0,
    "acd.frozen": 0,
}
PACKAGE = "acd"
"""The bare package holds the version only; everybody may read it."""

DASHBOARDS = "dashboards"
DASHBOARDS_MAY_IMPORT = frozenset({"acd.metrics"})


@dataclass(frozen=True, slots=True)
class Module:
    """One source file."""

    name: str
    tree: ast.Module
    is_package: bool
    """Whether it is an `__init__.py`: a relative import then starts one step lower."""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, and where."""

    importer: str
    line: int
    imported: str


def modules_below(root: Path, *folders: str) -> list[Module]:
    """Every Python module in the folders of a repository, parsed."""
    paths = [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]
    return [
        Module(
            name=_dotted_name(path.relative_to(root)),
            tree=ast.parse(path.read_text(encoding="utf-8"), filename=str(path)),
            is_package=path.name == "__init__.py",
        )
        for path in paths
    ]


def imports_of(module: Module) -> Iterator[Import]:
    """Every import statement of one module, relative ones resolved."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute_base(module, node)
            # `from acd import settings` names the module in the alias.
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Import(module.name, node.lineno, name) for name in names)


def problems_in(imports: Iterable[Import]) -> list[str]:
    """What breaks the table, one sentence each."""
    found = (_problem_with(item) for item in imports)
    return [problem for problem in found if problem]


def part_of(module: str) -> str:
    """The part of the table that a module (or a name in it) belongs to."""
    return ".".join(module.split(".")[:2])


def _problem_with(item: Import) -> str:
    where = f"{item.importer} line {item.line}"
    importer, imported = part_of(item.importer), part_of(item.imported)
    if item.imported.split(".")[0] == BINDING:
        return "" if importer in BINDING_USERS else f"{where}: only acd.sip may import {BINDING}"
    if item.imported.split(".")[0] != PACKAGE or imported == importer:
        return ""
    if importer.split(".")[0] == DASHBOARDS:
        allowed = imported in DASHBOARDS_MAY_IMPORT
        return "" if allowed else f"{where}: dashboards may import acd.metrics only"
    return _problem_between(where, importer, imported)


def _problem_between(where: str, importer: str, imported: str) -> str:
    if imported not in RANKS:
        # `from acd import __version__`; a part that has no rank is reported as an importer.
        return "" if imported.startswith(f"{PACKAGE}.__") else f"{where}: {imported} has no layer"
    if importer == PACKAGE:
        return f"{where}: the bare package imports nothing of ours"
    if importer not in RANKS:
        return f"{where}: {importer} has no layer; add it to the table and to the design"
    if RANKS[importer] > RANKS[imported]:
        return ""
    kind = "its sibling" if RANKS[importer] == RANKS[imported] else "upwards"
    return f"{where}: {importer} imports {kind} {imported}"


def _absolute_base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    climb = node.level - 1 if module.is_package else node.level
    parents = module.name.split(".")
    base = parents[: len(parents) - climb]
    return ".".join([*base, node.module] if node.module else base)


def _dotted_name(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
