"""The gateway and the client over real TCP, on scripted lines and with books in memory."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import (
    NotFollowed,
    TrunkStatus,
)
from acd.lines.shares import LineShare
from acd.rules.definition import HoursTable
from acd.store.suppressions import Barred
from acd.tapi.client import (
    GatewayAddress,
    GatewayRefusedError,
    LineError,
    line_initialize_ex,
)
from acd.tapi.constants import LineCallFeature, LineCallState, LineDisconnectMode, LineErr
from tests.fakes.lines import FakePool, Script
from tests.unit.tapi.stage import ABROAD, NUMBER, OPEN, StandingClock, stage, states, until

S = LineCallState


async def test_an_answered_call_is_handed_over_and_goes_to_idle_alone() -> None:
    async with stage() as on:
        call = await on.connected()
        await on.app.line_blind_transfer(call, "7001")
        assert await call.wait_states(S.IDLE) is S.IDLE
        assert states(call) == [S.DIALING, S.RINGBACK, S.CONNECTED, S.IDLE]
        assert [str(target.user) for target in on.pool.used[0].targets] == ["7001"]


async def test_the_row_is_begun_before_the_invite_and_closed_once() -> None:
    async with stage() as on:
        call = await on.connected()
        assert on.books.begun == [("overdialer", "+431505641", 1)]
        await on.app.line_blind_transfer(call, "7001")
        await call.wait_states(S.IDLE)
    assert [closed.transfer_result for closed in on.books.closed] == ["answered"]
    assert not on.books.closed[0].abandoned


@pytest.mark.parametrize(
    ("cause", "mode"),
    [
        (DisconnectCause.BUSY, LineDisconnectMode.BUSY),
        (DisconnectCause.BAD_ADDRESS, LineDisconnectMode.BADADDRESS),
        (DisconnectCause.UNAVAILABLE, LineDisconnectMode.UNAVAIL),
    ],
)
async def test_a_failed_call_says_why_and_then_idle(
    cause: DisconnectCause, mode: LineDisconnectMode
) -> None:
    script = Script(rings_after=None, answers_after=None, cause=cause)
    async with stage(script) as on:
        line = await on.app.line_open(1)
        for _ in range(2):  # the second call of a line must not be quieter than the first
            call = await on.app.line_make_call(line, NUMBER)
            await call.wait_states(S.IDLE)
            busy = [S.BUSY] if mode is LineDisconnectMode.BUSY else []
            assert states(call) == [S.DIALING, *busy, S.DISCONNECTED, S.IDLE]
            assert call.disconnect_mode is mode


async def test_a_line_carries_one_call_and_is_free_right_after_idle() -> None:
    async with stage() as on:
        call = await on.connected()
        with pytest.raises(LineError) as second:
            await on.app.line_make_call(call.line, NUMBER)
        assert second.value.code is LineErr.INUSE
        await on.app.line_drop(call)
        await call.wait_states(S.IDLE)
        await on.app.line_make_call(call.line, NUMBER)


async def test_an_own_drop_is_idle_alone_and_a_second_one_is_refused() -> None:
    async with stage() as on:
        call = await on.connected()
        await on.app.line_drop(call)
        await call.wait_states(S.IDLE)
        assert states(call)[-2:] == [S.CONNECTED, S.IDLE]
        with pytest.raises(LineError) as second:
            await on.app.line_drop(call)
        assert second.value.code is LineErr.INVALCALLSTATE


async def test_a_disabled_line_is_shown_as_deactivated_and_cannot_be_opened() -> None:
    async with stage(gateway={"disabled_lines": (2,)}) as on:
        shown = {device.number: device for device in on.app.line_get_dev_caps()}
        assert len(shown) == 4
        assert shown[2].name.endswith("deactivated")
        with pytest.raises(LineError) as refused:
            await on.app.line_open(2)
        assert refused.value.code == 0x8000004B


async def test_lines_outside_the_clients_range_do_not_exist_for_it() -> None:
    async with stage(client={"first_line": 2, "last_line": 3}) as on:
        assert [device.number for device in on.app.line_get_dev_caps()] == [2, 3]
        for number in (0, 1, 4, 5):
            with pytest.raises(LineError) as refused:
                await on.app.line_open(number)
            assert refused.value.code is LineErr.BADDEVICEID


async def test_a_line_that_another_instance_has_open_is_allocated() -> None:
    async with stage() as on, line_initialize_ex(on.address) as other:
        await on.app.line_open(1)
        await other.line_open(2)
        with pytest.raises(LineError) as refused:
            await other.line_open(1)
        assert refused.value.code is LineErr.ALLOCATED


async def test_a_wrong_token_is_refused() -> None:
    async with stage() as on:
        wrong = GatewayAddress(
            host=on.address.host, port=on.address.port, client="overdialer", token="other"
        )
        with pytest.RaisesGroup(GatewayRefusedError):
            async with line_initialize_ex(wrong):
                pass


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("+43 133", LineErr.ADDRESSBLOCKED),
        ("144", LineErr.ADDRESSBLOCKED),
        ("+43 900 123456", LineErr.ADDRESSBLOCKED),
        ("+49 30 123456", LineErr.ADDRESSBLOCKED),
        ("0W1", LineErr.DIALDIALTONE),
        ("12", LineErr.INVALADDRESS),
    ],
)
async def test_what_the_door_refuses_is_never_dialed(address: str, error: LineErr) -> None:
    async with stage() as on:
        line = await on.app.line_open(1)
        with pytest.raises(LineError) as refused:
            await on.app.line_make_call(line, address)
        assert refused.value.code is error
        assert on.books.begun == []
        assert on.pool.used == []


async def test_a_number_on_a_list_is_blocked_and_the_line_is_free() -> None:
    async with stage() as on:
        line = await on.app.line_open(1)
        on.books.refuses = Barred.DNC
        with pytest.raises(LineError) as refused:
            await on.app.line_make_call(line, NUMBER)
        assert refused.value.code is LineErr.ADDRESSBLOCKED
        on.books.refuses = None
        await on.app.line_make_call(line, NUMBER)


async def test_a_redirect_to_a_barred_number_is_not_followed_and_the_client_sees_it_forwarded() -> (
    None
):
    async with stage(Script(sent_on_to="+43150564200")) as on:
        on.books.bars = NotFollowed(cause=DisconnectCause.FORWARDED, sentence="on a list")
        call = await on.app.line_make_call(await on.app.line_open(1), NUMBER)
        await call.wait_states(S.IDLE)
        assert call.disconnect_mode is LineDisconnectMode.FORWARDED
        await until(lambda: bool(on.books.closed))
        assert on.books.closed[0].not_followed == "on a list"
        on.books.bars = None
        assert await on.app.wait_connected(
            await on.app.line_make_call(await on.app.line_open(2), NUMBER)
        )


async def test_a_redirect_past_the_clients_own_regions_is_not_followed() -> None:
    client = {"allowed_regions": ("DE",)}
    async with stage(Script(sent_on_to="+43150564200"), client=client) as on:
        call = await on.app.line_make_call(await on.app.line_open(1), ABROAD)
        await call.wait_states(S.IDLE)
        assert call.disconnect_mode is LineDisconnectMode.FORWARDED
        await until(lambda: bool(on.books.closed))
        assert on.books.closed[0].not_followed.startswith("redirect refused: ")
        assert on.books.followed == []


async def test_a_redirect_is_asked_of_the_clients_calling_hours() -> None:
    late = HoursTable(tuesday=("09:00-21:00",))
    for client, kept in (
        ({"calling_hours": late}, late.hours),
        ({"keep_calling_hours": False}, None),
    ):
        async with stage(Script(sent_on_to="+43150564200"), client=client) as on:
            await on.connected()
            assert on.books.followed == [("+43150564200", kept)]


async def test_nobody_is_dialed_while_the_database_is_away() -> None:
    async with stage() as on:
        line = await on.app.line_open(1)
        on.books.up = False
        with pytest.raises(LineError) as refused:
            await on.app.line_make_call(line, NUMBER)
        assert refused.value.code is LineErr.RESOURCEUNAVAIL
        assert on.pool.used == []


async def test_who_waits_too_long_for_a_transfer_hears_the_message_and_is_counted() -> None:
    message = Path("sorry.wav")
    async with stage(client={"wait_limit_seconds": 0.2, "wait_message": message}) as on:
        call = await on.connected()
        await call.wait_states(S.IDLE)
        assert on.pool.used[0].played == [(message, False)]
        assert call.disconnect_mode is LineDisconnectMode.NORMAL
        await until(lambda: bool(on.books.closed))
        assert on.books.closed[0].abandoned
        assert on.metrics.abandoned.labels("tapi:overdialer")._value.get() == 1


async def test_each_client_dials_by_its_own_rules() -> None:
    async with stage(client={"allowed_regions": ("DE",)}) as on:
        line = await on.app.line_open(1)
        with pytest.raises(LineError) as refused:
            await on.app.line_make_call(line, NUMBER)
        assert refused.value.rule == "region"
        await on.app.line_make_call(line, ABROAD)
    async with stage(client={"allow": ("600",)}) as on:
        await on.app.line_make_call(await on.app.line_open(1), "600")


@pytest.mark.parametrize(
    ("asked", "shown"), [("+43 (1) 50564-1", "+431505641"), ("+43150564", "+43150564")]
)
async def test_a_client_shows_the_caller_ids_that_are_its_own(asked: str, shown: str) -> None:
    async with stage(client={"caller_ids": ("+43150564*",)}) as on:
        line = await on.app.line_open(1)
        for wrong in ("+4915112345678", "Ann", "+43150564;x=y"):
            with pytest.raises(LineError) as refused:
                await on.app.line_make_call(line, NUMBER, calling_party_id=wrong)
            assert (refused.value.code, refused.value.rule) == (
                LineErr.INVALCALLPARAMS,
                "caller_id",
            )
        await on.app.line_make_call(line, NUMBER, calling_party_id=asked)
        caller_id = on.pool.used[0].requests[0].caller_id
        assert caller_id is not None
        assert caller_id.number == shown


@pytest.mark.parametrize("unplayable", [False, True])
async def test_who_waits_hears_the_clients_comfort_audio(unplayable: bool) -> None:
    waiting, sorry = Path("waiting.wav"), Path("sorry.wav")
    client = {"wait_limit_seconds": 0.2, "comfort_audio": waiting, "wait_message": sorry}
    async with stage(Script(unplayable=unplayable), client=client) as on:
        call = await on.connected()
        await call.wait_states(S.IDLE)
        heard = [] if unplayable else [(waiting, True), (sorry, False)]
        assert on.pool.used[0].played == heard


async def test_a_client_that_says_goodbye_leaves_no_call() -> None:
    async with stage(Script(answers_after=None, cause=DisconnectCause.NO_ANSWER)) as on:
        line = await on.app.line_open(1)
        call = await on.app.line_make_call(line, NUMBER)
        await call.wait_states(S.RINGBACK)
        await on.app.line_shutdown()
        await until(lambda: not on.pool.leased)


async def test_no_handle_is_given_twice() -> None:
    async with stage() as on:
        line, names = await on.app.line_open(1), set()
        for _ in range(5):
            call = await on.app.line_make_call(line, NUMBER)
            names.add(call.name)
            await on.app.line_drop(call)
            await call.wait_states(S.IDLE)
        assert len(names) == 5
        # A client that is less careful is told so, as long as it has not let go of the first one.
        with pytest.raises(LineError) as used:
            await on.app._ask("call.make", line=1, call=call.name, dest=NUMBER)
        assert used.value.code is LineErr.INVALCALLPARAMS


async def test_closing_a_line_drops_its_call() -> None:
    async with stage() as on:
        call = await on.connected()
        await on.app.line_close(call.line)
        await call.wait_states(S.IDLE)
        await until(lambda: not on.pool.leased)
        with pytest.raises(LineError) as closed:
            await on.app.line_make_call(call.line, NUMBER)
        assert closed.value.code is LineErr.INVALLINEHANDLE


async def test_the_status_never_contradicts_the_events() -> None:
    async with stage() as on:
        call = await on.connected()
        connected = await on.app.line_get_call_status(call)
        assert connected["state"] == call.state
        assert connected["features"] == LineCallFeature.BLINDTRANSFER | LineCallFeature.DROP
        await on.app.line_drop(call)
        await call.wait_states(S.IDLE)
        idle = await on.app.line_get_call_status(call)
        assert (idle["state"], idle["features"]) == (S.IDLE, 0)


async def test_a_handle_that_was_let_go_of_is_dropped_and_says_nothing_more() -> None:
    async with stage() as on:
        call = await on.connected()
        on.app.line_deallocate_call(call)
        await until(lambda: not on.pool.leased)
        assert call.state is S.CONNECTED
        with pytest.raises(LineError) as unknown:
            await on.app.line_get_call_status(call)
        assert unknown.value.code is LineErr.INVALCALLHANDLE


async def test_lines_of_two_shares_do_not_stand_in_each_others_way() -> None:
    async with trio.open_nursery() as nursery:
        pool = FakePool(nursery, 4, [Script()])
        mine, others = LineShare(pool, lines=1), LineShare(pool, lines=3)
        async with mine.lease(holder="mine", deadline_seconds=60):
            assert (mine.free, others.free) == (0, 3)
            mine.resize(2)
            assert mine.free == 1
        assert mine.free == 2


async def test_nobody_is_called_outside_their_calling_hours() -> None:
    clock = StandingClock(OPEN.replace(hour=19))  # 20:00 in Vienna
    async with stage(clock=clock) as on:
        line = await on.app.line_open(1)
        with pytest.raises(LineError) as refused:
            await on.app.line_make_call(line, NUMBER)
        assert refused.value.code is LineErr.ADDRESSBLOCKED
        assert refused.value.rule == "calling_hours"
        opens = "closed in Europe/Vienna, open from 2026-11-25T09:00Z"
        assert str(refused.value) == f"LINEERR_ADDRESSBLOCKED: calling hours: {opens}"
        assert on.books.begun == []
        # The same line, once they are open.
        clock.at = OPEN
        await on.app.line_make_call(line, NUMBER)


async def test_hours_that_end_while_the_call_waits_for_its_turn_are_kept() -> None:
    clock = StandingClock(OPEN)
    async with stage(client={"calls_per_second": 1}, clock=clock) as on:
        first, second = await on.app.line_open(1), await on.app.line_open(2)
        await on.app.line_make_call(first, NUMBER)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                _is_refused_by, on.app.line_make_call(second, NUMBER), "calling_hours"
            )
            await until(lambda: on.gateway.owned(2))
            clock.at = OPEN.replace(hour=19)
        assert len(on.books.begun) == 1


async def _is_refused_by(request: Awaitable[object], rule: str) -> None:
    with pytest.raises(LineError) as refused:
        await request
    assert refused.value.rule == rule


async def test_a_client_may_be_given_hours_of_its_own_or_none() -> None:
    night = StandingClock(OPEN.replace(hour=19))
    late = HoursTable(tuesday=("09:00-21:00",))
    for client in ({"calling_hours": late}, {"keep_calling_hours": False}):
        async with stage(client=client, clock=night) as on:
            await on.connected()


@pytest.mark.parametrize(
    ("asked", "shortest", "rings"), [(0, 15, 25), (1, 15, 15), (20, 15, 20), (1, 1, 1)]
)
async def test_a_no_answer_timeout_below_the_minimum_is_raised_to_it(
    asked: int, shortest: int, rings: int
) -> None:
    async with stage(client={"shortest_ring_seconds": shortest}) as on:
        line = await on.app.line_open(1)
        await on.app.line_make_call(line, NUMBER, no_answer_timeout_seconds=asked)
        assert on.pool.used[0].requests[0].ring_timeout_seconds == rings


async def test_lines_come_and_go_and_calls_on_those_that_go_end_by_themselves() -> None:
    async with stage(client={"last_line": 5}) as on:
        call = await on.connected(4)
        on.gateway.resize(6)
        await on.app.wait_devices_changed()
        # Lines beyond the client's range are none of its business.
        assert [each.number for each in on.app.line_get_dev_caps()] == [1, 2, 3, 4, 5]
        await on.app.line_open(5)
        on.gateway.resize(2)
        await on.app.wait_devices_changed()
        assert [each.number for each in on.app.line_get_dev_caps()] == [1, 2]
        assert call.state is S.CONNECTED
        await on.app.line_blind_transfer(call, "7001")
        await call.wait_states(S.IDLE)
        with pytest.raises(LineError) as gone:
            await on.app.line_make_call(call.line, NUMBER)
        assert gone.value.code is LineErr.RESOURCEUNAVAIL
        status = on.gateway.status()
        assert status["lines"] == 2
        assert status["clients"][0]["client"] == "overdialer"


async def test_open_lines_are_told_when_the_trunk_goes_and_comes_back() -> None:
    async with stage() as on:
        await on.app.line_open(1)
        on.trunk.become(TrunkStatus.UNREACHABLE)
        await on.app.wait_devices_changed()
        assert not on.app.line_get_dev_caps()[0].in_service
        on.trunk.become(TrunkStatus.UP)
        await on.app.wait_devices_changed()
        assert on.app.line_get_dev_caps()[0].in_service


async def test_open_lines_are_told_when_the_registration_goes_and_comes_back() -> None:
    async with stage() as on:
        await on.app.line_open(1)
        for registered in (False, True):
            on.trunk.become(TrunkStatus.UP, registered=registered)
            await on.app.wait_devices_changed()
            mine, other, *_ = on.app.line_get_dev_caps()
            assert (mine.registered, mine.in_service) == (registered, True)
            # Nobody has this one open.
            assert other.registered


async def test_a_line_that_changed_while_it_was_closed_is_told_when_it_is_opened() -> None:
    async with stage() as on:
        on.trunk.become(TrunkStatus.UNREACHABLE, registered=False)
        await on.app.line_open(1)
        while (mine := on.app.line_get_dev_caps()[0]).in_service:
            await on.app.wait_devices_changed()
        assert not mine.registered


async def test_a_client_of_999_lines_is_told_all_of_them() -> None:
    async with stage(gateway={"lines": 999}) as on:
        assert len(on.app.line_get_dev_caps()) == 999
        await on.app.line_open(999)
