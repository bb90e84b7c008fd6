"""What a caller is to do: plain values that cross into its process as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrder:
    """Place `calls` calls, `rate_per_second`, each transferred to `agent` as soon as answered."""

    calls: int
    rate_per_second: float
    own: str
    """The caller's address."""
    peer: str
    """host:port."""
    lead: str = "lead"
    """Who is dialed; `{}` becomes the number of the call, from 0."""
    agent: str = "agent"
    user: str = "dialer"
    password: str = ""
    """With one, the caller registers first."""
    burst_iterations: int = 0
    """Of the busy trio side, `bench.busy`; 0: trio has nothing else to do."""
    most_at_once: int = 999
    trace_file: str = ""
    """Where acd's SIP trace goes; empty: it is off."""
    trace_only: str = ""
    """The one number whose messages are written; empty: all of them."""

    def lead_of(self, number: int) -> str:
        return self.lead.format(number)

    @property
    def longest_seconds(self) -> float:
        """Beyond this it hangs; SIP's own timers end a lost call after 32 s."""
        return self.calls / self.rate_per_second + 60.0

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> CallOrder:
        return cls(**json.loads(text))
