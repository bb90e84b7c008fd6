"""The connection is cut in each state of a call: no ghost call, no request that hangs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
import trio

from acd.calls import DisconnectCause
from acd.tapi.client import GatewayAddress, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineDisconnectMode, LineErr
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
    _links: set[trio.CancelScope] = field(default_factory=set)

    async def carry(self, client: trio.SocketStream) -> None:
        if not self.mended:
            await client.aclose()
            return
        gateway = await trio.open_tcp_stream(self.gateway.host, self.gateway.port)
        with trio.CancelScope() as scope:
            self._links.add(scope)
            async with client, gateway, trio.open_nursery() as nursery:
                nursery.start_soon(_pump, client, gateway)
                nursery.start_soon(_pump, gateway, client)
        self._links.discard(scope)

    def cut(self, *, mended: bool) -> None:
        self.mended = mended
        for scope in self._links:
            scope.cancel()


async def _pump(source: trio.SocketStream, target: trio.SocketStream) -> None:
    try:
        async for data in source:
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
        with pytest.raises(LineError):
            await app.line_drop(call)
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
