"""When the INVITEs of one trunk leave: `InvitePace`.

A lease takes a token of the calls per second, and then the attempt's row is committed. A commit
that takes long lets the next ones catch up with it, and what was leased evenly would leave all at
once. So an INVITE waits here for a turn of its own. The turns come a little faster than the leases,
for a trunk that was held up to come up to its rate again, and their burst is the smaller for it:
in any one second no more INVITEs leave than the rate and the burst of the leases.

Where many wait already, nobody is given a line: a row should not say for long that it is dialed.
"""

from __future__ import annotations

import trio

from acd.beat import BEAT_SECONDS, next_beat
from acd.lines.token_bucket import TokenBucket

_FASTER_SHARE = 0.05
"""Of the calls per second; half of the leases' burst, the other half is this one's."""
_MOST_WAITING_SECONDS = 0.5
"""As many may wait as leave in this time."""


class InvitePace:
    """Turns, in the order of asking."""

    def __init__(self, calls_per_second: float) -> None:
        faster = calls_per_second * _FASTER_SHARE
        self._bucket = TokenBucket(calls_per_second + faster, burst=max(1.0, faster))
        self._turn = trio.StrictFIFOLock()
        self._waiting = 0
        self._most_waiting = max(1.0, calls_per_second * _MOST_WAITING_SECONDS)
        self._short = trio.Event()

    @property
    def is_short(self) -> bool:
        """Whether only so few wait that another one would leave soon."""
        return self._waiting < self._most_waiting

    async def wait_short(self) -> None:
        """Wait until only few wait."""
        while not self.is_short:
            await self._short.wait()

    async def wait_turn(self) -> None:
        """Wait until one more INVITE may leave."""
        # No turn of the loop where none must wait: whoever has a lease waited for it.
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._waiting and self._bucket.take(trio.current_time()) <= 0:
            return
        self._waiting += 1
        try:
            async with self._turn:
                await wait_for_token(self._bucket)
        finally:
            was_short = self.is_short
            self._waiting -= 1
            if self.is_short and not was_short:
                self._short.set()
                self._short = trio.Event()


async def wait_for_token(bucket: TokenBucket) -> None:
    """Wait until a bucket has one; of one task at a time.

    Each waking costs as much as giving out ten tokens: where the bucket holds what a beat brings,
    it is waited until a beat, and those who follow find theirs. What it could not hold until then
    would be lost to the rate.
    """
    on_beats = (bucket.burst - 1) / bucket.rate_per_second >= BEAT_SECONDS
    wait_seconds = bucket.take(trio.current_time())
    while wait_seconds > 0:
        # Only the clock fills the bucket: there is no event to wait for.
        there_at = trio.current_time() + wait_seconds
        await trio.sleep_until(next_beat(after=there_at) if on_beats else there_at)
        wait_seconds = bucket.take(trio.current_time())
