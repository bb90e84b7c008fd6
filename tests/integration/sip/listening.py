"""What a call hears, recorded beside an engine that records nothing, and recognised."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pjsua2 as pj

from tests.peers.g711 import exact

FRAME = 160
ENOUGH_FRAMES = 10
"""Of 20 ms each, all different; more may be lost on a loaded machine, as with any RTP."""


def says(sound: bytes, words: bytes) -> bool:
    """Whether enough of the words are in the sound, as A-law."""
    frames = {words[at : at + FRAME] for at in range(0, len(words), FRAME)}
    return sum(frame in sound for frame in frames) >= ENOUGH_FRAMES


def tone(seconds: float, *, hertz: int) -> list[int]:
    """It rises, so that no part is like another."""
    turns = 2 * math.pi * hertz / 8000
    waves = (math.sin(turns * n * (1 + n / 50_000)) for n in range(int(seconds * 8000)))
    return [exact(int(9000 * wave) or 32) for wave in waves]


@contextmanager
def recorded(path: Path) -> Iterator[None]:
    """Record what pjsua decodes of its only call, beside the engine, which records nothing."""
    endpoint = pj.Endpoint.instance()
    if not endpoint.libIsThreadRegistered():
        endpoint.libRegisterThread("test")
    (call,) = [port for port in endpoint.mediaEnumPorts2() if port.getPortInfo().name[:4] == "sip:"]
    recorder = pj.AudioMediaRecorder()
    recorder.createRecorder(str(path))
    call.startTransmit(recorder)
    try:
        yield
    finally:
        with suppress(pj.Error):  # the call is over, and its port with it
            call.stopTransmit(recorder)


def samples(path: Path) -> list[int]:
    """Of a WAV file whose header may not know its length yet."""
    data = path.read_bytes()[44:]
    return [
        int.from_bytes(data[at : at + 2], "little", signed=True)
        for at in range(0, len(data) // 2 * 2, 2)
    ]
