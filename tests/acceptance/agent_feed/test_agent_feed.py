"""The engine is told by Asterisk what agents do, and dials for those who are free alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.acceptance.support.installation import Installation, edit
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import MANAGER, MANAGER_SECRET
from tests.peers.centre import Centre, Traffic, open_centre
from tests.peers.cut import open_way
from tests.peers.watching import wait_on_wire
from tests.peers.wire import first_of_each_call

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
PEOPLE = ("030/23125 001", "030/23125 101", "030/23125 201", "030/23125 301")
"""All of them answer: the carrier looks at the last two digits."""
HANDED_OVER = "acd_dispositions_total"


async def installation_with_feed(
    folder: Path,
    *,
    host: str,
    port: int = 5038,
    people: Sequence[str] = PEOPLE[:2],
    prepare: Callable[[Installation], None] = lambda _: None,
) -> Installation:
    """The sample campaign for agent 101, told by the manager interface at host and port.

    `prepare` may change files before the leads are imported.
    """
    installation = Installation.fresh(folder)
    (folder / "acd.toml").write_text((folder / "acd.example.toml").read_text())
    installation.settle(pbx=ADDRESSES.pbx)
    installation.prepare_sample()
    secret = folder / "manager.password"
    secret.write_text(MANAGER_SECRET + "\n")
    secret.chmod(0o600)
    with (folder / "acd.toml").open("a") as settings:
        settings.write(
            f'\n[feeds.ami]\nhost = "{host}"\nport = {port}\nuser = "{MANAGER}"\n'
            'password_file = "manager.password"\n'
        )
    prepare(installation)
    await fill(installation, "sample", people)
    return installation


async def fill(installation: Installation, campaign: str, people: Sequence[str]) -> None:
    """Give a campaign these leads, and start it."""
    leads = installation.folder / "campaigns" / campaign / "leads.csv"
    leads.write_text("Telefon\n" + "\n".join(people) + "\n")
    await installation.succeed(
        f"acd leads import {campaign} campaigns/{campaign}/leads.csv",
        f"acd campaign start {campaign}",
    )


async def pause(centre: Centre, word: str) -> None:
    await centre.pbx.cli(f"queue {word} member PJSIP/101 queue sales")


async def test_nobody_is_dialed_for_an_agent_who_has_paused(tmp_path: Path) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, talk_ms=300)
    installation = await installation_with_feed(tmp_path, host=ADDRESSES.pbx)
    async with open_centre(ADDRESSES, phone) as centre:
        await pause(centre, "pause")
        async with installation.engine() as engine:
            await engine.wait_metric("acd_feed_up", 1, feed="ami")
            await engine.wait_metric("acd_trunk_up", 1, trunk="main")
            await engine.wait_metric("acd_agents", 1, state="not_ready")
            assert not centre.traffic().from_engine("INVITE")
            await pause(centre, "unpause")
            await engine.wait_metric(HANDED_OVER, 2, campaign="sample", disposition="handed_over")
            assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    # The campaign's handle time is 180 s: without the feed the second one would wait for that.
    assert_one_at_a_time(traffic, calls=2)


async def test_a_feed_that_is_lost_while_a_phone_rings_stops_the_dialing_until_it_is_back(
    tmp_path: Path,
) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=1000, talk_ms=2500)
    async with (
        open_centre(ADDRESSES, phone) as centre,
        open_way(server=(ADDRESSES.pbx, 5038)) as way,
    ):
        installation = await installation_with_feed(tmp_path, host=way.host, port=way.port)
        async with installation.engine() as engine:
            await wait_on_wire(centre.wire, lambda _: centre.traffic().from_engine("REFER"))
            way.cut()
            await engine.wait_metric("acd_feed_up", 0, feed="ami")
            await engine.wait_metric(HANDED_OVER, 1, campaign="sample", disposition="handed_over")
            await wait_on_wire(
                centre.wire, lambda _: centre.traffic().of(ADDRESSES.agent_101, "BYE")
            )
            assert engine.metric("acd_agents", state="ready") == 0
            dialed = centre.traffic().to(ADDRESSES.carrier, "INVITE")
            assert len(first_of_each_call(dialed)) == 1
            await way.mend()
            await engine.wait_metric(HANDED_OVER, 2, campaign="sample", disposition="handed_over")
            assert await engine.end() == 0, engine.log()
            assert "feed.lost" in engine.log()


async def test_two_campaigns_that_share_an_agent_give_them_one_person_at_a_time(
    tmp_path: Path,
) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=200)
    async with open_centre(ADDRESSES, phone) as centre:
        installation = await installation_with_feed(tmp_path, host=ADDRESSES.pbx)
        sample = installation.folder / "campaigns" / "sample"
        other = installation.folder / "campaigns" / "other"
        other.mkdir()
        (other / "campaign.toml").write_text((sample / "campaign.toml").read_text())
        edit(other / "campaign.toml", {"max_attempts": "3"})
        await fill(installation, "other", PEOPLE[2:])
        async with installation.engine() as engine:
            for campaign in ("sample", "other"):
                await engine.wait_metric(
                    HANDED_OVER, 2, campaign=campaign, disposition="handed_over"
                )
            assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    assert_one_at_a_time(traffic, calls=4)


def assert_one_at_a_time(traffic: Traffic, *, calls: int) -> None:
    """The agent's phone is called when its last call is over."""
    invites = first_of_each_call(traffic.to(ADDRESSES.agent_101, "INVITE"))
    ends = first_of_each_call(traffic.of(ADDRESSES.agent_101, "BYE"))
    assert len(invites) == calls, traffic
    for end, following in zip(ends, invites[1:], strict=False):
        assert end.at_seconds < following.at_seconds
