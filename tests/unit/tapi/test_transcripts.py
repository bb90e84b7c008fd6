"""Golden transcripts: written from the protocol's page, replayed byte by byte against the gateway.

`E` is what the engine must send, `C` what the client sends, `!` what happens elsewhere. No code of
`acd.tapi.client` takes part, so that client and server cannot share a mistake.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import CallerLine, IncomingEnd, PersonWith, TransferFailed, TrunkStatus
from acd.settings import LineMode, ProfileSettings, TransferReply
from tests.fakes.lines import Script
from tests.unit.tapi import golden
from tests.unit.tapi.golden import SCHEMA, lines_of, receive_line, told
from tests.unit.tapi.stage import Stage, stage, until

TRANSCRIPTS = sorted(golden.TRANSCRIPTS.glob("*.txt"))
CLIENTS = sorted((golden.TRANSCRIPTS / "client").glob("*.txt"))
NOBODY = TransferFailed(at_seconds=0, sip_status=404, person_with=PersonWith.US)
SECRETS = {16: "00112233445566778899aabbccddeeff", 8: "0123456789abcdef"}
SCRIPTS: Mapping[str, Callable[[], Script]] = {
    "": Script,
    "busy": partial(Script, rings_after=None, answers_after=None, cause=DisconnectCause.BUSY),
    "slow": lambda: Script(transfers=deque([0.5])),
    "failed": lambda: Script(transfers=deque([NOBODY])),
}

INCOMING = ProfileSettings(
    name="one", first_line=1, last_line=1, mode=LineMode.STANDARD, incoming=True
)


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_the_gateway_keeps_to_the_transcript(transcript: Path) -> None:
    reply = told(transcript, "client") or "answered"
    async with stage(
        SCRIPTS[told(transcript, "script")](),
        profile=INCOMING if told(transcript, "profile") else None,
        client={"transfer_reply": TransferReply(reply)},
        gateway={"lines": 2, "disabled_lines": (2,)},
        secret=SECRETS.__getitem__,
        connect=False,
    ) as on:
        stream = await trio.open_tcp_stream(on.address.host, on.address.port)
        for side, line in lines_of(transcript):
            if line == b"cut\n":
                await stream.aclose()
                await until(lambda: on.gateway.counts()["overdialer"].lost == 1)
                stream = await trio.open_tcp_stream(on.address.host, on.address.port)
            elif side == "!":
                happen(on, line.decode().split())
            elif side == "C":
                await stream.send_all(line)
            else:
                assert await receive_line(stream) == line
        await stream.aclose()


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


@pytest.mark.parametrize("transcript", [*TRANSCRIPTS, *CLIENTS], ids=lambda path: path.stem)
def test_every_message_of_a_transcript_fits_the_schema(transcript: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    wrong = [message for message in messages_of(transcript) if not validator.is_valid(message)]
    # Two that a client gets wrong on purpose.
    assert [message.get("t") for message in wrong] == (
        ["call.drop", "call.conference"] if transcript.stem == "refusals" else []
    )


def test_every_message_of_the_schema_is_in_a_transcript() -> None:
    kinds = {each["$ref"] for each in SCHEMA["oneOf"]}
    validators = {
        kind: jsonschema.Draft202012Validator({**SCHEMA, "oneOf": [{"$ref": kind}]})
        for kind in kinds
    }
    messages = [message for each in (*TRANSCRIPTS, *CLIENTS) for message in messages_of(each)]
    seen = {kind for kind, one in validators.items() if any(map(one.is_valid, messages))}
    assert seen == kinds


def messages_of(transcript: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for side, line in lines_of(transcript) if side != "!"]
