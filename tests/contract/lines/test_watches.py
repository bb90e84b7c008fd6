"""The same promises of a watched extension, kept by the fake and by pjsua2 at Asterisk's hints.

The PBX's extensions are custom device states, which a test sets as it likes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

import pytest
import trio

from acd.lines import ExtensionState, ExtensionUpdates, Trunk, TrunkStatus
from acd.settings import TrunkSettings
from acd.sip import open_sip
from tests.fakes.lines import FakePool, FakeTrunk, Script
from tests.peers.addresses import Addresses
from tests.peers.asterisk import DIALER, DIALER_PASSWORD, Asterisk, run_asterisk

_HERE = Addresses.free()
PBX = _HERE.pbx
ENGINE = _HERE.dialer
NOBODY = f"{_HERE.carrier}:5060"
EXTENSION = "701"
WHOLE_SECONDS = 60

_DEVICE_STATES = {
    ExtensionState.IDLE: "NOT_INUSE",
    ExtensionState.RINGING: "RINGING",
    ExtensionState.IN_USE: "INUSE",
    ExtensionState.UNAVAILABLE: "UNAVAILABLE",
}


class Side(Protocol):
    """A trunk, and a PBX that says what the test wants of `EXTENSION`."""

    @property
    def trunk(self) -> Trunk: ...

    async def becomes(self, state: ExtensionState) -> None: ...


@dataclass
class FakeSide:
    trunk: FakeTrunk

    async def becomes(self, state: ExtensionState) -> None:
        await trio.lowlevel.checkpoint()
        self.trunk.extension_becomes(EXTENSION, state)


@dataclass
class SipSide:
    trunk: Trunk
    pbx: Asterisk

    async def becomes(self, state: ExtensionState) -> None:
        await self.pbx.cli(f"devstate change Custom:agent {_DEVICE_STATES[state]}")


@pytest.fixture(params=["fake", pytest.param("sip", marks=pytest.mark.real)])
async def side(request: pytest.FixtureRequest, nursery: trio.Nursery) -> AsyncIterator[Side]:
    nursery.cancel_scope.deadline = trio.current_time() + WHOLE_SECONDS
    if request.param == "fake":
        yield FakeSide(FakeTrunk(FakePool(nursery, 1, [Script()])))
        return
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(run_asterisk(address=PBX, carrier=NOBODY))
        await pbx.cli(f"dialplan add extension {EXTENSION},hint,Custom:agent into acd-agents")
        settings = TrunkSettings.model_validate(
            {
                "domain": PBX,
                "user": DIALER,
                "password": DIALER_PASSWORD,
                "lines": 1,
                "bind_address": ENGINE,
            }
        )
        trunk: Trunk = await nursery.start(_run_sip, settings)
        yield SipSide(trunk, pbx)
        nursery.cancel_scope.cancel()


async def _run_sip(
    settings: TrunkSettings, task_status: trio.TaskStatus[Trunk] = trio.TASK_STATUS_IGNORED
) -> None:
    """A task of its own: `open_sip` holds a nursery, which no fixture may keep open."""
    async with open_sip([settings]) as sip:
        trunk = sip.trunk("main")
        while trunk.health.status is not TrunkStatus.UP:
            await trunk.wait_health_change(trunk.health)
        task_status.started(trunk)
        await trio.sleep_forever()


async def _states(updates: ExtensionUpdates, count: int) -> list[ExtensionState]:
    return [(await updates.receive()).state for _ in range(count)]


async def test_states_are_told_in_their_order_from_where_the_extension_stands(side: Side) -> None:
    await side.becomes(ExtensionState.IDLE)
    course = [ExtensionState.RINGING, ExtensionState.IN_USE, ExtensionState.IDLE]
    async with side.trunk.watch(EXTENSION) as updates:
        assert await _states(updates, 1) == [ExtensionState.IDLE]
        for state in course:
            await side.becomes(state)
            assert await _states(updates, 1) == [state]


async def test_an_extension_without_a_phone_is_unavailable_and_never_idle(side: Side) -> None:
    await side.becomes(ExtensionState.UNAVAILABLE)
    async with side.trunk.watch(EXTENSION) as updates:
        assert await _states(updates, 1) == [ExtensionState.UNAVAILABLE]


async def test_two_watchers_of_an_extension_are_both_told(side: Side) -> None:
    await side.becomes(ExtensionState.IDLE)
    async with side.trunk.watch(EXTENSION) as one, side.trunk.watch(EXTENSION) as other:
        assert await _states(one, 1) == await _states(other, 1) == [ExtensionState.IDLE]
        await side.becomes(ExtensionState.IN_USE)
        assert await _states(one, 1) == await _states(other, 1) == [ExtensionState.IN_USE]


async def test_a_second_watch_begins_where_the_extension_stands_by_then(side: Side) -> None:
    await side.becomes(ExtensionState.IDLE)
    async with side.trunk.watch(EXTENSION) as updates:
        assert await _states(updates, 1) == [ExtensionState.IDLE]
    await side.becomes(ExtensionState.IN_USE)
    async with side.trunk.watch(EXTENSION) as updates:
        assert await _states(updates, 1) == [ExtensionState.IN_USE]
