"""`acd.sip` and a real softphone, baresip, on encrypted media and encrypted SIP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import Answered, Ended, Line, TrunkStatus
from acd.settings import TrunkSettings
from acd.sip import open_sip
from tests.integration.sip.conftest import released, request, until, wait_status
from tests.integration.sip.listening import recorded, samples, says, tone
from tests.peers.addresses import Addresses
from tests.peers.baresip import USER, Baresip, Encryption, run_baresip
from tests.peers.certificates import make_certificate
from tests.peers.g711 import a_law, write_wav
from tests.peers.wire import Wire

pytestmark = pytest.mark.real

WHOLE_SECONDS = 40


OURS = a_law(tone(0.4, hertz=440))
THEIRS = a_law(tone(15, hertz=600))


@dataclass(frozen=True, slots=True)
class Room:
    """Where one test's phone and engine live, and their sounds."""

    addresses: Addresses
    ours: Path
    theirs: Path
    heard: Path

    @asynccontextmanager
    async def line(self, **settings: object) -> AsyncIterator[Line]:
        """A line of a trunk that is up, straight to the phone."""
        values: dict[str, object] = {
            "domain": self.addresses.agent_101,
            "user": "acd",
            "register": False,
            "lines": 2,
            "bind_address": self.addresses.dialer,
        }
        with trio.fail_after(WHOLE_SECONDS):
            async with open_sip([TrunkSettings.model_validate(values | settings)]) as sip:
                trunk = sip.trunk("main")
                await wait_status(trunk, TrunkStatus.UP)
                async with trunk.lines.lease(holder="test", deadline_seconds=30) as line:
                    yield line

    async def talk(self, phone: Baresip, line: Line) -> None:
        """A call in which both sides say something, until both have heard it."""
        await line.originate(request(user=USER))
        await until(line, Answered)
        with recorded(self.heard):
            await line.play(self.ours)
            await _until(lambda: says(a_law(samples(self.heard)), THEIRS))
        await line.hang_up()
        await released(line)
        await _until(lambda: says(a_law(phone.heard()), OURS))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(
        Addresses.free(),
        write_wav(tmp_path / "ours.wav", tone(0.4, hertz=440)),
        write_wav(tmp_path / "theirs.wav", tone(15, hertz=600)),
        tmp_path / "heard.wav",
    )


async def _until(heard: Callable[[], bool]) -> None:
    """Others write the file: it can only be read again."""
    while not heard():  # noqa: ASYNC110 # as the line above says
        await trio.sleep(0.05)


def _in_clear(wire: Wire) -> tuple[bool, bool]:
    """Whether our words, and theirs, can be read on the wire."""
    streams: dict[int, bytes] = {}
    for packet in sorted(wire.rtp(), key=lambda packet: packet.sequence):
        streams[packet.ssrc] = streams.get(packet.ssrc, b"") + packet.payload
    together = list(streams.values())
    assert sum(len(stream) > len(OURS) for stream in together) == 2
    return (
        any(says(stream, OURS) for stream in together),
        any(says(stream, THEIRS) for stream in together),
    )


@pytest.mark.parametrize(
    ("of_phone", "of_trunk", "readable"),
    [
        (Encryption.REQUIRED, "required", False),
        (Encryption.OPTIONAL, "required", False),
        (Encryption.OPTIONAL, "optional", False),
        (Encryption.NONE, "optional", True),
        (Encryption.NONE, "off", True),
    ],
)
async def test_both_sides_understand_each_other_and_nobody_else_what_is_encrypted(
    room: Room, of_phone: Encryption, of_trunk: str, readable: bool
) -> None:
    where = room.addresses.agent_101
    # baresip sends its sound from 127.0.0.1: the engine's address is on every packet.
    with Wire(room.addresses.dialer) as wire:
        async with run_baresip(where, says=room.theirs, encryption=of_phone) as phone:
            async with room.line(srtp=of_trunk) as line:
                await room.talk(phone, line)
            assert ("SRTP is Enabled" in phone.log()) is not readable
        assert _in_clear(wire) == (readable, readable)


@pytest.mark.parametrize(
    ("of_phone", "of_trunk"), [(Encryption.NONE, "required"), (Encryption.REQUIRED, "off")]
)
async def test_a_side_that_insists_on_what_the_other_refuses_makes_the_call_incompatible(
    room: Room, of_phone: Encryption, of_trunk: str
) -> None:
    where = room.addresses.agent_101
    async with (
        run_baresip(where, says=room.theirs, encryption=of_phone),
        room.line(srtp=of_trunk) as line,
    ):
        await line.originate(request(user=USER))
        *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.INCOMPATIBLE


async def test_keys_and_sound_are_both_hidden_by_tls_and_srtp(room: Room, tmp_path: Path) -> None:
    where = room.addresses.agent_101
    certificate, key = make_certificate(tmp_path, name=where)
    # baresip sends its sound from 127.0.0.1: the engine's address is on every packet.
    with Wire(room.addresses.dialer) as wire:
        async with run_baresip(
            where,
            says=room.theirs,
            encryption=Encryption.REQUIRED,
            certificate=certificate,
            key=key,
        ) as phone:
            tls = {"transport": "tls", "tls_ca_file": certificate, "domain": f"{where}:5061"}
            async with room.line(srtp="required", **tls) as line:
                await room.talk(phone, line)
        assert not any(b"crypto:" in packet.payload for packet in wire.packets())
        assert _in_clear(wire) == (False, False)
