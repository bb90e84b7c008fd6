"""Figures that others keep, read when somebody looks: what a gauge of prometheus-client cannot do.

`acd.metrics` registers these collectors; nothing is counted twice and nothing between scrapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from acd.calls import CallState


class CountedLines(Protocol):
    """What is counted of a `LinePool`."""

    @property
    def expired_leases(self) -> int:
        """Leases that ran into their deadline."""
        ...

    def states(self) -> Mapping[CallState, int]:
        """How many lines are in each state."""
        ...

    def holders(self) -> Mapping[str, int]:
        """How many lines each holder has leased."""
        ...

    def oldest_ended_seconds(self) -> float:
        """Since the oldest call was over whose line is not free again; 0: there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TapiCounts:
    """One TAPI client at this moment."""

    connected: int
    """Sessions with a connection."""
    lost: int
    """Sessions that wait for their client to come back."""
    open_lines: int
    calls: Mapping[str, int]
    """Calls by the LINECALLSTATE that was told last; `placing`: none yet."""
    waiting_persons: int
    """Answered people whom nobody has yet."""


NO_TAPI = TapiCounts(connected=0, lost=0, open_lines=0, calls={}, waiting_persons=0)


class TapiSessions(Collector):
    """What TAPI clients have open, counted once a scrape."""

    def __init__(
        self,
        clients: Iterable[str],
        look: Callable[[], Mapping[str, TapiCounts]],
        states: Iterable[str],
    ) -> None:
        self._clients, self._look, self._states = clients, look, states

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        sessions = GaugeMetricFamily(
            "acd_tapi_sessions", "Sessions of TAPI clients.", labels=("client", "link")
        )
        lines = GaugeMetricFamily(
            "acd_tapi_open_lines", "Line devices that clients have open.", labels=("client",)
        )
        calls = GaugeMetricFamily(
            "acd_tapi_calls", "Calls of TAPI clients, by LINECALLSTATE.", labels=("client", "state")
        )
        seen = self._look()
        for client in self._clients:
            counts = seen.get(client, NO_TAPI)
            sessions.add_metric((client, "connected"), counts.connected)
            sessions.add_metric((client, "lost"), counts.lost)
            lines.add_metric((client,), counts.open_lines)
            for state, number in {**dict.fromkeys(self._states, 0), **counts.calls}.items():
                calls.add_metric((client, state), number)
        yield from (sessions, lines, calls)


class TrunkLines(Collector):
    """The lines of every trunk, counted once a scrape."""

    def __init__(self) -> None:
        self._pools: dict[str, CountedLines] = {}
        self._holders: set[str] = set()

    def know_trunk(self, trunk: str, lines: CountedLines) -> None:
        """Show these from now on."""
        self._pools[trunk] = lines

    def know_holder(self, holder: str) -> None:
        """Show how many lines this one has, also while that is none."""
        self._holders.add(holder)

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        by_state = GaugeMetricFamily("acd_lines", "Lines by call state.", labels=("trunk", "state"))
        leased = GaugeMetricFamily(
            "acd_leased_lines", "Lines by leaseholder.", labels=("trunk", "holder")
        )
        ended = GaugeMetricFamily(
            "acd_oldest_ended_call_seconds",
            "Since the oldest call was over whose line is not free again.",
            labels=("trunk",),
        )
        expired = CounterMetricFamily(
            "acd_expired_leases", "Leases hung up at their deadline.", labels=("trunk",)
        )
        for trunk, pool in self._pools.items():
            states, holders = pool.states(), pool.holders()
            for state in CallState:
                by_state.add_metric((trunk, state), states.get(state, 0))
            for holder in self._holders:
                leased.add_metric((trunk, holder), holders.get(holder, 0))
            ended.add_metric((trunk,), pool.oldest_ended_seconds())
            expired.add_metric((trunk,), pool.expired_leases)
        yield from (by_state, leased, ended, expired)


class ReadCounter(Collector):
    """A counter by trunk that others keep: read when somebody looks, which `Counter` cannot."""

    def __init__(self, name: str, text: str, registry: CollectorRegistry) -> None:
        self._name, self._text = name, text
        self._readers: dict[str, Callable[[], int]] = {}
        registry.register(self)

    def read(self, trunk: str, count: Callable[[], int]) -> None:
        """Show what `count` says for this trunk."""
        self._readers[trunk] = count

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        family = CounterMetricFamily(self._name, self._text, labels=("trunk",))
        for trunk, count in self._readers.items():
            family.add_metric((trunk,), count())
        yield family
