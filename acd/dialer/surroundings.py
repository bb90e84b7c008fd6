"""What the scheduler stands on: `Surroundings`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from acd.agents import AgentFeed
from acd.clock import WallClock
from acd.dialer.outcomes import Outcomes
from acd.dialer.store_watch import StoreWatch
from acd.lines import Trunk
from acd.metrics import Metrics
from acd.settings import Settings
from acd.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the scheduler stands on; `acd.app` puts it together."""

    settings: Settings
    trunks: dict[str, Trunk]
    store: Store
    feed: AgentFeed
    metrics: Metrics
    clock: WallClock
    node: str
    comfort_audio: Path | None = None
    """Heard by people who wait for an agent, where their campaign has none of its own."""
    companions: tuple[Companion, ...] = ()


Companion = Callable[[StoreWatch, Outcomes], AbstractAsyncContextManager[Callable[[], None]]]
"""Something that dials beside the campaigns and writes into the same books.

Opened once the books are, and given a chance to end its calls before they are closed. What it
yields tells it to start no more calls.
"""
