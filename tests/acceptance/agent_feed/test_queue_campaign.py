"""A campaign whose agents are a queue of Asterisk: as many people as it has members for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from tests.acceptance.agent_feed.test_agent_feed import (
    ADDRESSES,
    HANDED_OVER,
    PEOPLE,
    installation_with_feed,
    pause,
)
from tests.acceptance.support.installation import Engine, Installation, edit
from tests.acceptance.support.records import seconds
from tests.peers import phones
from tests.peers.centre import Centre, Traffic, open_centre
from tests.peers.cut import open_way
from tests.peers.watching import wait_on_wire
from tests.peers.wire import first_of_each_call

pytestmark = pytest.mark.real

LATE_SECONDS = 2.0
"""Events of three queues in a row (Asterisk's, the engine's, SQL's), on a busy machine."""


def use_queue(installation: Installation) -> None:
    """Ten places in the documented queue; by the clock each would be busy for three minutes."""
    campaign = installation.folder / "campaigns" / "sample" / "campaign.toml"
    text = campaign.read_text()
    assert 'extensions = ["101"]' in text
    text = text.replace('extensions = ["101"]', 'queue = "sales"\nslots = 10')
    campaign.write_text(text)


async def only_101(centre: Centre) -> None:
    await centre.pbx.cli("queue pause member PJSIP/102 queue sales")


async def test_nobody_waits_in_a_queue_that_has_one_member(tmp_path: Path) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=300)
    installation = await installation_with_feed(
        tmp_path, host=ADDRESSES.pbx, people=PEOPLE, prepare=use_queue
    )
    (tmp_path / "agents.csv").write_text("name,extension\nanna,101\n")
    await installation.succeed("acd agents import agents.csv")
    async with open_centre(ADDRESSES, phone) as centre:
        await only_101(centre)
        async with installation.engine() as engine:
            await engine.wait_metric(HANDED_OVER, 4, campaign="sample", disposition="handed_over")
            await wait_talks(installation, len(PEOPLE))
            assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    assert_never_two_in_the_queue(traffic)
    assert_times_of_the_wire(installation, traffic)
    assert {row["agent"] for row in installation.rows("attempts")} == {"101"}
    (told,) = await installation.succeed("acd agents times --json")
    (anna,) = json.loads(told.stdout)["agents"]
    assert anna["persons"] == len(PEOPLE), "hers are those whom the queue gave her phone"


async def test_nobody_is_dialed_for_a_queue_whose_members_have_all_paused(tmp_path: Path) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=300)
    installation = await installation_with_feed(tmp_path, host=ADDRESSES.pbx, prepare=use_queue)
    async with open_centre(ADDRESSES, phone) as centre:
        await only_101(centre)
        await pause(centre, "pause")
        async with installation.engine() as engine:
            await wait_nobody_free(engine)
            assert not centre.traffic().from_engine("INVITE")
            await pause(centre, "unpause")
            await engine.wait_metric(HANDED_OVER, 2, campaign="sample", disposition="handed_over")
            assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    assert_nobody_waited(installation, traffic)


async def test_nobody_is_dialed_for_a_queue_without_members_until_one_comes(
    tmp_path: Path,
) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=300)
    installation = await installation_with_feed(tmp_path, host=ADDRESSES.pbx, prepare=use_support)
    async with open_centre(ADDRESSES, phone) as centre:
        await add_support(centre)
        async with installation.engine() as engine:
            await wait_nobody_free(engine)
            assert not centre.traffic().from_engine("INVITE")
            await centre.pbx.cli("queue add member PJSIP/101 to support")
            await engine.wait_metric(HANDED_OVER, 2, campaign="sample", disposition="handed_over")
            assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    assert_nobody_waited(installation, traffic)


async def test_nobody_is_dialed_for_a_member_who_was_removed_while_they_talked(
    tmp_path: Path,
) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=1500)
    installation = await installation_with_feed(tmp_path, host=ADDRESSES.pbx, prepare=use_support)
    async with open_centre(ADDRESSES, phone) as centre:
        await add_support(centre)
        await centre.pbx.cli("queue add member PJSIP/101 to support")
        async with installation.engine() as engine:
            await engine.wait_metric(HANDED_OVER, 1, campaign="sample", disposition="handed_over")
            await centre.pbx.cli("queue remove member PJSIP/101 from support")
            await wait_talks(installation, 1)
            await wait_nobody_free(engine)
            assert len(dialed(centre.traffic())) == 1
            await centre.pbx.cli("queue add member PJSIP/101 to support")
            await engine.wait_metric(HANDED_OVER, 2, campaign="sample", disposition="handed_over")
            assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    assert_nobody_waited(installation, traffic)


async def test_a_queue_that_was_renamed_stops_its_campaign(tmp_path: Path) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101)
    installation = await installation_with_feed(
        tmp_path, host=ADDRESSES.pbx, people=PEOPLE, prepare=use_renamed
    )
    async with open_centre(ADDRESSES, phone) as centre, installation.engine() as engine:
        await engine.wait_metric("acd_agents_benched_total", 1, campaign="sample")
        await wait_nobody_free(engine)
        (told,) = engine.logged("agent.benched")
        assert told["agent"] == "renamed"
        assert await engine.end() == 0, engine.log()
        assert len(dialed(centre.traffic())) == 3, "no_answer_limit"


