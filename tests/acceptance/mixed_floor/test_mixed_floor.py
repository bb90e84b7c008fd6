"""A floor as it is, and books that are right: thirty agents of two campaigns behind one Asterisk.

Most agents pick up; some phones are busy, some ring unheard, some are unplugged, some extensions
the PBX does not know, and some agents take a pause in the middle. People answer, are busy, do not
pick up, or hang up before an agent is there. What became of each of them is read from the wire
beside Asterisk (`tests.acceptance.support.stories`), and then SQL, the reports and /metrics are
held against it, number by number and in the sums.

What the wire shows is judged by these rules:

- Who had an agent within `wait_limit_seconds` after their own 200 was handed over, whoever the
  agent is: the one whom they were sent to, the next one after a phone that the PBX does not know
  (docs/agents.md, "Who does not pick up"), or a member of the queue to which the dialplan sends the
  person of a busy, silent or unplugged agent (docs/pbx-asterisk.md, "The dialplan").
- Who had none by then was abandoned, also when one picked up later
  (docs/agents.md, "Too late, or gone").
- Who hung up by themselves before that was not, and is no live answer either
  (docs/agents.md, "Too late, or gone"; `acd.store.counts.ledger_counts`), nor has their agent
  missed them.
- A wait that ends within `MARGIN_SECONDS` of the limit may count as either.
- Calls beyond the free agents need the ledger: none before 34 live answers at 3 %
  (`acd.rules.ledger.headroom`), and that of every campaign which dials for these agents
  (`acd.dialer.sharing`).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.acceptance.support.floor import ANSWERS, RINGS, floor_installation, number
from tests.acceptance.support.installation import Engine, Installation
from tests.acceptance.support.records import seconds
from tests.acceptance.support.stories import (
    Story,
    assert_one_person_at_a_time,
    offers_by_agent,
    read_stories,
)
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import Asterisk, run_asterisk
from tests.peers.registering import register
from tests.peers.watching import wait_on_wire
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

HERE = Addresses.free()
BUSY, IMPATIENT = "86", "70"
"""More of a lead's last two digits."""
LIMITS = {"sample": Decimal(3), "second": Decimal(10)}
"""Campaign → its `abandon_limit_percent`."""
LEADS = 120
"""Of each."""
WAIT_LIMIT_SECONDS = 4.0
RING_SECONDS, QUEUE_SECONDS = 2, 8
"""How long Asterisk tries an agent's phone, and the queue after that."""
MARGIN_SECONDS = 0.7
"""Asterisk's, the manager interface's and the engine's queues, on a busy machine."""
PAUSE_SECONDS = 2.0
"""docs/agents.md: a command is taken up within a second; a REFER may be on its way by then."""
DIALING_SECONDS = 150
"""About forty are needed where nobody else is at work."""

FREE, BUSY_PHONES, SILENT, COLLEAGUES, TALKERS, PULLED, DEAD = (
    f"{HERE.network}.{place}" for place in range(10, 17)
)
"""The addresses of phones; the dead one's nobody is at."""
PHONES: Mapping[str, tuple[str, ...]] = {
    FREE: tuple(str(extension) for extension in (*range(201, 217), 253, 254, 261, 262)),
    BUSY_PHONES: ("221", "222", "223"),
    SILENT: ("231", "232", "233"),
    TALKERS: ("251", "252"),
    PULLED: ("241",),
    DEAD: ("242",),
}
QUEUE_MEMBERS = ("101", "102")
"""The documented queue's, who serve no campaign: whom the dialplan sends on, they take."""
UNKNOWN_TO_PBX = ("261", "262")
UNPLUGGED = {"241": PULLED, "242": DEAD}
FLOOR = tuple(extension for extensions in PHONES.values() for extension in extensions)


def people(campaign: str) -> list[str]:
    """One in 20 is busy, one in 40 does not pick up, one in 12 hangs up at once."""
    first = list(LIMITS).index(campaign) * 1000
    return [number(first + lead, _kind(lead)) for lead in range(LEADS)]


def _kind(lead: int) -> str:
    if lead % 20 == 5:
        return BUSY
    if lead % 40 == 7:
        return RINGS
    return IMPATIENT if lead % 12 == 3 else ANSWERS


