"""What people hear whom the PBX has and no agent takes, as the carrier gets it from Asterisk.

The documented dialplan with ringing, which the manager interface allows: Asterisk then reports the
transfer as answered at once, and nobody has picked up.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.agent_feed.test_agent_times import ring_with_tones
from tests.acceptance.agent_feed.test_queue_campaign import only_101
from tests.acceptance.silence.test_silence import MARGIN_SECONDS
from tests.acceptance.support.floor import floor_installation, number
from tests.acceptance.support.hearing import Heard, heard_at
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import Centre, open_centre
from tests.peers.watching import wait_on_wire
from tests.peers.wire import Wire, first_of_each_call, select

pytestmark = pytest.mark.real

HERE = Addresses.free()
WAIT_LIMIT_SECONDS = 2.0
RING_SECONDS, QUEUE_SECONDS = 4, 4
"""How long Asterisk tries an agent's phone, and the queue after that."""
EXTENSION, QUEUE = 'extensions = ["101"]', 'queue = "sales"\nslots = 1'


@pytest.mark.parametrize(
    ("agents", "unplugged"),
    [(EXTENSION, False), (EXTENSION, True), (QUEUE, False)],
    ids=["an agent who is silent", "an agent unplugged in mid-ring", "a queue that is silent"],
)
async def test_who_gets_no_agent_hears_ringing_until_the_pbx_hangs_up(
    tmp_path: Path, agents: str, unplugged: bool
) -> None:
    installation = await floor_installation(
        tmp_path,
        pbx=HERE.pbx,
        manager=(HERE.pbx, 5038),
        extensions=["101"],
        leads=[number(0)],
        lines=1,
        campaign=f"wait_limit_seconds = {WAIT_LIMIT_SECONDS}",
    )
    campaign = tmp_path / "campaigns" / "sample" / "campaign.toml"
    text = campaign.read_text().replace("extensions = ['101']", agents)
    assert agents in text
    campaign.write_text(text)
    await installation.succeed("acd campaign reload sample")
    silent = phones.agent_silent(HERE.agent_101)
    async with open_centre(HERE, silent) as centre:
        await prepare(centre)
        with Wire(HERE.carrier) as wire:
            async with installation.engine() as engine:
                await wait_on_wire(
                    centre.wire,
                    lambda _: centre.traffic().of(HERE.agent_101, 180),
                    timeout_seconds=60,
                )
                if unplugged:
                    silent.stop()
                await engine.wait_metric("acd_abandoned_total", 1, campaign="sample")
                await wait_on_wire(
                    centre.wire,
                    lambda _: centre.traffic().to(HERE.carrier, "BYE"),
                    timeout_seconds=60,
                )
                assert await engine.end() == 0, engine.log()
            person = heard(wire)
            told = centre.traffic().to_engine("NOTIFY")[-1]
    assert person.longest_silence(until=person.over_at) <= WAIT_LIMIT_SECONDS + MARGIN_SECONDS
    assert person.over_at - person.answered_at > RING_SECONDS, "the PBX had them for a while"
    assert told.body.startswith(b"SIP/2.0 200"), "what acd was not to believe"
    (row,) = installation.rows("attempts")
    assert (row["transfer_result"], row["abandoned"]) == ("with_pbx", True)


async def prepare(centre: Centre) -> None:
    """Ringing, short waits, and agent 101 as the queue's only member."""
    await ring_with_tones(centre)
    await centre.pbx.cli(f"dialplan set global ACD_RING_SECONDS {RING_SECONDS}")
    await centre.pbx.cli(f"dialplan set global ACD_QUEUE_SECONDS {QUEUE_SECONDS}")
    await only_101(centre)


def heard(wire: Wire) -> Heard:
    """The one person, until the PBX hung up."""
    messages = wire.sip()
    (answer,) = first_of_each_call(select(messages, 200, cseq="INVITE"))
    (bye, *_) = select(messages, "BYE")
    return heard_at(HERE.carrier, wire.rtp(), since=answer.at_seconds, until=bye.at_seconds)
