"""Fixtures of the dialer's tests: a database, and attempts on scripted lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from acd.store import Store, open_store_sync
from tests.integration.dialer.stages import StageMaker


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store_sync(f"sqlite:///{tmp_path / 'acd.sqlite'}", create=True) as store:
        yield store


@pytest.fixture
def stages(store: Store, nursery: trio.Nursery) -> StageMaker:
    return StageMaker(store, nursery)
