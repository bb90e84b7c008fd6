"""What people hear, captured as RTP where the carrier takes it, behind a real Asterisk.

Three people in a row, for one agent: to the first the agent is there at once; while the second
one's phone rings the agent takes a pause, and ends it after the answer; the third waits in vain.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.acceptance.agent_feed.test_agent_feed import pause
from tests.acceptance.support.floor import floor_installation, number
from tests.acceptance.support.hearing import (
    ENOUGH_FRAMES,
    Heard,
    comfort_sound,
    heard_at,
    is_from,
    said_whole,
)
from tests.integration.sip.listening import says, tone
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import Centre, open_centre
from tests.peers.g711 import a_law, write_wav
from tests.peers.watching import wait_on_wire
from tests.peers.wire import SipMessage, Wire, first_of_each_call, select

pytestmark = pytest.mark.real

HERE = Addresses.free()
WAIT_LIMIT_SECONDS = 4.0
"""Longer than usual, for an Asterisk on a busy machine."""
MARGIN_SECONDS = 0.5
"""Until a sound that was begun is on the wire."""
BYE_SECONDS = 1.0
"""From the message's last frame to the BYE, on a busy machine."""
BREATH_SECONDS = 1.0
"""Longest gap in what is called an unbroken sound, on a busy machine."""


async def test_nobody_is_in_silence_for_longer_than_the_limit(tmp_path: Path) -> None:
    voice, message = tone(2.0, hertz=440), tone(0.8, hertz=700)
    write_wav(tmp_path / "sorry.wav", message)
    installation = await floor_installation(
        tmp_path / "acd",
        pbx=HERE.pbx,
        manager=(HERE.pbx, 5038),
        extensions=["101"],
        leads=[number(lead) for lead in range(3)],
        lines=1,
        campaign=f"wait_limit_seconds = {WAIT_LIMIT_SECONDS}\nshortest_ring_seconds = 10\n"
        f'abandon_message = "{tmp_path / "sorry.wav"}"',
    )
    agent = phones.agent_speaks(HERE.agent_101, tmp_path, voice=a_law(voice), ring_ms=500)
    async with open_centre(HERE, agent, answer_ms=1500) as centre:
        with Wire(HERE.carrier) as wire:
            async with installation.engine() as engine:
                await answered(centre, 1)
                await invited(centre, 2)
                await pause(centre, "pause")
                await answered(centre, 2)
                await hears(wire, since=answers(centre)[1].at_seconds)
                await pause(centre, "unpause")
                await invited(centre, 3)
                await pause(centre, "pause")
                await engine.wait_metric("acd_abandoned_total", 1, campaign="sample")
                assert await engine.end() == 0, engine.log()
            served, waited, lost = people(wire)
        (refer,) = [
            m
            for m in first_of_each_call(centre.traffic().from_engine("REFER"))
            if waited.answered_at < m.at_seconds < waited.over_at
        ]
    comfort = comfort_sound()
    for person in (served, waited):
        silence = person.longest_silence(until=person.over_at)
        assert silence <= WAIT_LIMIT_SECONDS + MARGIN_SECONDS
        assert says(person.sound(), a_law(voice))
    assert is_from(comfort, [p for p in waited.audible if p.at_seconds < refer.at_seconds])
    assert waited.longest_silence(until=refer.at_seconds) <= BREATH_SECONDS
    assert is_from(comfort, lost.audible[: len(lost.audible) // 2])
    message_heard = said_whole(a_law(message), lost.packets)
    assert message_heard, "every frame of it, in order, none is lost on loopback"
    assert lost.over_at - message_heard[-1].at_seconds <= BYE_SECONDS, "and then the BYE"
    assert lost.longest_silence(until=lost.over_at) <= BREATH_SECONDS


async def invited(centre: Centre, count: int) -> None:
    """Wait until so many people were called."""
    await wait_on_wire(
        centre.wire,
        lambda _: len(first_of_each_call(centre.traffic().to(HERE.carrier, "INVITE"))) >= count,
        timeout_seconds=60,
    )


async def answered(centre: Centre, count: int) -> None:
    """Wait until so many people have answered."""
    await wait_on_wire(centre.wire, lambda _: len(answers(centre)) >= count, timeout_seconds=60)


async def hears(wire: Wire, *, since: float) -> None:
    """Wait until a person has heard something for half a second."""
    with trio.fail_after(30):
        while True:
            packets = await trio.to_thread.run_sync(wire.rtp)
            if len(heard_at(HERE.carrier, packets, since=since).audible) > ENOUGH_FRAMES:
                return
            await trio.sleep(0.05)  # the capture is a file that another program writes


def answers(centre: Centre) -> list[SipMessage]:
    return first_of_each_call(centre.traffic().of(HERE.carrier, 200, cseq="INVITE"))


def people(wire: Wire) -> list[Heard]:
    """Everybody, in the order of their calls: there is one at a time."""
    packets = wire.rtp()
    messages = wire.sip()
    byes = {m.call_id: m.at_seconds for m in select(messages, "BYE")}
    found = []
    for answer in first_of_each_call(select(messages, 200, cseq="INVITE")):
        since, until = answer.at_seconds, byes[answer.call_id]
        found.append(heard_at(HERE.carrier, packets, since=since, until=until))
    return found
