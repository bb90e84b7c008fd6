"""BYE after the 202 and before a final NOTIFY, at a real SIPp: the agents' feed settles it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from acd.agents import AGENT_STATES, AgentId, AgentState, AgentUpdate, Phone, Word
from acd.agents_feed.fixed import FixedFeed
from acd.dialer.routing import Roster
from acd.store import Store, open_store_sync
from tests.integration.dialer.stages import SeeingFeed, Stage, StageMaker
from tests.integration.sip.call_centre import wait_all_free
from tests.integration.sip.conftest import Bench
from tests.peers.sipp.steps import ack, answer, hang_up, invite, refer
from tests.peers.wire import select

pytestmark = pytest.mark.real

AGENT = AgentId("201")
PICKED_UP_AFTER_SECONDS = 0.3


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store_sync(f"sqlite:///{tmp_path / 'acd.sqlite'}", create=True) as store:
        yield store


async def stage_of(bench: Bench, store: Store, *, seen: bool = True) -> Stage:
    """One lead behind a SIPp that hangs up after its 202, and one agent."""
    pbx = bench.pbx(invite(), answer(), ack(), refer(202), hang_up())
    trunk = await bench.trunk(str(pbx.bind))
    feed = (SeeingFeed if seen else FixedFeed)(bench.nursery)
    dialing = await StageMaker(store, bench.nursery).dialing(
        trunk, feed, wait_limit_seconds=5.0, agents={"extensions": [AGENT]}
    )
    return Stage(dialing, trio.Event())


async def until_byed(bench: Bench) -> None:
    while not select(bench.messages(), 200, cseq="BYE"):
        await bench.breathe()


def tell(roster: Roster, phone: Phone) -> None:
    state = AGENT_STATES[Word.NONE][phone]
    roster.apply(AgentUpdate(agent=AGENT, state=state, phone=phone))


async def test_an_agent_who_picks_up_after_the_bye_has_the_person(
    bench: Bench, store: Store
) -> None:
    stage = await stage_of(bench, store)
    roster = stage.dialing.roster

    async def pick_up() -> None:
        await until_byed(bench)
        tell(roster, Phone.RINGING)
        await trio.sleep(PICKED_UP_AFTER_SECONDS)
        tell(roster, Phone.IN_USE)

    bench.nursery.start_soon(pick_up)
    row = await stage.run()
    assert (row["disposition"], row["transfer_result"]) == ("handed_over", "answered")
    assert row["wait_seconds"] >= PICKED_UP_AFTER_SECONDS
    assert not row["abandoned"]
    assert roster.states() == {AgentState.ON_CALL: 1}
    tell(roster, Phone.IDLE)
    assert roster.states() == {AgentState.READY: 1}


@pytest.mark.parametrize("rings", [True, False], ids=["it rang", "it never rang"])
async def test_an_agent_whose_phone_is_idle_again_takes_the_next_person(
    bench: Bench, store: Store, rings: bool
) -> None:
    stage = await stage_of(bench, store)
    roster = stage.dialing.roster

    async def give_up() -> None:
        while not select(bench.messages(), "BYE"):
            await bench.breathe()
        if rings:
            tell(roster, Phone.RINGING)
        tell(roster, Phone.IDLE)

    bench.nursery.start_soon(give_up)
    row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("handed_over_unconfirmed", False)
    assert row["transferred_at"] is None
    assert roster.states() == {AgentState.READY: 1}
    await wait_all_free(stage.dialing.trunk, timeout_seconds=5)


async def test_where_no_phone_is_seen_the_agent_has_the_person_for_the_stated_time(
    bench: Bench, store: Store
) -> None:
    stage = await stage_of(bench, store, seen=False)
    row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("handed_over_unconfirmed", False)
    assert stage.dialing.roster.states() == {AgentState.ON_CALL: 1}
