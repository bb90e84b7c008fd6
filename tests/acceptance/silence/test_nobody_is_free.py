"""A person for whom nobody is free hears who called, when the limit says, on the carrier's wire."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.agent_is_not_there.test_agent_leaves_while_it_rings import (
    serve_by_agents_of_sql,
)
from tests.acceptance.support.carrier import FIRST_NUMBER, Carrier, dialing_installation
from tests.acceptance.support.hearing import Heard, heard_at
from tests.acceptance.support.installation import Installation
from tests.acceptance.support.records import seconds
from tests.integration.sip.listening import FRAME, tone
from tests.peers.addresses import Addresses
from tests.peers.g711 import a_law, write_wav
from tests.peers.sipp.steps import ack, answer, bye, pause, ring, trying
from tests.peers.wire import Wire, first

pytestmark = pytest.mark.real

LIMIT_SECONDS = 2.0
"""What `wait_limit_seconds` is by itself."""
MARGIN_SECONDS = 0.3
HANG_UP_SECONDS = 1.0
"""From the message's last sound to our BYE."""
LOCK_OUT_SECONDS = 72 * 3600
RING_MS = 8000
"""Time for the one agent to go."""
FRAME_SECONDS = 0.02
MESSAGE = tone(1.5, hertz=700)


async def test_the_message_starts_two_seconds_after_the_answer_and_the_bye_follows_it(
    tmp_path: Path,
) -> None:
    write_wav(tmp_path / "sorry.wav", MESSAGE)
    address = Addresses.free().carrier
    steps = (trying(), ring(), pause(RING_MS), answer(), ack(), bye())
    with Carrier(tmp_path / "carrier", address, steps) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=1)
        await with_one_agent(installation, message=tmp_path / "sorry.wav")
        with Wire(address) as wire:
            async with installation.engine() as engine:
                await carrier.wait(lambda seen: seen.sent(180), timeout_seconds=60)
                await installation.succeed("acd agents not-ready anna")
                assert not carrier.up, "the phone still rings"
                await carrier.wait(lambda seen: seen.received("BYE"))
                assert await engine.end() == 0, engine.log()
            messages = wire.sip()
            answered_at = first(messages, 200, cseq="INVITE").at_seconds
            hung_up_at = first(messages, "BYE").at_seconds
            heard = heard_at(address, wire.rtp(), since=answered_at, until=hung_up_at)
    told = Told.of(heard, a_law(MESSAGE))
    assert abs(told.began_at - answered_at - LIMIT_SECONDS) <= MARGIN_SECONDS
    assert told.heard_seconds >= len(MESSAGE) / 8000 - 2 * FRAME_SECONDS, "all of it"
    assert 0 <= hung_up_at - told.last_at <= HANG_UP_SECONDS
    (attempt,) = installation.rows("attempts")
    assert (attempt["disposition"], attempt["abandoned"]) == ("abandoned", 1)
    (lead,) = installation.rows("leads")
    locked_seconds = seconds(lead["next_attempt_at"]) - seconds(attempt["ended_at"])
    assert lead["state"] == "waiting"
    assert locked_seconds == pytest.approx(LOCK_OUT_SECONDS, abs=1)
    (why,) = await installation.succeed(f"acd leads why +{FIRST_NUMBER}")
    assert f"{LOCK_OUT_SECONDS} s after an abandoned call" in why.stdout


async def with_one_agent(installation: Installation, *, message: Path) -> None:
    """Anna; her person's phone rings on when she goes, and nothing is said of the limit."""
    serve_by_agents_of_sql(installation.folder)
    file = installation.folder / "campaigns" / "sample" / "campaign.toml"
    limit, _, rest = file.read_text().lstrip().partition("\n")
    assert limit.startswith("wait_limit_seconds")
    ours = f'shortest_ring_seconds = 20\nabandon_message = "{message}"'
    file.write_text(f"{ours}\n{rest}")
    await installation.succeed(
        "acd campaign reload sample", "acd agents import agents.csv", "acd agents ready anna"
    )


@dataclass(frozen=True, slots=True)
class Told:
    """When a person was told the message."""

    began_at: float
    """Its first sound, or where that would have been."""
    last_at: float
    """The last packet with some of it."""
    heard_seconds: float

    @classmethod
    def of(cls, heard: Heard, message: bytes) -> Told:
        """Found by the message's frames: no two of them are alike."""
        sound = heard.sound()
        frames = [message[at : at + FRAME] for at in range(0, len(message), FRAME)]
        places = [(number, sound.find(frame)) for number, frame in enumerate(frames)]
        found = [(number, heard.packets[at // FRAME]) for number, at in places if at >= 0]
        assert found, "nothing of the message was heard"
        (first_number, first_packet), (last_number, last_packet) = found[0], found[-1]
        return cls(
            began_at=first_packet.at_seconds - first_number * FRAME_SECONDS,
            last_at=last_packet.at_seconds,
            heard_seconds=(last_number + 1) * FRAME_SECONDS,
        )
