"""Packets of Asterisk's manager interface: lines of `Name: value`, an empty line at the end.

Pure: bytes in, packets out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

Packet = Mapping[str, str]
"""Names as Asterisk writes them; of a name that stands twice the first value."""

MAX_PACKET_BYTES = 65536
_END = b"\r\n\r\n"
GREETING = "Asterisk Call Manager/"


class GarbledError(Exception):
    """What came is no manager interface."""


class Frames:
    """Cuts a stream into packets; the greeting, a line of its own, is dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._greeted = False

    def take(self, data: bytes) -> Iterator[Packet]:
        """The packets that are whole with these bytes.

        Raises:
            GarbledError: another protocol speaks, or a packet has no end.
        """
        self._rest += data
        if not self._greeted:
            line, end, rest = self._rest.partition(b"\r\n")
            if end:
                if not line.startswith(GREETING.encode()):
                    raise GarbledError("what answers there is no Asterisk manager interface")
                self._greeted, self._rest = True, rest
        while self._greeted and _END in self._rest:
            packet, _, self._rest = self._rest.partition(_END)
            yield _packet(packet)
        if len(self._rest) > MAX_PACKET_BYTES:
            raise GarbledError(f"a packet has more than {MAX_PACKET_BYTES} bytes")


def _packet(data: bytes) -> Packet:
    packet: dict[str, str] = {}
    for line in data.decode("utf-8", errors="replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            packet.setdefault(name.strip(), value.strip())
    return packet


def encode(action: str, fields: Mapping[str, str]) -> bytes:
    """One action as bytes.

    Raises:
        ValueError: a value has a line break, which would begin a field of its own.
    """
    lines = [f"Action: {action}", *(f"{name}: {value}" for name, value in fields.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a field of an action has a line break")
    return "\r\n".join(lines).encode() + _END


def challenge_key(challenge: str, secret: str) -> str:
    """The answer to an MD5 challenge: the secret itself never goes over the wire."""
    return hashlib.md5((challenge + secret).encode(), usedforsecurity=False).hexdigest()
