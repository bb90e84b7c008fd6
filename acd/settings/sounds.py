"""What is wrong with a sound that a settings file names, before anybody has to hear it."""

from __future__ import annotations

import wave
from pathlib import Path

PLAYABLE = "allowed: a WAV of 8 kHz, mono, 16-bit PCM"


def wrong_with_wav(wav: Path) -> str:
    """Why a line could not play this file; empty when it can."""
    try:
        with wave.open(str(wav), "rb") as sound:
            shape = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
    except OSError as exc:
        return f"{wav} cannot be read: {exc.strerror}"
    except (wave.Error, EOFError) as exc:
        return f"{wav} is not such a file: {exc}"
    if shape != (8000, 1, 2):
        return f"{wav} has {shape[0]} Hz, {shape[1]} channels, {shape[2] * 8} bits"
    return ""
