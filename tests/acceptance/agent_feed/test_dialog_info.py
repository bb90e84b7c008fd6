"""The engine is told by SIP subscriptions alone what agents do, as any PBX can tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.agent_feed.test_agent_feed import (
    ADDRESSES,
    HANDED_OVER,
    PEOPLE,
    assert_one_at_a_time,
    installation_with_feed,
)
from tests.acceptance.support.installation import Installation
from tests.peers import phones
from tests.peers.centre import open_centre
from tests.peers.wire import first_of_each_call

pytestmark = pytest.mark.real


def subscribe_instead(installation: Installation) -> None:
    """No manager interface, but subscriptions on the one trunk."""
    settings = installation.folder / "acd.toml"
    before, _, _ = settings.read_text().partition("\n[feeds.ami]")
    settings.write_text(before + "\n[feeds.dialog_info]\n")


async def test_the_next_person_comes_when_the_agents_phone_is_idle(tmp_path: Path) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=300, talk_ms=1500)
    installation = await installation_with_feed(
        tmp_path, host=ADDRESSES.pbx, people=PEOPLE, prepare=subscribe_instead
    )
    async with open_centre(ADDRESSES, phone) as centre:
        async with installation.engine() as engine:
            await engine.wait_metric("acd_feed_up", 1, feed="dialog_info")
            await engine.wait_metric(HANDED_OVER, 2, campaign="sample", disposition="handed_over")
            assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    invites = traffic.to(ADDRESSES.agent_101, "INVITE")
    # The campaign's handle time is 180 s: without the feed the second one would wait for that.
    assert_one_at_a_time(traffic, calls=len(first_of_each_call(invites)))
    talked = [row for row in installation.rows("attempts") if row["talk_seconds"] is not None]
    assert talked
    assert all(row["agent_answered_at"] is not None for row in talked)
