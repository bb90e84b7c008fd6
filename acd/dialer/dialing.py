"""What attempts share: their campaign's surroundings, and where each of them stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio

from acd.agents import AgentFeed
from acd.clock import WallClock
from acd.dialer.beginnings import Beginnings
from acd.dialer.outcomes import Outcomes
from acd.dialer.places import AgentPlace
from acd.dialer.routing import Roster
from acd.dialer.store_watch import StoreWatch
from acd.lines import Door, Trunk
from acd.metrics import Metrics
from acd.settings import TrunkSettings
from acd.store.campaigns import CampaignRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialing:
    """What an attempt needs of the engine; one for each campaign that runs."""

    campaign: CampaignRow
    trunk: Trunk
    trunk_settings: TrunkSettings
    door: Door
    roster: Roster
    feed: AgentFeed
    store: StoreWatch
    beginnings: Beginnings
    outcomes: Outcomes
    metrics: Metrics
    clock: WallClock
    node: str
    comfort_audio: Path | None = None
    """Of the installation, for campaigns without one of their own; None: silence."""

    @property
    def wait_limit_seconds(self) -> float:
        """How long an answered person may wait for an agent, from the 2xx."""
        return self.campaign.definition.wait_limit_seconds

    @property
    def ring_timeout_seconds(self) -> float:
        """The campaign's, else the trunk's."""
        return (
            self.campaign.definition.ring_timeout_seconds
            or self.trunk_settings.ring_timeout_seconds
        )


@dataclass(slots=True)
class CallsInFlight:
    """Tells the pacing where this campaign's attempts stand; sets of lead ids."""

    unanswered: set[int] = field(default_factory=set)
    """Lead taken, call not yet answered or over."""
    queued: set[int] = field(default_factory=set)
    """Of the unanswered: those that wait for a line."""
    line_given: Callable[[], None] = lambda: None
    """Told whenever one of the queued has got its line."""
    is_wanted: Callable[[], bool] = lambda: True
    """Whether the agents who are left still need one more of the queued."""
    ringing: dict[int, Callable[[], bool]] = field(default_factory=dict)
    """Of the unanswered: those whose INVITE has left, oldest first; each hangs up if it may."""
    owned: set[int] = field(default_factory=set)
    """Claimed for an agent of their own, who is counted with nobody's calls."""
    waiting: set[int] = field(default_factory=set)
    """Answered, and no agent reserved."""
    abandoned: set[int] = field(default_factory=set)
    """Abandoned, and not in SQL yet."""
    abandoned_written: int = 0
    """How many abandoned calls have come to SQL from here; counts from before forget the last."""
    _queue: dict[int, trio.CancelScope] = field(default_factory=dict)

    def in_queue(self, lead_id: int) -> trio.CancelScope:
        """Wait for a line inside this block; `leave_queue` ends the wait, until `got_line`."""
        wait = self._queue[lead_id] = trio.CancelScope()
        return wait

    def leave_queue(self) -> None:
        """Let nobody wait for a line any more."""
        for wait in self._queue.values():
            wait.cancel()

    def got_line(self, lead_id: int) -> bool:
        """Its turn has come; whether it is still wanted, as one with an agent of its own is."""
        wait = self._queue.pop(lead_id, None)
        left = wait is not None and wait.cancel_called
        wanted = not left and (lead_id not in self.queued or self.is_wanted())
        self.queued.discard(lead_id)
        self.line_given()
        return wanted

    def settled(self, lead_id: int) -> None:
        """Nobody needs an agent for this lead any more."""
        self._queue.pop(lead_id, None)
        self.queued.discard(lead_id)
        self.unanswered.discard(lead_id)
        self.ringing.pop(lead_id, None)
        self.waiting.discard(lead_id)

    @property
    def claimed(self) -> set[int]:
        """Leads whose claims are to be renewed: nobody else may have them."""
        return self.unanswered | self.owned

    def withdraw(self, count: int) -> None:
        """Hang up so many unanswered calls, those that were dialed last."""
        for hang_up in reversed(tuple(self.ringing.values())):
            if count > 0 and hang_up():
                count -= 1

    def written(self, lead_id: int) -> None:
        """The attempt's end stands in SQL."""
        if lead_id in self.abandoned:
            self.abandoned.remove(lead_id)
            self.abandoned_written += 1


@dataclass(slots=True)
class OwnerHold:
    """The agent who promised a callback, reserved until somebody takes them."""

    place: AgentPlace | None

    def take(self) -> AgentPlace | None:
        """The agent, for the one who asks first."""
        place, self.place = self.place, None
        return place