def use_renamed(installation: Installation) -> None:
    """As `use_queue`, of a queue of which Asterisk knows nothing."""
    campaign = installation.folder / "campaigns" / "sample" / "campaign.toml"
    use_queue(installation)
    edit(campaign, {"queue": '"renamed"', "slots": "1", "wait_limit_seconds": "1.0"})


def use_support(installation: Installation) -> None:
    """As `use_queue`, of a queue that nobody is a member of."""
    use_queue(installation)
    edit(installation.folder / "campaigns" / "sample" / "campaign.toml", {"queue": '"support"'})


async def add_support(centre: Centre) -> None:
    """Let the dialplan lead to it as to the documented one."""
    for step in ("1,Set,CHANNEL(tonezone)=acd-silent", "2,Queue,support,r,,,60", "3,Hangup"):
        priority, application, *values = step.split(",", 2)
        said = f"{application}({values[0] if values else ''})"
        await centre.pbx.cli(f"dialplan add extension support,{priority},{said} into acd-agents")


async def wait_nobody_free(engine: Engine) -> None:
    """Wait until everything is up, and the campaign says why it does not dial."""
    await engine.wait_metric("acd_feed_up", 1, feed="ami")
    await engine.wait_metric("acd_trunk_up", 1, trunk="main")
    await engine.wait_metric("acd_campaign_hold", 1, campaign="sample", reason="no_ready_agent")


def assert_nobody_waited(installation: Installation, traffic: Traffic) -> None:
    """Whoever answered was sent to the queue, and the member's phone called, at once."""
    answers = first_of_each_call(traffic.of(ADDRESSES.carrier, 200, cseq="INVITE"))
    rings = first_of_each_call(traffic.of(ADDRESSES.agent_101, 180))
    assert len(answers) == len(rings) == 2, traffic
    for answer, ring in zip(answers, rings, strict=True):
        assert ring.at_seconds - answer.at_seconds < LATE_SECONDS
    assert not [row for row in installation.rows("attempts") if row["abandoned"]]


async def test_a_lost_feed_stops_the_dialing_for_a_queue_until_it_is_back(tmp_path: Path) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=500, talk_ms=1000)
    async with (
        open_centre(ADDRESSES, phone) as centre,
        open_way(server=(ADDRESSES.pbx, 5038)) as way,
    ):
        await only_101(centre)
        installation = await installation_with_feed(
            tmp_path, host=way.host, port=way.port, prepare=use_queue
        )
        async with installation.engine() as engine:
            # On a busy machine the engine alone takes seconds to start.
            await wait_on_wire(
                centre.wire, lambda _: centre.traffic().from_engine("REFER"), timeout_seconds=30
            )
            way.cut()
            await engine.wait_metric("acd_feed_up", 0, feed="ami")
            await engine.wait_metric(HANDED_OVER, 1, campaign="sample", disposition="handed_over")
            await wait_on_wire(
                centre.wire, lambda _: centre.traffic().of(ADDRESSES.agent_101, "BYE")
            )
            assert engine.metric("acd_agents", state="ready") == 0
            assert len(dialed(centre.traffic())) == 1
            await way.mend()
            await engine.wait_metric(HANDED_OVER, 2, campaign="sample", disposition="handed_over")
            assert await engine.end() == 0, engine.log()


def dialed(traffic: Traffic) -> list[float]:
    """When each person was called."""
    return [m.at_seconds for m in first_of_each_call(traffic.to(ADDRESSES.carrier, "INVITE"))]


async def wait_talks(installation: Installation, count: int) -> None:
    """Wait until so many people's talks are over."""
    with trio.fail_after(30):
        while True:
            talks = [row["talk_seconds"] for row in installation.rows("attempts")]
            if len(list(filter(None, talks))) >= count:
                return
            # Another process writes the rows: they can only be read again.
            await trio.sleep(0.1)


def assert_times_of_the_wire(installation: Installation, traffic: Traffic) -> None:
    """Each person's row has the ringing, the answer and the talk of the member who had them."""
    rows = sorted(installation.rows("attempts"), key=lambda row: str(row["answered_at"]))
    for row, rang, answered, bye in zip(
        rows,
        traffic.of(ADDRESSES.agent_101, 180),
        first_of_each_call(traffic.of(ADDRESSES.agent_101, 200, cseq="INVITE")),
        first_of_each_call(traffic.of(ADDRESSES.agent_101, "BYE")),
        strict=True,
    ):
        assert abs(seconds(row["agent_rang_at"]) - rang.at_seconds) < LATE_SECONDS
        assert abs(seconds(row["agent_answered_at"]) - answered.at_seconds) < LATE_SECONDS
        assert abs(row["talk_seconds"] - (bye.at_seconds - answered.at_seconds)) < LATE_SECONDS


def assert_never_two_in_the_queue(traffic: Traffic) -> None:
    """Nobody is called before the one before has left the member."""
    ends = [m.at_seconds for m in first_of_each_call(traffic.of(ADDRESSES.agent_101, "BYE"))]
    starts = dialed(traffic)
    assert len(starts) == len(ends) == len(PEOPLE), traffic
    for end, start in zip(ends, starts[1:], strict=False):
        assert end < start, traffic
