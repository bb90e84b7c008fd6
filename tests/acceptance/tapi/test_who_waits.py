"""What a person hears who answered a TAPI call and waits, at the carrier behind a real Asterisk."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from acd.tapi.client import LineApp, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from tests.acceptance.support.hearing import Heard, comfort_sound, heard_at, is_from
from tests.acceptance.tapi.applications import connected
from tests.acceptance.tapi.call_centre import TapiCentre, open_tapi_centre
from tests.integration.sip.listening import says, tone
from tests.peers import phones
from tests.peers.cut import Way, open_way
from tests.peers.g711 import a_law, write_wav
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

LIMIT_SECONDS = 2.0
"""The client's own limit, and the engine's where the link is lost."""
MESSAGE_SECONDS = 0.8
MARGIN_SECONDS = 1.0
"""From the end of the message to our BYE: milliseconds, and a busy machine's margin."""
CLOCK_SECONDS = 0.1
"""By which two programs' clocks and a sound's last frame may differ."""
BREATH_SECONDS = 1.0
"""Longest gap in what is called an unbroken sound, on a busy machine."""
CLIENTS = """wait_limit_seconds = 2.0
wait_message = "{message}"
[[tapi_client]]
name = "patient"
token_env = "TAPI_TOKEN"
keep_calling_hours = false
wait_limit_seconds = 0
wait_message = "{message}"
"""


@asynccontextmanager
async def patient_beyond_a_way(centre: TapiCentre) -> AsyncIterator[tuple[Way, LineApp]]:
    """A client that may keep people waiting, as long as it is there."""
    gateway = centre.gateway
    async with open_way(server=(gateway.host, gateway.port)) as way:
        there = replace(gateway, client="patient", host=way.host, port=way.port)
        async with line_initialize_ex(there) as app:
            yield way, app


async def test_who_waits_hears_noise_then_the_message_and_is_hung_up_on(tmp_path: Path) -> None:
    sorry = tone(MESSAGE_SECONDS, hertz=700)
    more = CLIENTS.format(message=write_wav(tmp_path / "sorry.wav", sorry))
    async with open_tapi_centre(tmp_path, more=more) as centre:
        with Wire(centre.addresses.carrier) as wire:
            async with line_initialize_ex(centre.gateway) as app:
                await (await connected(app, phones.ANSWERS)).wait_states(S.IDLE)
            async with patient_beyond_a_way(centre) as (way, app):
                await connected(app, phones.ANSWERS)
                cut_at = time.time()
                way.cut()
                await centre.seen(lambda: centre.sent("BYE")[1:])
            limited, cut_off = people(centre, wire)
        answers, byes = centre.heard(200, cseq="INVITE"), centre.sent("BYE")
    for bye, since in ((byes[0], answers[0].at_seconds), (byes[1], cut_at)):
        waited = bye.at_seconds - since - MESSAGE_SECONDS
        assert LIMIT_SECONDS - CLOCK_SECONDS <= waited <= LIMIT_SECONDS + MARGIN_SECONDS
    comfort = comfort_sound()
    for person in (limited, cut_off):
        assert says(person.sound(), a_law(sorry))
        assert is_from(comfort, person.audible[: len(person.audible) // 2])
        assert person.longest_silence(until=person.over_at) <= BREATH_SECONDS
    rows = await centre.closed_rows(2)
    assert [bool(row["abandoned"]) for row in rows] == [True, True]


def people(centre: TapiCentre, wire: Wire) -> list[Heard]:
    """Everybody, in the order of their calls: there is one at a time."""
    packets, carrier = wire.rtp(), centre.addresses.carrier
    answers = {m.call_id: m for m in select(wire.sip(), 200, cseq="INVITE")}
    byes = {m.call_id: m.at_seconds for m in select(wire.sip(), "BYE")}
    return [
        heard_at(carrier, packets, since=answer.at_seconds, until=byes[call_id])
        for call_id, answer in answers.items()
    ]
