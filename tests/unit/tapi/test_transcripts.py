"""Golden transcripts: written from the protocol's page, replayed byte by byte against the gateway.

`E` is what the engine must send, `C` what the client sends, `!` what happens elsewhere. No code of
`acd.tapi.client` takes part, so that client and server cannot share a mistake.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import CallerLine, IncomingEnd, TrunkStatus
from acd.settings import LineMode, ProfileSettings
from tests.fakes.lines import Script
from tests.unit.tapi.stage import Stage, stage

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
SCHEMA = json.loads(
    (Path(__file__).parents[3] / "docs" / "tapi-protocol.schema.json").read_text(encoding="utf-8")
)
SECRETS = {16: "00112233445566778899aabbccddeeff", 8: "0123456789abcdef"}
SCRIPTS = {
    "": Script(),
    "busy": Script(rings_after=None, answers_after=None, cause=DisconnectCause.BUSY),
}

INCOMING = ProfileSettings(
    name="one", first_line=1, last_line=1, mode=LineMode.STANDARD, incoming=True
)


def lines_of(transcript: Path) -> list[tuple[str, bytes]]:
    """(E, C or !, the line as it goes over the wire)."""
    text = transcript.read_text(encoding="utf-8").splitlines()
    return [(line[0], line[2:].encode() + b"\n") for line in text if not line.startswith("#")]


def script_of(transcript: Path) -> Script:
    text = transcript.read_text(encoding="utf-8")
    named = [line.split()[-1] for line in text.splitlines() if line.startswith("# script")]
    return SCRIPTS[named[0] if named else ""]


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_the_gateway_keeps_to_the_transcript(transcript: Path) -> None:
    async with stage(
        script_of(transcript),
        profile=INCOMING if "# profile incoming" in transcript.read_text() else None,
        gateway={"lines": 2, "disabled_lines": (2,)},
        secret=SECRETS.__getitem__,
        connect=False,
    ) as on:
        stream = await trio.open_tcp_stream(on.address.host, on.address.port)
        async with stream:
            for side, line in lines_of(transcript):
                if side == "!":
                    happen(on, line.decode().split())
                elif side == "C":
                    await stream.send_all(line)
                else:
                    assert await receive_line(stream) == line


def happen(on: Stage, words: list[str]) -> None:
    match words:
        case ["resize", number]:
            on.gateway.resize(int(number))
        case ["trunk", status, *registration]:
            on.trunk.become(TrunkStatus(status), registered=not registration)
        case ["called", number, name]:
            who = CallerLine(caller=number, caller_name=name, called="dialer")
            on.trunk.called(who)
        case ["caller", end]:
            on.trunk.callers[-1].end(IncomingEnd(end))


async def receive_line(stream: trio.SocketStream) -> bytes:
    """Byte by byte: what follows belongs to the next look."""
    line = b""
    while not line.endswith(b"\n"):
        part = await stream.receive_some(1)
        assert part, f"the gateway closed the connection after {line!r}"
        line += part
    return line


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_every_message_of_a_transcript_fits_the_schema(transcript: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    wrong = [
        message
        for side, line in lines_of(transcript)
        if side != "!" and not validator.is_valid(message := json.loads(line))
    ]
    # Two that a client gets wrong on purpose.
    assert [message.get("t") for message in wrong] == (
        ["call.drop", "call.conference"] if transcript.stem == "refusals" else []
    )
