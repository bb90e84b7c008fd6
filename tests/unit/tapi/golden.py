"""Golden transcripts: conversations written from the protocol's page, line by line.

`E` is what the engine sends, `C` what the client sends, `!` what happens elsewhere.
"""

from __future__ import annotations

import json
from pathlib import Path

import trio

TRANSCRIPTS = Path(__file__).parent / "transcripts"
SCHEMA = json.loads(
    (Path(__file__).parents[3] / "docs" / "tapi-protocol.schema.json").read_text(encoding="utf-8")
)


def lines_of(transcript: Path) -> list[tuple[str, bytes]]:
    """(E, C or !, the line as it goes over the wire)."""
    text = transcript.read_text(encoding="utf-8").splitlines()
    return [(line[0], line[2:].encode() + b"\n") for line in text if not line.startswith("#")]


def told(transcript: Path, what: str) -> str:
    """The last word of the comment that begins with this one; empty: there is none."""
    text = transcript.read_text(encoding="utf-8").splitlines()
    named = [line.split()[-1] for line in text if line.startswith(f"# {what} ")]
    return named[0] if named else ""


async def receive_line(stream: trio.SocketStream) -> bytes:
    """Byte by byte: what follows belongs to the next look."""
    line = b""
    while not line.endswith(b"\n"):
        part = await stream.receive_some(1)
        assert part, f"the connection was closed after {line!r}"
        line += part
    return line
