"""Calls per second as a token bucket: pure, the caller brings the time."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """Lets `rate_per_second` through on average, and `burst` at once after a rest.

    Raises:
        ValueError: a rate or burst that would never let anything through.
    """

    rate_per_second: float
    burst: float = 1.0
    _tokens: float = field(init=False)
    _at_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.rate_per_second <= 0 or self.burst < 1:
            raise ValueError("a token bucket needs a rate above 0 and a burst of at least 1")
        self._tokens = self.burst

    def take(self, now_seconds: float) -> float:
        """Take one token; return 0.0, or how many seconds to wait before the next try.

        Args:
            now_seconds: of any clock that never goes back.
        """
        self._fill(now_seconds)
        # Rounding must not turn a full wait into another tiny one.
        if self._tokens >= 1 - 1e-9:
            self._tokens = max(0.0, self._tokens - 1)
            return 0.0
        return (1 - self._tokens) / self.rate_per_second

    def _fill(self, now_seconds: float) -> None:
        if self._at_seconds is not None:
            gained = max(0.0, now_seconds - self._at_seconds) * self.rate_per_second
            self._tokens = min(self.burst, self._tokens + gained)
        self._at_seconds = now_seconds
