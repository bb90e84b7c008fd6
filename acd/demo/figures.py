"""What the live view shows, read off the registry behind /metrics: no second bookkeeping."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from acd.agents import AgentState
from acd.calls import CallState
from acd.rules.dispositions import Disposition

RATE_WINDOW_SECONDS = 5.0
LEFT_WINDOW_SECONDS = 15.0
"""Longer: the time left should not jump."""

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""Value of each series by its name and labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One moment of a campaign."""

    at_seconds: float
    lines: Mapping[CallState, int]
    agents: Mapping[AgentState, int]
    dispositions: Mapping[Disposition, int]
    originates: int
    live_answers: int
    abandoned: int
    joined: int
    joined_wait_seconds: float
    """Sum over the people who were joined with an agent."""

    @property
    def closed(self) -> int:
        """Attempts that have their disposition."""
        return sum(self.dispositions.values())

    @property
    def abandon_rate(self) -> float | None:
        """Abandoned ÷ live answers; None before the first live answer."""
        return self.abandoned / self.live_answers if self.live_answers else None

    @property
    def mean_wait_seconds(self) -> float | None:
        """From the answer to the agent's; None before the first."""
        return self.joined_wait_seconds / self.joined if self.joined else None


def read_samples(registry: CollectorRegistry) -> Samples:
    """What a scrape would see at this moment."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def figures_of(samples: Samples, *, campaign: str, trunk: str, at_seconds: float) -> Figures:
    """Pick out one campaign on one trunk; series that are not there yet are 0."""

    def value(name: str, **labels: str) -> float:
        return samples.get((name, frozenset(labels.items())), 0.0)

    def count(name: str, **labels: str) -> int:
        return int(value(name, **labels))

    joined = "acd_answer_to_agent_seconds"
    return Figures(
        at_seconds=at_seconds,
        lines={s: count("acd_lines", trunk=trunk, state=s) for s in CallState},
        agents={s: count("acd_agents", state=s) for s in AgentState},
        dispositions={
            d: count("acd_dispositions_total", campaign=campaign, disposition=d)
            for d in Disposition
        },
        originates=count("acd_originates_total", campaign=campaign),
        live_answers=count("acd_live_answers_total", campaign=campaign),
        abandoned=count("acd_abandoned_total", campaign=campaign),
        joined=count(f"{joined}_count", campaign=campaign),
        joined_wait_seconds=value(f"{joined}_sum", campaign=campaign),
    )


class Pace:
    """How fast the figures move, over a sliding window."""

    def __init__(self) -> None:
        self._seen: deque[Figures] = deque()

    def note(self, figures: Figures) -> None:
        """The next moment."""
        self._seen.append(figures)
        while self._seen[0].at_seconds < figures.at_seconds - LEFT_WINDOW_SECONDS:
            self._seen.popleft()

    def calls_per_second(self) -> float:
        """INVITEs a second."""
        if not self._seen:
            return 0.0
        now = self._seen[-1]
        since = now.at_seconds - RATE_WINDOW_SECONDS
        then = next(figures for figures in self._seen if figures.at_seconds >= since)
        return _rate(now.originates - then.originates, now.at_seconds - then.at_seconds)

    def seconds_left(self, *, leads: int) -> float | None:
        """Until every lead has its disposition, at the present speed; None: nobody knows yet."""
        if not self._seen:
            return None
        now, then = self._seen[-1], self._seen[0]
        speed = _rate(now.closed - then.closed, now.at_seconds - then.at_seconds)
        left = leads - now.closed
        return left / speed if speed else None


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0
