"""Which WAV files may be played: 8 kHz, mono, 16-bit PCM, and nothing else.

Our pjsua2 is built without a resampler, and would say of any other file only that it cannot be
played, in the middle of a call. A file is therefore read before the order leaves for the SIP
thread, and refused with the command that converts it: resampling a voice well is a program's
work (SoX, ffmpeg), not a line of ours.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

from acd.errors import BadInput

_RATE = 8000
_SAMPLE_BYTES = 2
_SHORTEST_SECONDS = 0.02
"""One frame of the bridge; pjmedia refuses a shorter file."""


@dataclass(frozen=True, slots=True)
class WavFile:
    """A file that can be played."""

    path: str
    seconds: float
    version: int
    """Another number once the file was written again."""


def read_wav(path: Path) -> WavFile:
    """Look at a file's header; blocks, so call it in a thread.

    Raises:
        BadInput: it is no WAV that can be played; in one sentence.
    """
    try:
        version = path.stat().st_mtime_ns
        with wave.open(str(path), "rb") as file:
            found = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            frames = file.getnframes()
    except OSError as error:
        raise BadInput(f"{path} cannot be played: {error.strerror}") from None
    except (wave.Error, EOFError):
        raise BadInput(f"{path} cannot be played: it is no PCM WAV file; {_advice(path)}") from None
    if found != (_RATE, 1, _SAMPLE_BYTES):
        rate, channels, width = found
        raise BadInput(
            f"{path} cannot be played: it has {rate} Hz, {channels} channel(s), {8 * width} bit, "
            f"and 8000 Hz, 1 channel, 16 bit are needed; {_advice(path)}"
        )
    if frames < _SHORTEST_SECONDS * _RATE:
        raise BadInput(f"{path} cannot be played: it is shorter than 20 ms")
    # Not resolved: what a descriptor's path leads to (/proc/self/fd/5) has no other name.
    return WavFile(str(path.absolute()), frames / _RATE, version)


def _advice(path: Path) -> str:
    return f"sox {path.name} -r 8000 -c 1 -b 16 converted.wav makes one that can"
