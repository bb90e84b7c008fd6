from __future__ import annotations

import typing

import pytest
import trio
import trio.testing

from acd.calls import DisconnectCause
from acd.sip import mailbox, messages
from acd.sip.inlet import Inlet
from acd.sip.mailbox import PATIENCE_SECONDS, ReportBox
from acd.sip.messages import CallAlerting, CallAnswered, CallEnded, TransferEnded, may_wait
from acd.sip.transfer import TransferOutcome

_MAY_WAIT_ALWAYS = {
    messages.CallProceeding,
    messages.CallAlerting,
    messages.CallReleased,
    messages.TransferAccepted,
    messages.Counted,
    messages.CallNamed,
    messages.MessageSeen,
}
_IT_DEPENDS = {messages.CallEnded, messages.TransferEnded}
_NEVER = {
    messages.CallAnswered,
    messages.PlayEnded,
    messages.HoldEnded,
    messages.CallRedirected,
    messages.ExtensionReport,
    messages.CallerArrived,
    messages.CallerGone,
    messages.TrunkReport,
    messages.Complaint,
    messages.Started,
    messages.Stopped,
}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(mailbox, "perf_counter", clock)
    return clock


async def _box(got: list[str]) -> ReportBox[str]:
    token = trio.lowlevel.current_trio_token()
    return ReportBox(token, got.append, lambda item: item.startswith("late"))


def test_every_report_is_known_as_urgent_or_not() -> None:
    known = _MAY_WAIT_ALWAYS | _IT_DEPENDS | _NEVER
    assert known == set(typing.get_args(messages.Report))
    assert known == _MAY_WAIT_ALWAYS ^ _IT_DEPENDS ^ _NEVER


def test_whoever_waits_for_an_agent_is_told_of_at_once() -> None:
    assert not may_wait(CallAnswered(1, 0.0))
    assert not may_wait(CallEnded(1, 0.0, DisconnectCause.NORMAL))
    assert not may_wait(TransferEnded(1, 0.0, TransferOutcome.FAILED))
    assert not may_wait(TransferEnded(1, 0.0, TransferOutcome.UNCONFIRMED))


def test_who_was_joined_and_what_rings_can_wait() -> None:
    assert may_wait(CallAlerting(1, 0.0))
    assert may_wait(CallEnded(1, 0.0, DisconnectCause.TRANSFERRED))
    assert may_wait(TransferEnded(1, 0.0, TransferOutcome.ANSWERED))


async def test_an_urgent_report_brings_the_waiting_ones_along_in_their_order(clock: Clock) -> None:
    got: list[str] = []
    box = await _box(got)
    box.post("late 1")
    await trio.testing.wait_all_tasks_blocked()
    assert got == []
    box.post("now 2")
    box.post("late 3")
    await trio.testing.wait_all_tasks_blocked()
    assert got == ["late 1", "now 2", "late 3"]
    assert box.due_at is None


async def test_a_report_that_can_wait_is_told_when_its_time_is_over(clock: Clock) -> None:
    got: list[str] = []
    box = await _box(got)
    box.post("late 1")
    clock.now += PATIENCE_SECONDS / 2
    box.post("late 2")
    assert box.due_at == 100.0 + PATIENCE_SECONDS, "the first one's patience counts"
    box.announce_due(clock.now)
    await trio.testing.wait_all_tasks_blocked()
    assert got == []
    clock.now = 100.0 + PATIENCE_SECONDS
    box.announce_due(clock.now)
    await trio.testing.wait_all_tasks_blocked()
    assert got == ["late 1", "late 2"]


async def test_an_inlet_gives_what_came_in_its_order_before_and_after_somebody_waits(
    nursery: trio.Nursery,
) -> None:
    inlet: Inlet[int] = Inlet()
    inlet.put(1)
    got: list[int] = []

    async def take() -> None:
        while len(got) < 3:
            got.append(await inlet.take())

    nursery.start_soon(take)
    await trio.testing.wait_all_tasks_blocked()
    assert got == [1]
    inlet.put(2)
    inlet.put(3)
    await trio.testing.wait_all_tasks_blocked()
    assert got == [1, 2, 3]


async def test_a_take_that_is_cancelled_loses_nothing() -> None:
    inlet: Inlet[int] = Inlet()
    with trio.CancelScope() as scope:
        scope.cancel()
        await inlet.take()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inlet.take)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    inlet.put(1)
    assert await inlet.take() == 1


async def test_only_one_task_waits_at_an_inlet(nursery: trio.Nursery) -> None:
    inlet: Inlet[int] = Inlet()
    nursery.start_soon(inlet.take)
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(trio.BusyResourceError):
        await inlet.take()
    nursery.cancel_scope.cancel()
