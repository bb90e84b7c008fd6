"""What a person hears who has answered and waits for an agent, unless the campaign has a WAV.

Quiet noise, as of a room: dead silence makes people say hello and hang up. It is made here
rather than kept as a file, and is the same every time. It stands in memory, which goes with the
process however that ends: of a killed engine a temporary file would stay for ever.
"""

from __future__ import annotations

import os
import random
import sys
import wave
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

RATE = 8000
SECONDS = 8
"""Long, for pjmedia sends one frame of silence before each repetition."""
_LOUDEST = 260
"""Of 32,767: about -45 dBFS, heard and not minded."""


@contextmanager
def open_comfort_noise() -> Iterator[Path]:
    """A WAV file (8 kHz, mono, 16-bit PCM) that this process can read while the block lasts."""
    memory = os.memfd_create("acd comfort noise")
    try:
        path = Path(f"/proc/self/fd/{memory}")
        _write(path)
        yield path
    finally:
        os.close(memory)


def _write(path: Path) -> None:
    draw = random.Random(1)  # noqa: S311 - noise, no secret
    # The mean of neighbours takes the edge off white noise.
    white = [draw.uniform(-_LOUDEST, _LOUDEST) for _ in range(RATE * SECONDS + 1)]
    samples = array("h", (int(one + two) // 2 for one, two in pairwise(white)))
    if sys.byteorder == "big":
        samples.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