@dataclass(slots=True)
class Floor:
    """What runs, and what was done to it."""

    installation: Installation
    pbx: Asterisk
    paused_at: dict[str, float] = field(default_factory=dict)
    """Extension → when the word was taken, on the wire's clock."""

    async def work_through(self) -> None:
        """Until each lead has its disposition, while phones are unplugged and agents pause."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(unplug_while_it_rings)
            nursery.start_soon(unplug_before_it_rings)
            nursery.start_soon(pause_on_a_call, "251", self.pause_in_queue)
            nursery.start_soon(pause_on_a_call, "252", self.say_not_ready)
            await wait_rows(self.installation, "abandoned", at_least=1)
            for member in QUEUE_MEMBERS:
                await self.pbx.cli(f"queue unpause member PJSIP/{member} queue sales")
            await self.pause_in_queue("253")
            await self.say_not_ready("254")
        await wait_rows(self.installation, "disposition", at_least=LEADS * len(LIMITS))

    async def pause_in_queue(self, extension: str) -> None:
        """Nobody is sent to this queue; a pause in any counts."""
        await self.pbx.cli(f"queue pause member PJSIP/{extension} queue support")
        self.paused_at[extension] = time.time()

    async def say_not_ready(self, extension: str) -> None:
        await self.installation.succeed(f"acd agents not-ready a{extension} --reason lunch")
        self.paused_at[extension] = time.time()


async def test_books_are_what_the_wire_says_of_every_person_and_every_agent(
    tmp_path: Path,
) -> None:
    installation = await installation_of_two(tmp_path)
    known = {
        extension: "" if extension in UNPLUGGED else f"{address}:5060"
        for address, extensions in PHONES.items()
        for extension in extensions
    }
    known |= dict.fromkeys(QUEUE_MEMBERS, f"{COLLEAGUES}:5060")
    async with run_asterisk(address=HERE.pbx, carrier=f"{HERE.carrier}:5060", agents=known) as pbx:
        await prepare(pbx)
        floor = Floor(installation, pbx)
        with Wire(HERE.pbx, port=5060) as wire, people_and_phones():
            async with installation.engine() as engine:
                await floor.work_through()
                await engine.read_metrics()
                agents = await told(installation, "acd agents list --json")
                assert await engine.end() == 0, engine.log()
            stories = read_stories(wire.sip(), carrier=HERE.carrier, phones=[*PHONES, COLLEAGUES])
    rows = rows_by_number(installation)
    assert {n for n, story in stories.items() if story.calls} == set(rows) == everybody()
    for called, story in stories.items():
        assert len(story.calls) == 1, "nobody was called twice"
        assert_row_is_story(rows[called], story)
    for campaign in LIMITS:
        report = await told(installation, f"acd report {campaign} --json")
        mine = {called: rows[called] for called in people(campaign)}
        assert_sums(mine, {called: stories[called] for called in mine}, report, engine, campaign)
    assert_one_person_at_a_time(stories)
    assert_ceiling(stories, floor.paused_at)
    assert_paused_have_nobody(stories, floor.paused_at)
    assert_floor_was_mixed(stories)
    states = {agent["extension"]: agent["state"] for agent in agents}
    for extension in (*UNPLUGGED, *UNKNOWN_TO_PBX, *floor.paused_at):
        assert states[extension] in ("not_ready", "logged_off"), (extension, agents)


@contextmanager
def people_and_phones() -> Iterator[None]:
    """All who answer calls, but for the phone that is pulled while it rings."""
    with ExitStack() as peers:
        for phone in (
            phones.carrier(HERE.carrier),
            phones.agent_answers(FREE, talk_ms=1500),
            phones.agent_answers(TALKERS, talk_ms=6000),
            phones.agent_answers(COLLEAGUES, talk_ms=1000),
            phones.agent_busy(BUSY_PHONES),
            phones.agent_silent(SILENT),
        ):
            peers.enter_context(phone)
            peers.callback(phone.stop, grace_seconds=0.2)
        yield


async def installation_of_two(folder: Path) -> Installation:
    """Two campaigns, started, whose agents are the same: those whom SQL assigns to both."""
    installation = await floor_installation(
        folder,
        pbx=HERE.pbx,
        manager=(HERE.pbx, 5038),
        extensions=[],
        leads=people("sample"),
        lines=100,
        campaign=f'dial_mode = "ratio"\ncalls_per_agent = 2\nramp_seconds = 5\n'
        f"wait_limit_seconds = {WAIT_LIMIT_SECONDS}",
    )
    first, second = folder / "campaigns" / "sample", folder / "campaigns" / "second"
    second.mkdir()
    limit = f"abandon_limit_percent = {LIMITS['second']}\n"
    (second / "campaign.toml").write_text(limit + (first / "campaign.toml").read_text())
    (second / "leads.csv").write_text("phone\n" + "\n".join(people("second")) + "\n")
    agents = (f"a{extension},{extension},sample second" for extension in FLOOR)
    (folder / "agents.csv").write_text("\n".join(["name,extension,campaigns", *agents, ""]))
    await installation.succeed(
        "acd leads import second campaigns/second/leads.csv",
        "acd campaign start second",
        "acd agents import agents.csv",
        "acd agents ready " + " ".join(f"a{extension}" for extension in FLOOR),
    )
    return installation


async def prepare(pbx: Asterisk) -> None:
    """As documented for a PBX with the manager interface; the queue's members are at lunch."""
    for name, value in (
        ("ACD_TONE_ZONE", "acd-ringing"),
        ("ACD_RING_SECONDS", RING_SECONDS),
        ("ACD_QUEUE_SECONDS", QUEUE_SECONDS),
    ):
        await pbx.cli(f"dialplan set global {name} {value}")
    for extension in UNKNOWN_TO_PBX:
        await pbx.cli(f"dialplan remove extension {extension}@acd-agents")
    for extension in ("251", "253"):
        await pbx.cli(f"queue add member PJSIP/{extension} to support")
    for member in QUEUE_MEMBERS:
        await pbx.cli(f"queue pause member PJSIP/{member} queue sales")
    for extension, address in UNPLUGGED.items():
        await register(HERE.pbx, extension, address)


