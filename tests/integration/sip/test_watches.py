"""A watched extension whose subscription is refreshed, lost, refused, or outlived; and real calls.

What every trunk promises of a watch stands in `tests/contract/lines/test_watches.py`.
"""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack, ExitStack

import pytest
import trio

from acd.errors import BindingTooSmall
from acd.lines import ExtensionState, ExtensionUpdate, ExtensionUpdates, TrunkStatus
from acd.sip.limits import BUDDIES_PER_WATCH, compiled_limits
from tests.integration.sip.call_centre import (
    AGENT,
    call_and_hand_over,
    open_engine,
    run_pbx,
)
from tests.integration.sip.conftest import Bench, wait_status
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.sipp.steps import (
    accept_subscription,
    notify_dialogs,
    pause,
    reply,
    subscribe,
    subscribe_again,
)
from tests.peers.wire import select

pytestmark = pytest.mark.real

HERE = Addresses.free()
WHOLE_SECONDS = 90
_FOR_LONG = pause(60_000)
_TOLD_FOR_2_SECONDS = notify_dialogs("confirmed", subscription="active;expires=2")


async def take_until(updates: ExtensionUpdates, state: ExtensionState) -> list[ExtensionUpdate]:
    """Updates up to and with the first of this state."""
    taken: list[ExtensionUpdate] = []
    while not taken or taken[-1].state is not state:
        taken.append(await updates.receive())
    return taken


async def test_an_agents_phone_rings_talks_and_is_idle_again() -> None:
    with ExitStack() as peers, trio.fail_after(WHOLE_SECONDS):
        peers.enter_context(phones.carrier(HERE.carrier))
        peers.enter_context(phones.agent_answers(HERE.agent_101))
        async with run_pbx(HERE), open_engine(HERE) as (_, trunk):
            await wait_status(trunk, TrunkStatus.UP)
            async with trunk.watch(AGENT) as updates:
                await take_until(updates, ExtensionState.IDLE)
                await call_and_hand_over(trunk)
                course = await take_until(updates, ExtensionState.IDLE)
    states = [update.state for update in course]
    assert states == [ExtensionState.RINGING, ExtensionState.IN_USE, ExtensionState.IDLE]


async def test_a_pbx_that_died_leaves_its_extensions_unknown_until_it_is_back() -> None:
    with ExitStack() as peers, trio.fail_after(WHOLE_SECONDS):
        peers.enter_context(phones.agent_answers(HERE.agent_101))
        async with AsyncExitStack() as engine:
            async with run_pbx(HERE) as pbx:
                _, trunk = await engine.enter_async_context(open_engine(HERE))
                await wait_status(trunk, TrunkStatus.UP)
                updates = await engine.enter_async_context(trunk.watch(AGENT))
                await take_until(updates, ExtensionState.IDLE)
                os.kill(pbx.pid, signal.SIGKILL)
                (lost,) = await take_until(updates, ExtensionState.UNKNOWN)
                assert lost.detail == "the PBX does not answer"
            async with run_pbx(HERE):
                await take_until(updates, ExtensionState.IDLE)


@pytest.mark.parametrize("word", ["481 No Subscription", "401 Unauthorized"])
async def test_a_pbx_that_forgot_the_subscription_or_who_we_are_is_asked_for_a_new_one(
    bench: Bench, word: str
) -> None:
    pbx = bench.pbx(
        *(subscribe(), accept_subscription(expires_seconds=2), _TOLD_FOR_2_SECONDS),
        *(subscribe_again(), reply(word), _FOR_LONG),
    )
    trunk = await bench.trunk(str(pbx.bind))
    async with trunk.watch("101") as updates:
        await take_until(updates, ExtensionState.IN_USE)
        (lost,) = await take_until(updates, ExtensionState.UNKNOWN)
        assert lost.detail == f"SUBSCRIBE was answered {word[:3]}"
        await take_until(updates, ExtensionState.IN_USE)


async def test_a_subscription_is_refreshed_before_it_expires(bench: Bench) -> None:
    again = (subscribe_again(), accept_subscription(expires_seconds=2))
    pbx = bench.pbx(
        *(subscribe(), accept_subscription(expires_seconds=2), _TOLD_FOR_2_SECONDS),
        *(*again, *again, *again, notify_dialogs("early"), _FOR_LONG),
    )
    trunk = await bench.trunk(str(pbx.bind))
    async with trunk.watch("101") as updates:
        course = await take_until(updates, ExtensionState.RINGING)
    # Never lost in between.
    assert [u.state for u in course] == [ExtensionState.IN_USE, ExtensionState.RINGING]


async def test_a_subscription_that_the_pbx_ends_is_begun_again(bench: Bench) -> None:
    pbx = bench.pbx(
        *(subscribe(), accept_subscription(expires_seconds=60), notify_dialogs("confirmed")),
        notify_dialogs("terminated", subscription="terminated;reason=noresource"),
    )
    trunk = await bench.trunk(str(pbx.bind))
    async with trunk.watch("101") as updates:
        await take_until(updates, ExtensionState.IN_USE)
        lost = (await take_until(updates, ExtensionState.UNKNOWN))[-1]
        assert lost.detail == "the PBX ended the subscription"
        await take_until(updates, ExtensionState.IN_USE)


async def test_a_refused_subscription_is_unknown_with_the_status(bench: Bench) -> None:
    pbx = bench.pbx(subscribe(), reply("404 Not Found"))
    trunk = await bench.trunk(str(pbx.bind))
    async with trunk.watch("101") as updates:
        (refused,) = await take_until(updates, ExtensionState.UNKNOWN)
    assert refused.detail == "SUBSCRIBE was answered 404"


async def test_leaving_a_watch_ends_its_subscription(bench: Bench) -> None:
    pbx = bench.pbx(
        *(subscribe(), accept_subscription(expires_seconds=60), notify_dialogs("early")),
        *(subscribe_again(), accept_subscription(expires_seconds=0)),
    )
    trunk = await bench.trunk(str(pbx.bind))
    async with trunk.watch("101") as updates:
        await take_until(updates, ExtensionState.RINGING)
    while select(bench.messages(), "SUBSCRIBE")[-1].get("Expires") != "0":
        await bench.breathe()


async def test_more_extensions_than_the_binding_can_watch_are_refused_before_pjsua_would(
    bench: Bench,
) -> None:
    pbx = bench.pbx(subscribe(), reply("489 Bad Event"))
    trunk = await bench.trunk(str(pbx.bind))
    most = compiled_limits().buddies // BUDDIES_PER_WATCH
    async with AsyncExitStack() as watches:
        all_updates = [
            await watches.enter_async_context(trunk.watch(f"{number}")) for number in range(most)
        ]
        with pytest.raises(BindingTooSmall, match=rf"^{most + 1} extensions .* watches {most};"):
            await watches.enter_async_context(trunk.watch("one-more"))
        # pjsua had room for all the others: each was asked for, and refused by the PBX.
        for updates in all_updates:
            (refused,) = await take_until(updates, ExtensionState.UNKNOWN)
            assert refused.detail == "SUBSCRIBE was answered 489"
