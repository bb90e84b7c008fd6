"""What a person at a phone heard, from the RTP that the wire shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import eq

from acd.dialer.comfort import open_comfort_noise
from tests.integration.sip.listening import FRAME
from tests.peers.g711 import a_law
from tests.peers.wire import RtpPacket

ENOUGH_FRAMES = 25
_SILENT_CODES = frozenset(a_law([0, -1]))


@dataclass(frozen=True, slots=True)
class Heard:
    """One person, from their answer to the end of their call."""

    answered_at: float
    over_at: float
    packets: Sequence[RtpPacket]

    @property
    def audible(self) -> list[RtpPacket]:
        """What is no silence."""
        return [p for p in self.packets if not _SILENT_CODES.issuperset(p.payload)]

    def sound(self, *, until: float | None = None) -> bytes:
        wanted = (p for p in self.packets if until is None or p.at_seconds < until)
        return b"".join(p.payload for p in wanted)

    def longest_silence(self, *, until: float) -> float:
        """From the answer on, the longest time without any sound."""
        sounds = [p.at_seconds for p in self.audible if p.at_seconds < until]
        moments = [self.answered_at, *sounds, until]
        return max(after - before for before, after in pairwise(moments))


def heard_at(
    address: str, packets: Sequence[RtpPacket], *, since: float, until: float = math.inf
) -> Heard:
    """What an address was sent in this time."""
    own = [p for p in packets if p.destination[0] == address and len(p.payload) == FRAME]
    return Heard(since, until, [p for p in own if since <= p.at_seconds <= until])


def comfort_sound() -> bytes:
    """What the engine makes for those who wait, as the wire has it."""
    with open_comfort_noise() as wav:
        data = wav.read_bytes()[44:]
    samples = memoryview(data).cast("h").tolist()
    return a_law(samples)


def said_whole(words: bytes, packets: Sequence[RtpPacket]) -> Sequence[RtpPacket]:
    """The packets that say all of this, each frame once, in order and none between; else none."""
    frames = [words[at : at + FRAME] for at in range(0, len(words), FRAME)]
    said = [packet.payload for packet in packets]
    for first in range(len(said) - len(frames) + 1):
        if said[first : first + len(frames)] == frames:
            return packets[first : first + len(frames)]
    return []


def is_from(sound: bytes, packets: Sequence[RtpPacket]) -> bool:
    """Whether all of this is from the sound; coders disagree about some of its samples."""
    frames = [sound[at : at + FRAME] for at in range(0, len(sound), FRAME)]
    return len(packets) > ENOUGH_FRAMES and all(
        any(_alike(packet.payload, frame) for frame in frames) for packet in packets
    )


def _alike(one: bytes, other: bytes) -> bool:
    """Frames of noise that are not the same have one sample of twenty in common."""
    in_common: int = sum(map(eq, one, other))
    return in_common > FRAME / 2
