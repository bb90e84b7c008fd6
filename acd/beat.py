"""One grid for the engine's small waits, so that they end together: `next_beat`.

Lines are given out, attempts begin, talks are over, agents are looked at and rows are written many
times a second, each a little later than it could be. What wakes the engine costs more than most of
what it then does, and whatever runs right after something else finds in the processor's caches
what it needs: therefore these waits last until a multiple of `BEAT_SECONDS`, or of several of them.
"""

from __future__ import annotations

from math import floor

import trio

BEAT_SECONDS = 0.02


def next_beat(beats: int = 1, *, after: float | None = None) -> float:
    """The next moment of trio's clock that lies on the grid of so many beats.

    Args:
        beats: how many make one step of the grid.
        after: the moment in question; None: now.
    """
    at = trio.current_time() if after is None else after
    step_seconds = beats * BEAT_SECONDS
    return (floor(at / step_seconds) + 1) * step_seconds