async def unplug_while_it_rings() -> None:
    """Its process ends, and the registration a moment later."""
    with Wire(PULLED, port=5060) as wire, phones.agent_silent(PULLED) as phone:
        await wait_on_wire(wire, lambda seen: select(seen, 180), timeout_seconds=DIALING_SECONDS)
        phone.stop(grace_seconds=0.0)
        await register(HERE.pbx, "241", PULLED, expires_seconds=0)


async def unplug_before_it_rings() -> None:
    """Its agent is reserved, and nobody answers the INVITE."""
    with Wire(DEAD, port=5060) as wire:
        await wait_on_wire(
            wire, lambda seen: select(seen, "INVITE"), timeout_seconds=DIALING_SECONDS
        )
        await register(HERE.pbx, "242", DEAD, expires_seconds=0)


async def pause_on_a_call(extension: str, pause: Callable[[str], Awaitable[None]]) -> None:
    """As soon as the phone is picked up."""
    with Wire(TALKERS, port=5060) as wire:
        await wait_on_wire(
            wire,
            lambda seen: [
                message
                for message in select(seen, 200, cseq="INVITE")
                if f"sip:{extension}@" in message.get("to")
            ],
            timeout_seconds=DIALING_SECONDS,
        )
    await pause(extension)


async def wait_rows(installation: Installation, column: str, *, at_least: int) -> None:
    """Wait until so many attempts have something in this column, as `abandoned`."""
    with trio.fail_after(DIALING_SECONDS):
        while True:
            if sum(bool(row[column]) for row in installation.rows("attempts")) >= at_least:
                return
            # Another process writes the rows: they can only be read again.
            await trio.sleep(0.2)


async def told(installation: Installation, line: str) -> Any:
    (finished,) = await installation.succeed(line)
    return json.loads(finished.stdout)


def everybody() -> set[str]:
    return {called for campaign in LIMITS for called in people(campaign)}


def rows_by_number(installation: Installation) -> dict[str, dict[str, Any]]:
    """Number → its one attempt's row."""
    numbers = {row["number_id"]: row["e164"] for row in installation.rows("lead_numbers")}
    rows = installation.rows("attempts")
    found = {numbers[row["number_id"]]: row for row in rows}
    assert len(found) == len(rows), "one attempt for each"
    return found


def expected(story: Story) -> set[str]:
    """What may stand in the row: one disposition, but for who was too close to the limit."""
    if story.answered_at is None:
        return {"busy"} if story.refused == 486 else {"no_answer"}
    waited = story.alone_until - story.answered_at
    ended = {"handed_over"} if story.joined else {"lead_hung_up", "handed_over_unconfirmed"}
    if story.joined is None and not story.hung_up:
        return {"abandoned"}
    if abs(waited - WAIT_LIMIT_SECONDS) <= MARGIN_SECONDS:
        return {"abandoned"} | ended
    return ended if waited < WAIT_LIMIT_SECONDS else {"abandoned"}


def assert_row_is_story(row: Mapping[str, Any], story: Story) -> None:
    """One person, in SQL and on the wire."""
    what = f"{dict(row)}\n{story}"
    assert row["disposition"] in expected(story), what
    assert row["abandoned"] == (row["disposition"] == "abandoned"), what
    assert_moment(row["answered_at"], story.answered_at, what)
    joined = story.joined
    if row["disposition"] == "handed_over":
        assert joined is not None, what
        assert row["agent"] == joined.agent, what
        assert row["transfer_result"] == "answered", what
        assert_moment(row["agent_answered_at"], joined.answered_at, what)
        assert abs(row["wait_seconds"] - (story.wait_seconds or 0.0)) < MARGIN_SECONDS, what
    elif joined is None:
        assert row["agent_answered_at"] is None, what


def assert_moment(written: str | None, seen: float | None, what: str) -> None:
    assert (written is None) == (seen is None), what
    if written is not None and seen is not None:
        assert abs(seconds(written) - seen) < MARGIN_SECONDS, what


