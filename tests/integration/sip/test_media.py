"""What the person hears, read as RTP on the wire, and hold."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import trio

from acd.calls import CallState, DisconnectCause
from acd.errors import BadInput, BindingTooSmall, IllegalTransition
from acd.lines import Ended, TransferAnswered
from acd.sip.limits import compiled_limits
from acd.sip.players import Players
from acd.sip.timers import Timers
from acd.sip.wav import WavFile
from tests.integration.sip.conftest import (
    PBX_HOST,
    Bench,
    agent,
    answered,
    released,
    request,
)
from tests.peers.g711 import a_law, exact, write_wav
from tests.peers.sipp.steps import (
    ack,
    answer,
    bye,
    digest,
    hang_up,
    invite,
    notify,
    pause,
    refer,
    refuse_reinvite,
    reject,
    take_reinvite,
)
from tests.peers.wire import RtpPacket, first, select

pytestmark = pytest.mark.real

_UP = (invite(), answer(), ack())
_SILENCE = a_law([0])
_FRAME = 160
_LONG_SECONDS = 20
"""Of a file that nobody hears to its end."""


def _tone(seconds: float, *, hertz: int = 440) -> list[int]:
    """It rises, so that no part is like another, and is never as low as silence."""
    turns = 2 * math.pi * hertz / 8000
    waves = (math.sin(turns * n * (1 + n / 50_000)) for n in range(int(seconds * 8000)))
    return [exact(int(9000 * wave) or 32) for wave in waves]


def _sent(bench: Bench) -> list[RtpPacket]:
    """RTP to the PBX, in the order of its sequence numbers."""
    packets = [p for p in bench.wire.rtp() if p.destination[0] == PBX_HOST]
    return sorted(packets, key=lambda packet: packet.sequence)


def _heard(bench: Bench) -> bytes:
    return b"".join(packet.payload for packet in _sent(bench))


def _sound(bench: Bench, *, since: int = 0) -> bytes:
    """What was heard without the frames of silence."""
    return _audible(_sent(bench)[since:])


def _audible(packets: list[RtpPacket]) -> bytes:
    """Without silence: pjmedia sends a frame of it before each repetition, and where it is late."""
    frames = [packet.payload for packet in packets]
    return b"".join(frame for frame in frames if frame != _SILENCE * _FRAME)


async def _until_sound(bench: Bench, what: bytes, *, since: int = 0) -> None:
    """Wait until this was heard, behind the first `since` packets."""
    while what not in _sound(bench, since=since):
        await bench.breathe()


async def _until_audible(bench: Bench) -> None:
    """Wait until a little of the sound is on the wire."""
    while len(_sound(bench)) < 800:
        await bench.breathe()


async def _until_silent(bench: Bench) -> None:
    """Wait until nothing but silence is sent."""
    while not _heard(bench).endswith(_SILENCE * _FRAME * 3):
        await bench.breathe()


async def test_a_file_is_heard_once_from_its_beginning_between_silence(
    bench: Bench, tmp_path: Path
) -> None:
    samples = _tone(0.5)
    wav = write_wav(tmp_path / "hello.wav", samples)
    pbx = bench.pbx(*_UP, bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await _until_silent(bench)
    start = trio.current_time()
    await line.play(wav)
    took = trio.current_time() - start
    await _until_silent(bench)
    assert _heard(bench).startswith(_SILENCE * _FRAME)
    assert _sound(bench) == a_law(samples)
    assert took >= 0.5


async def test_rtp_is_one_unbroken_stream_of_20_ms(bench: Bench, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "hello.wav", _tone(0.4))
    pbx = bench.pbx(*_UP, bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await line.play(wav)
    packets = _sent(bench)
    assert len({packet.ssrc for packet in packets}) == 1
    assert {len(packet.payload) for packet in packets} == {_FRAME}
    numbers = [packet.sequence for packet in packets]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    stamps = [packet.timestamp for packet in packets]
    assert stamps == list(range(stamps[0], stamps[0] + _FRAME * len(stamps), _FRAME))


async def test_a_file_that_repeats_goes_on_until_something_else_plays(
    bench: Bench, tmp_path: Path
) -> None:
    comfort, hello = _tone(0.1), _tone(0.3, hertz=700)
    music = write_wav(tmp_path / "music.wav", comfort)
    pbx = bench.pbx(*_UP, bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await line.play(music, repeat=True)
    await _until_sound(bench, a_law(comfort) * 3)
    await line.play(write_wav(tmp_path / "hello.wav", hello))
    await _until_silent(bench)
    before, played, after = _sound(bench).partition(a_law(hello))
    assert a_law(comfort) in before
    assert played
    assert after == b""


async def test_calls_that_hear_a_file_repeat_share_one_player(bench: Bench, tmp_path: Path) -> None:
    music = write_wav(tmp_path / "music.wav", _tone(0.1))
    pbx = bench.pbx(*_UP, bye())
    trunk = await bench.trunk(str(pbx.bind))
    lines = [await bench.line(trunk) for _ in range(3)]
    for line in lines:
        await answered(line)
        await line.play(music, repeat=True)
    await _until_audible(bench)
    assert _open_files(music) == 1
    for line in lines:
        await line.hang_up()
        await released(line)


def _open_files(path: Path) -> int:
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.append(entry.readlink())
        except FileNotFoundError:  # closed since it was listed
            continue
    return links.count(path)


async def test_calls_that_hear_a_file_once_each_hear_it_from_its_beginning(
    bench: Bench, tmp_path: Path
) -> None:
    samples = _tone(0.4)
    wav = write_wav(tmp_path / "hello.wav", samples)
    pbx = bench.pbx(*_UP, bye())
    trunk = await bench.trunk(str(pbx.bind))
    first_line, second_line = await bench.line(trunk), await bench.line(trunk)
    await answered(first_line)
    await answered(second_line)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first_line.play, wav)
        await _until_sound(bench, a_law(samples[:1600]))
        nursery.start_soon(second_line.play, wav)
    streams: dict[int, list[RtpPacket]] = {}
    for packet in _sent(bench):
        streams.setdefault(packet.ssrc, []).append(packet)
    print(
        {
            k: (len(v), v[0].source, v[0].sequence, v[0].at_seconds, v[-1].at_seconds)
            for k, v in streams.items()
        }
    )
    assert [_audible(stream) for stream in streams.values()] == [a_law(samples)] * 2


@pytest.mark.parametrize("by", ["us", "them"])
async def test_hanging_up_ends_the_sound_and_the_wait(
    bench: Bench, tmp_path: Path, by: str
) -> None:
    wav = write_wav(tmp_path / "long.wav", _tone(_LONG_SECONDS))
    pbx = bench.pbx(*_UP, *((bye(),) if by == "us" else (pause(1500), hang_up())))
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    # Less than the file lasts; what exactly is heard is the business of the tests above.
    with trio.fail_after(_LONG_SECONDS - 5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.play, wav)
            if by == "us":
                await _until_audible(bench)
                await line.hang_up()
    ended, _ = await released(line)
    assert isinstance(ended, Ended)
    over = first(bench.messages(), "BYE").at_seconds
    # Margin: one frame of the bridge, and threads that come late on two busy cores.
    assert _sent(bench)[-1].at_seconds < over + 2


async def test_cancelling_the_wait_ends_the_sound(bench: Bench, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "long.wav", _tone(_LONG_SECONDS))
    pbx = bench.pbx(*_UP, bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.play, wav)
        await _until_audible(bench)
        nursery.cancel_scope.cancel()
    await _until_silent(bench)
    assert len(_sound(bench)) < _LONG_SECONDS * 8000
    # The call itself goes on.
    assert line.state is CallState.CONNECTED


async def test_the_person_hears_the_sound_while_a_transfer_is_open(
    bench: Bench, tmp_path: Path
) -> None:
    comfort = _tone(0.1)
    music = write_wav(tmp_path / "music.wav", comfort)
    pbx = bench.pbx(*_UP, refer(202), pause(1500), notify(200, final=True), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await line.play(music, repeat=True)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferAnswered)
    assert a_law(comfort) * 3 in _sound(bench)


async def test_a_file_of_another_format_is_refused_before_anything_is_heard(
    bench: Bench, tmp_path: Path
) -> None:
    wav = write_wav(tmp_path / "hifi.wav", _tone(0.1), rate=44100)
    pbx = bench.pbx(*_UP, bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    with pytest.raises(BadInput, match="44100 Hz"):
        await line.play(wav)
    assert line.state is CallState.CONNECTED


async def test_nothing_is_played_to_nobody(bench: Bench, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "hello.wav", _tone(0.1))
    pbx = bench.pbx(invite(), reject("486 Busy Here"))
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    with pytest.raises(IllegalTransition):
        await line.play(wav)
    await line.originate(request())
    with pytest.raises(IllegalTransition):
        await line.play(wav)


def test_more_players_than_the_binding_holds_are_refused_before_pjsua_would() -> None:
    players = Players(Timers(), most=0)
    with pytest.raises(
        BindingTooSmall, match="1 files are to be played at once, but this pjsua2 plays 0"
    ):
        players.once(WavFile("/nowhere.wav", 1.0, 1))


def test_the_binding_says_how_many_players_it_holds() -> None:
    assert compiled_limits().players >= 32


async def test_hold_and_resume_are_a_reinvite_each(bench: Bench, tmp_path: Path) -> None:
    comfort = _tone(0.1)
    music = write_wav(tmp_path / "music.wav", comfort)
    pbx = bench.pbx(*_UP, take_reinvite(direction="recvonly"), take_reinvite(), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await line.play(music, repeat=True)
    states = [line.state]
    assert await line.hold()
    states.append(line.state)
    # Who is on hold hears the music on.
    await _until_sound(bench, a_law(comfort) * 3, since=len(_sent(bench)))
    assert await line.resume()
    states.append(line.state)
    assert states == [CallState.CONNECTED, CallState.ONHOLD, CallState.CONNECTED]
    await _until_sound(bench, a_law(comfort) * 3, since=len(_sent(bench)))
    _, hold, resume = select(bench.messages(), "INVITE")
    assert b"a=sendonly" in hold.body
    assert b"a=sendrecv" in resume.body


async def test_a_hold_that_is_refused_leaves_the_call_connected(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refuse_reinvite("488 Not Acceptable Here"), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    assert not await line.hold()
    assert line.state is CallState.CONNECTED
    await line.hang_up()
    ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.HUNG_UP


async def test_a_challenged_hold_is_sent_again_with_credentials(bench: Bench) -> None:
    challenged = refuse_reinvite("407 Not Yet", digest("Proxy-Authenticate"))
    pbx = bench.pbx(*_UP, challenged, take_reinvite(direction="recvonly"), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind), password="secret"))
    await answered(line)
    assert await line.hold()
    assert line.state is CallState.ONHOLD


async def test_a_hold_whose_credentials_are_refused_leaves_the_call_connected(
    bench: Bench,
) -> None:
    challenged = refuse_reinvite("407 Not Yet", digest("Proxy-Authenticate"))
    pbx = bench.pbx(*_UP, challenged, challenged, bye())
    line = await bench.line(await bench.trunk(str(pbx.bind), password="wrong"))
    await answered(line)
    with trio.fail_after(10):
        assert not await line.hold()
    assert line.state is CallState.CONNECTED


async def test_a_hold_that_the_end_of_the_call_overtakes_did_not_happen(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, hang_up())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    while not select(bench.messages(), 200, cseq="BYE"):
        await bench.breathe()
    assert not await line.hold()


async def test_only_a_connected_call_is_held_and_only_a_held_one_resumed(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, take_reinvite(direction="recvonly"), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    with pytest.raises(IllegalTransition):
        await line.hold()
    await answered(line)
    with pytest.raises(IllegalTransition):
        await line.resume()
    await line.hold()
    with pytest.raises(IllegalTransition):
        await line.hold()


async def test_nothing_is_sent_while_the_pbx_takes_the_person_out_of_the_call(
    bench: Bench,
) -> None:
    """Asterisk counts a frame that it still passes on to them as the agent's answer."""
    pbx = bench.pbx(*_UP, refer(202), notify(100), pause(1500), notify(200, final=True), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await _until_silent(bench)
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferAnswered)
    referred_at = first(bench.messages(), "REFER").at_seconds
    times = [packet.at_seconds for packet in _sent(bench)]
    # A frame that was under way may pass the REFER, and the machine may be busy when it goes on.
    assert min(times) < referred_at
    assert not [at for at in times if referred_at + 0.005 < at < referred_at + 0.9]
    assert [at for at in times if at > referred_at + 0.9], "a PBX may end a call that is mute"


async def test_a_person_who_stays_with_us_hears_us_again_at_once(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refer(202), notify(404, final=True), pause(400), hang_up())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await _until_silent(bench)
    await line.blind_transfer(agent(), timeout_seconds=5)()
    await released(line)
    messages = bench.messages()
    referred_at = first(messages, "REFER").at_seconds
    refused_at = first(messages, "NOTIFY").at_seconds
    # Half of the second for which it would be mute otherwise.
    assert [p for p in _sent(bench) if refused_at < p.at_seconds < referred_at + 0.5]


async def test_a_trunk_that_keeps_the_person_sends_on(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refer(202), notify(100), pause(400), notify(200, final=True), bye())
    trunk = await bench.trunk(str(pbx.bind), after_failed_transfer="ours")
    line = await bench.line(trunk)
    await answered(line)
    await _until_silent(bench)
    await line.blind_transfer(agent(), timeout_seconds=5)()
    referred_at = first(bench.messages(), "REFER").at_seconds
    between = [p for p in _sent(bench) if referred_at + 0.1 < p.at_seconds < referred_at + 0.4]
    assert between, "they would hear nothing while the agent's phone rings"
