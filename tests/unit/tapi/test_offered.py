"""Calls that come in: who is told, and what the caller hears; on a trunk without SIP."""

from __future__ import annotations

import pytest

from acd.calls import DisconnectCause
from acd.lines import CallerLine, Destination, DestinationKind, IncomingEnd
from acd.settings import LineMode, ProfileSettings
from acd.tapi.client import HCall, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineErr
from tests.fakes.lines import Script
from tests.unit.tapi.stage import NUMBER, Stage, stage, until

ANN = CallerLine(caller="+431505642", caller_name="Ann", called="dialer")
RINGS = Script(answers_after=None, cause=DisconnectCause.NO_ANSWER)


def called(
    mode: LineMode = LineMode.STANDARD, *, lines: int = 1, **more: object
) -> ProfileSettings:
    values = {"name": "one", "first_line": 1, "last_line": lines, "mode": mode, "incoming": True}
    return ProfileSettings.model_validate(values | more)


def told(call: HCall) -> list[tuple[S, int]]:
    return [(event.state, event.mode) for event in call.events]


async def offered(on: Stage, line: int = 1) -> HCall:
    await on.app.line_open(line)
    on.trunk.called(ANN)
    return await on.app.wait_new_call()


@pytest.mark.parametrize(
    ("end", "states"),
    [
        (IncomingEnd.CANCELLED, [(S.OFFERING, 1), (S.IDLE, 0)]),
        (IncomingEnd.ANSWERED_ELSEWHERE, [(S.OFFERING, 1), (S.CONNECTED, 2), (S.IDLE, 0)]),
    ],
)
async def test_row_25_a_call_is_offered_until_it_is_over(
    end: IncomingEnd, states: list[tuple[S, int]]
) -> None:
    async with stage(profile=called()) as on:
        await on.app.line_open(1)
        incoming = on.trunk.called(ANN)
        call = await on.app.wait_new_call()
        assert (call.caller, call.caller_name, call.called) == ("+431505642", "Ann", "dialer")
        incoming.end(end)
        await call.wait_states(S.IDLE)
        assert told(call) == states
        assert incoming.answers == []
        assert not on.books.begun


@pytest.mark.parametrize(("send_180", "answers"), [(True, [180]), (False, [])])
async def test_row_26_the_caller_hears_that_it_rings_where_the_line_says_so(
    send_180: bool,
    answers: list[int],  # a parameter of the test
) -> None:
    async with stage(profile=called(send_180=send_180)) as on:
        await on.app.line_open(1)
        incoming = on.trunk.called(ANN)
        await on.app.wait_new_call()
        assert incoming.answers == answers


async def test_row_26_nobody_looks_is_480_and_all_are_busy_486() -> None:
    async with stage(profile=called(lines=2)) as on:
        assert on.trunk.called(ANN).answers == [480]
        first, second = await offered(on, 1), await offered(on, 2)
        assert (first.line.number, second.line.number) == (1, 2)
        assert on.trunk.called(ANN).answers == [486]
        await on.app.line_drop(first)
        await first.wait_states(S.IDLE)
        on.trunk.called(ANN)
        assert (await on.app.wait_new_call()).line.number == 1


async def test_row_26_the_accounts_own_calls_are_not_shown_on_another_line_either() -> None:
    async with stage(RINGS, profile=called(lines=2)) as on:
        await on.app.line_open(2)
        assert on.trunk.called(CallerLine(caller="Dialer")).answers == [486]
        call = await on.app.line_make_call(await on.app.line_open(1), NUMBER)
        # The user's own phone rings for this call, and so would we.
        assert on.trunk.called(ANN).answers == [486]
        await on.app.line_drop(call)
        await call.wait_states(S.IDLE)
        incoming = on.trunk.called(ANN)
        await on.app.wait_new_call()
        assert incoming.answers == []


async def test_lines_without_the_setting_are_shown_nobody() -> None:
    async with stage(profile=called(incoming=False)) as on:
        await on.app.line_open(1)
        assert on.trunk.called(ANN).answers == [480]


async def test_an_offered_call_is_declined_or_sent_elsewhere() -> None:
    async with stage(profile=called()) as on:
        line = await on.app.line_open(1)
        incoming = on.trunk.called(ANN)
        call = await on.app.wait_new_call()
        with pytest.raises(LineError) as refused:
            await on.app.line_blind_transfer(call, "101")
        assert refused.value.code is LineErr.INVALCALLSTATE
        await on.app.line_drop(call)
        await call.wait_states(S.IDLE)
        assert incoming.answers == [603]
        other = on.trunk.called(ANN)
        call = await on.app.wait_new_call()
        await on.app.line_redirect(call, "101")
        await call.wait_states(S.IDLE)
        assert other.answers == [Destination(kind=DestinationKind.TRANSFER, user="101")]
        with pytest.raises(LineError) as over:
            await on.app.line_redirect(call, "101")
        assert over.value.code is LineErr.INVALCALLSTATE
        own = await on.app.line_make_call(line, NUMBER)
        with pytest.raises(LineError) as outgoing:
            await on.app.line_redirect(own, "101")
        assert outgoing.value.code is LineErr.INVALCALLSTATE


async def test_whoever_lets_go_leaves_the_call_to_the_phones() -> None:
    async with stage(profile=called(lines=2), gateway={"grace_seconds": 0.1}) as on:
        call = await offered(on)
        await on.app.line_close(call.line)
        await call.wait_states(S.IDLE)
        second = await offered(on, 2)
        on.app.line_deallocate_call(second)
        await on.app.line_close(second.line)
        async with line_initialize_ex(on.address) as other:
            await other.line_open(1)
            third = on.trunk.called(ANN)
            await other.wait_new_call()
        await until(lambda: third.answers == [480])
        assert [each.answers for each in on.trunk.callers] == [[480]] * 3
