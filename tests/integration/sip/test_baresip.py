"""`acd.sip` and a real softphone, baresip, on encrypted media and encrypted SIP."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pjsua2 as pj
import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import Answered, Ended, Line, TrunkStatus
from acd.settings import TrunkSettings
from acd.sip import open_sip
from tests.integration.sip.conftest import released, request, until, wait_status
from tests.peers.addresses import Addresses
from tests.peers.baresip import USER, Baresip, Encryption, run_baresip
from tests.peers.certificates import make_certificate
from tests.peers.g711 import a_law, exact, write_wav
from tests.peers.wire import Wire

pytestmark = pytest.mark.real

WHOLE_SECONDS = 40


def _tone(seconds: float, *, hertz: int) -> list[int]:
    """It rises, so that no part is like another."""
    turns = 2 * math.pi * hertz / 8000
    waves = (math.sin(turns * n * (1 + n / 50_000)) for n in range(int(seconds * 8000)))
    return [exact(int(9000 * wave) or 32) for wave in waves]


OURS = a_law(_tone(0.4, hertz=440))
THEIRS = a_law(_tone(15, hertz=600))
FRAME = 160
ENOUGH_FRAMES = 10
"""Of 20 ms each, all different; more may be lost on a loaded machine, as with any RTP."""


def _says(sound: bytes, words: bytes) -> bool:
    """Whether enough of the words are in the sound, as A-law."""
    frames = {words[at : at + FRAME] for at in range(0, len(words), FRAME)}
    return sum(frame in sound for frame in frames) >= ENOUGH_FRAMES


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
        with _recorded(self.heard):
            await line.play(self.ours)
            await _until(lambda: _says(a_law(_samples(self.heard)), THEIRS))
        await line.hang_up()
        await released(line)
        await _until(lambda: _says(a_law(phone.heard()), OURS))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(
        Addresses.free(),
        write_wav(tmp_path / "ours.wav", _tone(0.4, hertz=440)),
        write_wav(tmp_path / "theirs.wav", _tone(15, hertz=600)),
        tmp_path / "heard.wav",
    )


@contextmanager
def _recorded(path: Path) -> Iterator[None]:
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


async def _until(heard: Callable[[], bool]) -> None:
    """Others write the file: it can only be read again."""
    while not heard():  # noqa: ASYNC110 # as the line above says
        await trio.sleep(0.05)


def _samples(path: Path) -> list[int]:
    """Of a WAV file whose header may not know its length yet."""
    data = path.read_bytes()[44:]
    return [
        int.from_bytes(data[at : at + 2], "little", signed=True)
        for at in range(0, len(data) // 2 * 2, 2)
    ]


def _in_clear(wire: Wire) -> tuple[bool, bool]:
    """Whether our words, and theirs, can be read on the wire."""
    streams: dict[int, bytes] = {}
    for packet in sorted(wire.rtp(), key=lambda packet: packet.sequence):
        streams[packet.ssrc] = streams.get(packet.ssrc, b"") + packet.payload
    together = list(streams.values())
    assert sum(len(stream) > len(OURS) for stream in together) == 2
    return (
        any(_says(stream, OURS) for stream in together),
        any(_says(stream, THEIRS) for stream in together),
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
