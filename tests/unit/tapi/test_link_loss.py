"""The connection is cut in each state of a call: no ghost call, no request that hangs."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from acd.calls import DisconnectCause
from acd.tapi.client import GatewayAddress, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineDisconnectMode, LineErr
from acd.tapi.session import PLACING
from tests.fakes.lines import Script
from tests.unit.tapi.stage import NUMBER, stage, until

GRACE = {"grace_seconds": 1.0, "heartbeat_seconds": 0.2}
RINGS = Script(answers_after=None, cause=DisconnectCause.NO_ANSWER)
ANSWERS_LATE = Script(answers_after=0.5)
TRANSFER_TAKES = 0.5


@dataclass
class Wire:
    """A connection that can be cut, and mended."""

    gateway: GatewayAddress
    mended: bool = True
    swallows: bool = False
    """What the client sends is acknowledged and never arrives."""
    black_hole: bool = False
    """New connections are taken, and nobody says anything on them."""
    _links: set[trio.CancelScope] = field(default_factory=set)

    async def carry(self, client: trio.SocketStream) -> None:
        if not self.mended:
            await client.aclose()
            return
        if self.black_hole:
            async with client:
                await trio.sleep_forever()
        gateway = await trio.open_tcp_stream(self.gateway.host, self.gateway.port)
        with trio.CancelScope() as scope:
            self._links.add(scope)
            async with client, gateway, trio.open_nursery() as nursery:
                nursery.start_soon(_pump, client, gateway, lambda: not self.swallows)
                nursery.start_soon(_pump, gateway, client)
        self._links.discard(scope)

    def cut(self, *, mended: bool) -> None:
        self.mended = mended
        self.swallows = False
        for scope in self._links:
            scope.cancel()


async def _pump(
    source: trio.SocketStream,
    target: trio.SocketStream,
    carries: Callable[[], bool] = lambda: True,
) -> None:
    try:
        async for data in source:
            if carries():
                await target.send_all(data)
        await target.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


@asynccontextmanager
async def cuttable(gateway: GatewayAddress) -> AsyncIterator[tuple[Wire, GatewayAddress]]:
    wire = Wire(gateway)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, wire.carry, [listener]))
        yield wire, replace(gateway, port=port)
        nursery.cancel_scope.cancel()


async def test_a_client_that_comes_back_in_time_misses_nothing() -> None:
    async with (
        stage(ANSWERS_LATE, gateway=GRACE) as on,
        cuttable(on.address) as (wire, address),
        line_initialize_ex(address) as app,
    ):
        line = await app.line_open(1)
        call = await app.line_make_call(line, NUMBER)
        wire.cut(mended=True)
        assert await app.wait_connected(call)
        assert [event.state for event in call.events] == [S.DIALING, S.RINGBACK, S.CONNECTED]
        await app.line_blind_transfer(call, "7001")
        await call.wait_states(S.IDLE)
    assert not on.books.closed[0].abandoned


async def test_cut_while_it_rings_the_phone_is_cancelled_after_the_grace() -> None:
    async with (
        stage(RINGS, gateway=GRACE) as on,
        cuttable(on.address) as (wire, address),
        line_initialize_ex(address) as app,
    ):
        line = await app.line_open(1)
        call = await app.line_make_call(line, NUMBER)
        await call.wait_states(S.RINGBACK)
        wire.cut(mended=False)
        await until(lambda: not on.pool.leased)
        await call.wait_states(S.IDLE)
        assert call.disconnect_mode is LineDisconnectMode.TEMPFAILURE
        assert not any(device.in_service for device in app.line_get_dev_caps())
        with pytest.raises(LineError):
            await app.line_drop(call)
        wire.mended = True
        await app.wait_devices_changed()
        assert all(device.in_service for device in app.line_get_dev_caps())
    assert [closed.cause for closed in on.books.closed] == [DisconnectCause.HUNG_UP]
    assert not on.books.closed[0].abandoned


@pytest.mark.parametrize("limit_seconds", [0, 0.3])
async def test_cut_while_connected_the_person_hears_the_message_and_is_counted(
    limit_seconds: float,
) -> None:
    message = Path("sorry.wav")
    client = {"wait_limit_seconds": limit_seconds, "wait_message": message}
    async with (
        stage(gateway={**GRACE, "grace_seconds": 20}, client=client) as on,
        cuttable(on.address) as (wire, address),
        line_initialize_ex(address) as app,
    ):
        line = await app.line_open(1)
        call = await app.line_make_call(line, NUMBER)
        assert await app.wait_connected(call)
        wire.cut(mended=False)
        await until(lambda: not on.pool.leased)
        assert on.pool.used[0].played == [(message, False)]
        wire.mended = True
        await call.wait_states(S.IDLE)
        assert call.disconnect_mode is LineDisconnectMode.NORMAL
    assert on.books.closed[0].abandoned


async def test_cut_during_a_transfer_it_goes_on_and_its_request_is_answered_on_return() -> None:
    script = Script()
    script.transfers.append(TRANSFER_TAKES)
    async with (
        stage(script, gateway=GRACE) as on,
        cuttable(on.address) as (wire, address),
        line_initialize_ex(address) as app,
        trio.open_nursery() as nursery,
    ):
        line = await app.line_open(1)
        call = await app.line_make_call(line, NUMBER)
        assert await app.wait_connected(call)
        nursery.start_soon(app.line_blind_transfer, call, "7001")
        await until(lambda: bool(on.pool.used[0].targets))
        wire.cut(mended=True)
        await call.wait_states(S.IDLE)
        assert call.disconnect_mode is None
    assert [closed.transfer_result for closed in on.books.closed] == ["answered"]


async def test_a_request_that_never_comes_back_fails_after_the_grace() -> None:
    script = Script()
    script.transfers.append(3.0)
    async with (
        stage(script, gateway=GRACE) as on,
        cuttable(on.address) as (wire, address),
        line_initialize_ex(address) as app,
    ):
        line = await app.line_open(1)
        call = await app.line_make_call(line, NUMBER)
        assert await app.wait_connected(call)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_transfer_fails, app.line_blind_transfer(call, "7001"))
            await until(lambda: bool(on.pool.used[0].targets))
            wire.cut(mended=False)


async def _transfer_fails(transfer: Awaitable[None]) -> None:
    with pytest.raises(LineError) as failed:
        await transfer
    assert failed.value.code is LineErr.OPERATIONFAILED


async def test_a_line_is_free_for_others_once_its_client_is_given_up() -> None:
    async with (
        stage(RINGS, gateway=GRACE) as on,
        cuttable(on.address) as (wire, address),
        line_initialize_ex(address) as app,
    ):
        await app.line_open(1)
        wire.cut(mended=False)
        with pytest.raises(LineError):
            await on.app.line_open(1)
        await until(lambda: not on.gateway.owned(1))
        await on.app.line_open(1)


LONG = {**GRACE, "grace_seconds": 20}


async def test_a_request_that_was_never_read_fails_when_the_session_goes_on() -> None:
    async with (
        stage(gateway=LONG) as on,
        cuttable(on.address) as (wire, address),
        line_initialize_ex(address) as app,
        trio.open_nursery() as nursery,
    ):
        call = await app.line_make_call(await app.line_open(1), NUMBER)
        assert await app.wait_connected(call)
        wire.swallows = True
        nursery.start_soon(_transfer_fails, app.line_blind_transfer(call, "7001"))
        await trio.testing.wait_all_tasks_blocked()
        wire.cut(mended=True)
        await until(lambda: not nursery.child_tasks)
        # The session is the same: its call can still be handed over.
        assert call.state is S.CONNECTED
        await app.line_blind_transfer(call, "7002")
        await call.wait_states(S.IDLE)
    assert [target.user for target in on.pool.used[0].targets] == ["7002"]


async def test_a_request_that_is_under_way_is_not_failed_by_a_return() -> None:
    async with (
        stage(Script(transfers=deque([1.5])), gateway=LONG) as on,
        cuttable(on.address) as (wire, address),
        line_initialize_ex(address) as app,
        trio.open_nursery() as nursery,
    ):
        call = await app.line_make_call(await app.line_open(1), NUMBER)
        assert await app.wait_connected(call)
        nursery.start_soon(app.line_blind_transfer, call, "7001")
        await until(lambda: bool(on.pool.used[0].targets))
        wire.cut(mended=True)
        await until(lambda: not app.connected)
        await until(lambda: app.connected)
        assert nursery.child_tasks
        await call.wait_states(S.IDLE)


@pytest.mark.parametrize("lost", ["before the cut", "after the cut"])
async def test_a_handle_that_was_let_go_of_during_a_loss_leaves_no_ghost_call(lost: str) -> None:
    async with (
        stage(RINGS, gateway=LONG) as on,
        cuttable(on.address) as (wire, address),
        line_initialize_ex(address) as app,
    ):
        call = await app.line_make_call(await app.line_open(1), NUMBER)
        await call.wait_states(S.RINGBACK)
        wire.swallows = lost == "before the cut"
        if wire.swallows:
            app.line_deallocate_call(call)
            await trio.testing.wait_all_tasks_blocked()
        wire.cut(mended=True)
        if lost == "after the cut":
            await until(lambda: not app.connected)
            app.line_deallocate_call(call)
        await until(lambda: not on.pool.leased)
        # The line is free for the next one.
        await app.line_make_call(call.line, NUMBER)


async def test_a_make_call_that_its_caller_gives_up_leaves_no_call() -> None:
    async with stage(RINGS, client={"calls_per_second": 0.5}) as on:
        first, second = await on.app.line_open(1), await on.app.line_open(2)
        await on.app.line_make_call(first, NUMBER)
        with trio.CancelScope() as gives_up:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(on.app.line_make_call, second, NUMBER)
                await until(lambda: on.gateway.counts()["overdialer"].calls[PLACING] == 1)
                gives_up.cancel()
        await until(lambda: sum(on.gateway.counts()["overdialer"].calls.values()) == 1)
        assert len(on.books.begun) == 1


async def test_a_gateway_that_takes_connections_and_says_nothing_is_given_up_in_time() -> None:
    async with (
        stage(RINGS, gateway=GRACE) as on,
        cuttable(on.address) as (wire, address),
        line_initialize_ex(address) as app,
    ):
        call = await app.line_make_call(await app.line_open(1), NUMBER)
        wire.black_hole = True
        cut_at = trio.current_time()
        wire.cut(mended=True)
        await call.wait_states(S.IDLE)
        # The grace is 1 s, and a connection that says nothing is waited for 10 s.
        assert trio.current_time() - cut_at < 5
