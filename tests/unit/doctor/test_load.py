"""The climb of `acd doctor --load`, on a trunk whose limits the test chooses.

The trunk here is a few lines of a PBX without SIP; virtual time, no threads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

from acd.calls import CallState, DisconnectCause
from acd.doctor import LoadResult, admitted_extension, chosen_trunk
from acd.doctor.load import HOLD_SECONDS, READY_SECONDS, climb, load_row
from acd.errors import BadInput, TrunkUnavailable, UnknownName
from acd.lines import (
    Answered,
    Destination,
    DestinationKind,
    DialogId,
    Ended,
    ExtensionUpdates,
    IncomingCall,
    Line,
    LineEvent,
    OriginateRequest,
    Released,
    TransferWait,
    TrunkHealth,
    TrunkStatus,
)
from acd.settings import Settings, TrunkSettings

EXTENSION = Destination(kind=DestinationKind.TRANSFER, user="600")
TRUNK = TrunkSettings(domain="pbx.example.com", user="dialer", lines=30)
UP = TrunkHealth(status=TrunkStatus.UP)


@dataclass
class Pbx:
    """What the other side does with calls."""

    carries: int = 999
    refusal: int = 503
    cause: DisconnectCause = DisconnectCause.CONGESTION
    refuses_after_seconds: float = 0.0
    """Not after the INVITE but at the next whole multiple, for many calls at once."""
    answers_after_seconds: float = 0.1
    hangs_up_after_seconds: float = float("inf")
    back_off_after: int = 999
    """From this call on the trunk takes no orders."""
    calls: int = 0
    present: int = 0
    dialed: list[str] = field(default_factory=list)


class FakeLine:
    def __init__(self, number: int, pbx: Pbx) -> None:
        self.number, self.pbx = number, pbx
        self.state = CallState.IDLE
        self._waits_seconds: list[float] = []

    async def originate(self, request: OriginateRequest) -> None:
        await trio.lowlevel.checkpoint()
        pbx = self.pbx
        if pbx.calls >= pbx.back_off_after:
            raise TrunkUnavailable("trunk main: the PBX asked us to call later (503)")
        pbx.calls += 1
        pbx.dialed.append(request.destination.user)
        if pbx.present < pbx.carries:
            pbx.present += 1
            self.state = CallState.DIALING
        self._waits_seconds = [pbx.answers_after_seconds, pbx.hangs_up_after_seconds]

    async def next_event(self) -> LineEvent:
        if self.state is CallState.DISCONNECTED:
            return Released(at_seconds=trio.current_time())
        if self.state is CallState.IDLE:
            if pause := self.pbx.refuses_after_seconds:
                await trio.sleep(pause - trio.current_time() % pause)
            return self._over(self.pbx.cause, self.pbx.refusal)
        await trio.sleep(self._waits_seconds.pop(0))
        if self.state is CallState.DIALING:
            self.state = CallState.CONNECTED
            return Answered(at_seconds=trio.current_time())
        self.pbx.present -= 1
        return self._over(DisconnectCause.NORMAL, None)

    def event_now(self) -> LineEvent | None:
        raise AssertionError("the climb waits for events")

    def follow(self, on_news: Callable[[], None]) -> None:
        raise AssertionError("the climb waits for events")

    def _over(self, cause: DisconnectCause, sip_status: int | None) -> Ended:
        self.state = CallState.DISCONNECTED
        return Ended(at_seconds=trio.current_time(), cause=cause, sip_status=sip_status)

    def left(self) -> None:
        if self.state in {CallState.DIALING, CallState.CONNECTED}:
            self.pbx.present -= 1

    def hang_up_soon(self) -> None:
        raise AssertionError("the climb leaves its leases instead")

    async def hang_up(self) -> None:
        raise AssertionError("the climb leaves its leases instead")

    def blind_transfer(
        self,
        target: Destination,
        *,
        timeout_seconds: float,
        on_accepted: Callable[[], None] | None = None,
    ) -> TransferWait:
        raise AssertionError("the climb transfers nobody")

    async def play(self, wav: Path, *, repeat: bool = False) -> None:
        raise AssertionError

    async def hold(self) -> bool:
        raise AssertionError

    async def resume(self) -> bool:
        raise AssertionError


class FakePool:
    def __init__(self, pbx: Pbx, calls_per_second: float) -> None:
        self.pbx, self._pause = pbx, 1 / calls_per_second
        self.size = self.free = 999
        self.expired_leases = 0

    def states(self) -> dict[CallState, int]:
        raise AssertionError("the climb counts for itself")

    def holders(self) -> dict[str, int]:
        raise AssertionError("the climb counts for itself")

    def oldest_ended_seconds(self) -> float:
        raise AssertionError("the climb counts for itself")

    def lease(
        self, *, holder: str, deadline_seconds: float, weight: int = 1
    ) -> AbstractAsyncContextManager[Line]:
        return self._lease()

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[Line]:
        await trio.sleep(self._pause)
        line = FakeLine(1, self.pbx)
        try:
            yield line
        finally:
            line.left()


class FakeTrunk:
    name = "main"
    challenges = 0

    def __init__(self, pbx: Pbx, *health: TrunkHealth) -> None:
        self.lines = FakePool(pbx, TRUNK.calls_per_second)
        self._health = list(health) or [UP]

    @property
    def health(self) -> TrunkHealth:
        return self._health[0]

    async def wait_health_change(self, seen: TrunkHealth) -> TrunkHealth:
        await trio.sleep(1)
        if len(self._health) == 1:
            await trio.sleep_forever()
        self._health.pop(0)
        return self.health

    async def hang_up_leftover(self, dialog: DialogId) -> bool:
        raise AssertionError

    def watch(
        self, extension: str, *, domain: str = ""
    ) -> AbstractAsyncContextManager[ExtensionUpdates]:
        raise AssertionError

    def take_calls(self, take: Callable[[IncomingCall], None]) -> AbstractContextManager[None]:
        raise AssertionError


async def _climb(pbx: Pbx, calls: int, **more: Any) -> LoadResult:
    result = await climb(
        FakeTrunk(pbx),
        EXTENSION,
        calls=calls,
        calls_per_second=TRUNK.calls_per_second,
        ring_timeout_seconds=25,
        **more,
    )
    assert pbx.present == 0, "every call must be hung up"
    return result


async def test_all_calls_that_were_asked_for_are_up_at_once(autojump_clock: object) -> None:
    pbx = Pbx()
    result = await _climb(pbx, 20)
    assert (result.carried, result.started, result.stopped_at) == (20, 20, 0)
    assert pbx.dialed == ["600"] * 20
    row = load_row(TRUNK, result)
    assert (row.ok, row.detail, row.remedy) == (True, "20 of 20 calls at once", "")


async def test_the_first_refusal_stops_the_climb_and_names_its_code(autojump_clock: object) -> None:
    pbx = Pbx(carries=7)
    result = await _climb(pbx, 20)
    assert (result.carried, result.stopped_at, pbx.calls) == (7, 8, 8)
    assert result.as_json()["sip_status"] == 503
    row = load_row(TRUNK, result)
    assert not row.ok
    assert row.detail == "7 of 20 calls at once; call 8 ended with 503 congestion"
    assert "set lines = 7" in row.remedy


async def test_what_was_reached_is_held_for_a_moment(autojump_clock: object) -> None:
    seen: list[float] = []
    start = trio.current_time()
    await _climb(Pbx(), 1, watch=lambda _: seen.append(trio.current_time() - start))
    assert trio.current_time() - start == pytest.approx(seen[-1] + HOLD_SECONDS)


async def test_no_more_calls_a_second_than_the_pool_gives(autojump_clock: object) -> None:
    start = trio.current_time()
    await _climb(Pbx(answers_after_seconds=0), 50)
    assert trio.current_time() - start == pytest.approx(50 / TRUNK.calls_per_second + HOLD_SECONDS)


async def test_a_trunk_that_takes_no_more_orders_stops_the_climb(autojump_clock: object) -> None:
    result = await _climb(Pbx(back_off_after=5), 20)
    assert (result.carried, result.started) == (5, 5)
    assert load_row(TRUNK, result).detail == (
        "5 of 20 calls at once; trunk main: the PBX asked us to call later (503)"
    )


async def test_an_extension_that_hangs_up_is_the_wrong_one(autojump_clock: object) -> None:
    result = await _climb(Pbx(hangs_up_after_seconds=1.0), 20)
    assert result.carried < 20
    row = load_row(TRUNK, result)
    assert "20 were hung up by the other side" in row.detail
    assert "takes any number of calls" in row.remedy


async def test_a_busy_extension_is_the_wrong_one(autojump_clock: object) -> None:
    result = await _climb(Pbx(carries=1, refusal=486, cause=DisconnectCause.BUSY), 20)
    assert "takes any number of calls" in load_row(TRUNK, result).remedy


async def test_a_climb_is_bounded_even_if_nothing_ever_happens(autojump_clock: object) -> None:
    start = trio.current_time()
    result = await _climb(Pbx(answers_after_seconds=float("inf")), 5)
    assert result.carried == 0
    assert not load_row(TRUNK, result).ok
    assert trio.current_time() - start < 60


async def test_a_trunk_that_comes_up_is_waited_for(autojump_clock: object) -> None:
    trunk = FakeTrunk(Pbx(), TrunkHealth(status=TrunkStatus.STARTING), UP)
    result = await climb(trunk, EXTENSION, calls=1, calls_per_second=5, ring_timeout_seconds=25)
    assert result.carried == 1


async def test_a_trunk_that_stays_down_is_said(autojump_clock: object) -> None:
    down = TrunkHealth(status=TrunkStatus.UNREACHABLE, detail="the PBX does not answer")
    start = trio.current_time()
    with pytest.raises(TrunkUnavailable, match="the PBX does not answer"):
        await climb(
            FakeTrunk(Pbx(), down), EXTENSION, calls=1, calls_per_second=5, ring_timeout_seconds=25
        )
    assert trio.current_time() - start <= READY_SECONDS


def test_the_extension_passes_the_one_door() -> None:
    settings = Settings(trunk=(TRUNK,))
    assert admitted_extension(settings, TRUNK, "600").user == "600"
    with pytest.raises(BadInput, match=r"--to: .*emergency"):
        admitted_extension(settings, TRUNK, "112")
    with pytest.raises(BadInput, match="--to: "):
        admitted_extension(settings, TRUNK, "a b\r\nVia: c")


def test_an_unknown_trunk_is_told_with_those_that_exist() -> None:
    settings = Settings(trunk=(TRUNK,))
    assert chosen_trunk(settings, None) is settings.trunk[0]
    with pytest.raises(UnknownName, match="there are: main"):
        chosen_trunk(settings, "other")


async def test_of_calls_that_end_together_the_first_one_is_named(autojump_clock: object) -> None:
    pbx = Pbx(carries=2, refuses_after_seconds=1.0)  # 1 s: five calls at 5 calls a second
    result = await _climb(pbx, 20)
    assert pbx.calls > 3
    assert (result.carried, result.stopped_at) == (2, 3)
