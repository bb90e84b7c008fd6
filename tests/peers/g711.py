"""A-law by the book (ITU-T G.711, table 1a), to compare what was heard with what was played."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

_SEGMENT_ENDS = (0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF)


def a_law(samples: Sequence[int]) -> bytes:
    """16-bit samples as A-law."""
    return bytes(_a_law(sample) for sample in samples)


def exact(sample: int) -> int:
    """The nearest value that A-law has: on the border of two, coders disagree."""
    code = _a_law(sample) ^ 0x55
    segment, step = (code >> 4) & 7, code & 0x0F
    magnitude = (step << 4) + 8 if segment == 0 else ((step << 4) + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


def _a_law(sample: int) -> int:
    value = sample >> 3
    mask = 0xD5 if value >= 0 else 0x55
    if value < 0:
        value = -value - 1
    segment = next(number for number, end in enumerate(_SEGMENT_ENDS) if value <= end)
    step = value >> 1 if segment < 2 else value >> segment
    return ((segment << 4) | (step & 0x0F)) ^ mask


def write_wav(
    path: Path, samples: Sequence[int], *, rate: int = 8000, channels: int = 1, width: int = 2
) -> Path:
    """A WAV file of these samples."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(b"".join(s.to_bytes(width, "little", signed=True) for s in samples))
    return path
