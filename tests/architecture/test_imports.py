"""Imports go down: the design's layer table held against the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.layers import RANKS, Module, imports_of, modules_below, part_of, problems_in

ROOT = Path(__file__).parents[2]


def test_imports_of_the_program_go_down() -> None:
    modules = modules_below(ROOT, "acd", "dashboards")
    imports = [item for module in modules for item in imports_of(module)]
    assert imports, "no imports were found: the reader looks in the wrong place"
    assert problems_in(imports) == []


def test_every_part_of_the_program_has_a_layer() -> None:
    parts = {part_of(module.name) for module in modules_below(ROOT, "acd")} - {"acd"}
    assert parts - set(RANKS) == set()


@pytest.mark.parametrize(
    ("importer", "statement", "problem"),
    [
        ("acd.dialer.hopper", "import pjsua2", "only acd.sip may import pjsua2"),
        ("acd.sip.door", "from acd.dialer import hopper", "imports its sibling acd.dialer"),
        ("acd.calls", "from acd.store.tables import Lead", "imports upwards acd.store"),
        ("acd.store.leads", "from acd import settings", "imports its sibling acd.settings"),
        ("acd.app", "import acd.cli", "imports upwards acd.cli"),
        ("acd.sip.door", "from ..tapi import gateway", "imports its sibling acd.tapi"),
        ("acd.helpers", "import acd.errors", "acd.helpers has no layer"),
        ("dashboards.build", "from acd.store import tables", "dashboards may import acd.metrics"),
    ],
)
def test_an_import_against_the_table_is_named(importer: str, statement: str, problem: str) -> None:
    found = problems_in(imports_of(_module(importer, statement)))
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("acd.sip.endpoint", "import pjsua2"),
        ("acd.sip.endpoint", "from . import media"),
        ("acd.settings", "from acd import __version__"),
        ("acd.dialer.hopper", "from acd.store import leads"),
        ("acd.cli", "from acd.app import open_engine"),
        ("dashboards.build", "from acd.metrics import Metrics"),
    ],
)
def test_an_import_along_the_table_passes(importer: str, statement: str) -> None:
    assert problems_in(imports_of(_module(importer, statement))) == []


def test_a_relative_import_in_a_package_starts_in_the_package() -> None:
    package = Module(name="acd.sip", tree=ast.parse("from . import media"), is_package=True)
    assert [item.imported for item in imports_of(package)] == ["acd.sip.media"]


def _module(name: str, source: str) -> Module:
    return Module(name=name, tree=ast.parse(source), is_package=False)