def assert_sums(
    rows: Mapping[str, Mapping[str, Any]],
    stories: Mapping[str, Story],
    report: Mapping[str, Any],
    engine: Engine,
    campaign: str,
) -> None:
    """The report and /metrics of one campaign.

    Each row is what the wire says by now, so who was close to the limit is counted as there.
    """
    dispositions = Counter(row["disposition"] for row in rows.values())
    handed_over, abandoned = dispositions["handed_over"], dispositions["abandoned"]
    live = handed_over + abandoned
    assert report["attempts"] == LEADS
    assert report["dispositions"] == dispositions
    assert (report["live_answers"], report["abandoned"]) == (live, abandoned)
    assert report["abandon_rate"] == pytest.approx(abandoned / live)
    assert report["transfers"]["answered"] == handed_over
    referred = sum(bool(story.refers) for story in stories.values())
    assert sum(report["transfers"].values()) == referred
    assert engine.metric("acd_originates_total", campaign=campaign) == LEADS
    assert engine.metric("acd_live_answers_total", campaign=campaign) == live
    assert engine.metric("acd_abandoned_total", campaign=campaign) == abandoned
    assert engine.metric("acd_transfers_total", campaign=campaign, result="answered") == handed_over
    for disposition, count in dispositions.items():
        told = engine.metric("acd_dispositions_total", campaign=campaign, disposition=disposition)
        assert told == count, disposition


def assert_ceiling(stories: Mapping[str, Story], paused_at: Mapping[str, float]) -> None:
    """No INVITE left that neither a free agent nor each ledger stood for.

    Both campaigns together, because the agents are the same: whose person is left without one is
    not known before. Whoever an agent is on the way to is
    counted as needing one, and the agent as free, until the phone is called.
    """
    offers = offers_by_agent(stories)
    for story in stories.values():
        at = story.dialed_at
        free = [
            extension
            for extension in FLOOR
            if at < paused_at.get(extension, at) + PAUSE_SECONDS
            and not any(o.at_seconds <= at < o.free_at for o in offers.get(extension, []))
        ]
        needed = sum(
            other.in_flight(at, limit_seconds=WAIT_LIMIT_SECONDS) for other in stories.values()
        )
        room = min(
            headroom(stories, campaign, at_seconds=at)
            for campaign in LIMITS
            if campaign_is_dialing(stories, campaign, at_seconds=at)
        )
        assert needed <= len(free) + room, (story, needed, free, room)


def campaign_is_dialing(stories: Mapping[str, Story], campaign: str, *, at_seconds: float) -> bool:
    """Whether it has calls under way, or people to dial yet."""
    return any(
        story.dialed_at >= at_seconds
        or story.in_flight(at_seconds, limit_seconds=WAIT_LIMIT_SECONDS)
        for story in (stories[called] for called in people(campaign))
    )


def headroom(stories: Mapping[str, Story], campaign: str, *, at_seconds: float) -> int:
    """What the ledger bears by the wire, and `MARGIN_SECONDS` after what was abandoned."""
    live = abandoned = 0
    for called in people(campaign):
        story = stories[called]
        if story.answered_at is None or story.answered_at > at_seconds:
            continue
        late_at = story.answered_at + WAIT_LIMIT_SECONDS
        if story.alone_until > late_at:
            live += late_at < at_seconds
            abandoned += late_at + 2 * MARGIN_SECONDS < at_seconds
        elif story.joined:
            live += story.alone_until < at_seconds
    return max(0, int(live * LIMITS[campaign] / 100) - abandoned)


def assert_paused_have_nobody(stories: Mapping[str, Story], paused_at: Mapping[str, float]) -> None:
    offers = offers_by_agent(stories)
    assert set(paused_at) == {"251", "252", "253", "254"}
    for extension, since in paused_at.items():
        late = [o for o in offers.get(extension, []) if o.at_seconds > since + PAUSE_SECONDS]
        assert not late, (extension, since, late)


def assert_floor_was_mixed(stories: Mapping[str, Story]) -> None:
    """Everything that this floor is made of has happened."""
    offers = offers_by_agent(stories)
    assert {*FLOOR, *QUEUE_MEMBERS} - set(UNKNOWN_TO_PBX) == set(offers)
    served = [story for story in stories.values() if story.wait_seconds is not None]
    in_time = [s for s in served if (s.wait_seconds or 0.0) <= WAIT_LIMIT_SECONDS]
    by_colleagues = [s for s in in_time if s.joined and s.joined.agent in QUEUE_MEMBERS]
    assert by_colleagues, "the PBX's queue took over inside the limit"
    assert [s for s in in_time if s.refers > 1], "the next ready agent took over inside the limit"
    assert [s for s in stories.values() if s.answered_at and s.hung_up and not s.joined]
