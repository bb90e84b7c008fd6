"""`lineBlindTransfer`: who may be a target, and what becomes of the person and the row."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable

import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import (
    PersonWith,
    TransferFailed,
    TransferRefused,
    TransferUnconfirmed,
)
from acd.settings import TransferReply
from acd.tapi.client import (
    LineError,
)
from acd.tapi.constants import LineCallState, LineErr
from tests.fakes.lines import Script
from tests.unit.tapi.stage import ABROAD, NUMBER, stage, states, until

S = LineCallState


async def test_a_refused_transfer_leaves_the_call_connected() -> None:
    refused = TransferRefused(at_seconds=0, sip_status=603)
    async with stage(Script(transfers=deque([refused]))) as on:
        call = await on.connected()
        with pytest.raises(LineError) as failed:
            await on.app.line_blind_transfer(call, "7001")
        assert failed.value.code is LineErr.OPERATIONFAILED
        assert call.state is S.CONNECTED
        await on.app.line_blind_transfer(call, "7002")
        await call.wait_states(S.IDLE)


async def test_a_person_whom_the_pbx_took_is_not_kept_as_connected() -> None:
    failed = TransferFailed(at_seconds=0, sip_status=486, person_with=PersonWith.PBX)
    async with stage(Script(transfers=deque([failed]))) as on:
        call = await on.connected()
        with pytest.raises(LineError):
            await on.app.line_blind_transfer(call, "7001")
        await call.wait_states(S.IDLE)
    assert on.books.closed[0].abandoned


async def test_a_bye_after_the_202_counts_as_handed_over() -> None:
    unconfirmed = TransferUnconfirmed(at_seconds=0)
    async with stage(Script(transfers=deque([unconfirmed]))) as on:
        call = await on.connected()
        await on.app.line_blind_transfer(call, "7001")


async def test_transfer_targets_are_held_against_the_clients_patterns() -> None:
    async with stage(client={"transfer_targets": ("70??",)}) as on:
        call = await on.connected()
        with pytest.raises(LineError) as refused:
            await on.app.line_blind_transfer(call, "8001")
        assert refused.value.code is LineErr.ADDRESSBLOCKED
        await on.app.line_blind_transfer(call, "7001")


async def test_short_names_of_agents_and_queues_are_targets() -> None:
    async with stage(client={"transfer_targets": ("t1", "70??")}) as on:
        call = await on.connected()
        with pytest.raises(LineError):
            await on.app.line_blind_transfer(call, "t2")
        await on.app.line_blind_transfer(call, "t1")
        await call.wait_states(S.IDLE)
        assert [target.user for target in on.pool.used[0].targets] == ["t1"]


async def test_without_patterns_a_target_abroad_is_not_called() -> None:
    for client, passes in (
        ({}, False),
        ({"allowed_regions": ("AT", "DE")}, True),
        ({"allow": ("+493023125001",)}, True),
        ({"transfer_targets": ("+49*",)}, True),
    ):
        async with stage(client=client) as on:
            call = await on.connected()
            if passes:
                await on.app.line_blind_transfer(call, ABROAD)
            else:
                for target in (ABROAD, "sip:7001@elsewhere.example.com"):
                    with pytest.raises(LineError) as refused:
                        await on.app.line_blind_transfer(call, target)
                    assert refused.value.code is LineErr.ADDRESSBLOCKED


async def test_a_call_that_is_not_connected_cannot_be_transferred() -> None:
    async with stage(Script(answers_after=None, cause=DisconnectCause.NO_ANSWER)) as on:
        call = await on.app.line_make_call(await on.app.line_open(1), NUMBER)
        await call.wait_states(S.RINGBACK)
        with pytest.raises(LineError) as refused:
            await on.app.line_blind_transfer(call, "7001")
        assert refused.value.code is LineErr.INVALCALLSTATE


async def test_a_transfer_may_be_completed_when_the_pbx_has_accepted_it() -> None:
    script = Script(transfers=deque([0.5]))
    async with stage(script, client={"transfer_reply": TransferReply.ACCEPTED}) as on:
        call = await on.connected()
        await on.app.line_blind_transfer(call, "7001")
        assert call.state is S.CONNECTED
        # Until the agent has the person, no second transfer.
        with pytest.raises(LineError) as second:
            await on.app.line_blind_transfer(call, "7002")
        assert second.value.code is LineErr.INVALCALLSTATE
        await call.wait_states(S.IDLE)
        assert states(call)[-2:] == [S.CONNECTED, S.IDLE]


@pytest.mark.parametrize("lets_go", ["drop", "deallocate"])
async def test_who_lets_go_at_the_202_does_not_cut_the_transfer(lets_go: str) -> None:
    script = Script(transfers=deque([0.3]))
    async with stage(script, client={"transfer_reply": TransferReply.ACCEPTED}) as on:
        call = await on.connected()
        await on.app.line_blind_transfer(call, "7001")
        if lets_go == "drop":
            await on.app.line_drop(call)
            await call.wait_states(S.IDLE)
            assert states(call)[-2:] == [S.CONNECTED, S.IDLE]
        else:
            on.app.line_deallocate_call(call)
        await until(lambda: bool(on.books.closed))
    closed = on.books.closed[0]
    assert (closed.transfer_result, closed.transfer_target) == ("answered", "7001")
    assert not closed.abandoned


async def test_who_lets_go_at_the_202_of_a_transfer_that_fails_has_abandoned_the_person() -> None:
    failed = TransferFailed(at_seconds=0, sip_status=404, person_with=PersonWith.US)
    script = Script(transfers=deque([failed]))
    async with stage(script, client={"transfer_reply": TransferReply.ACCEPTED}) as on:
        call = await on.connected()
        await on.app.line_blind_transfer(call, "7001")
        await on.app.line_drop(call)
        await call.wait_states(S.IDLE)
        await until(lambda: bool(on.books.closed))
    assert on.books.closed[0].abandoned


async def test_a_drop_while_the_pbx_tries_keeps_what_is_known_of_the_transfer() -> None:
    async with stage(Script(transfers=deque([5.0]))) as on, trio.open_nursery() as nursery:
        call = await on.connected()
        nursery.start_soon(on.app.line_blind_transfer, call, "7001")
        await until(lambda: bool(on.pool.used[0].targets))
        await on.app.line_drop(call)
        await call.wait_states(S.IDLE)
        await until(lambda: bool(on.books.closed))
    closed = on.books.closed[0]
    assert (closed.transfer_result, closed.abandoned) == ("unconfirmed", False)


async def test_a_drop_before_the_pbx_has_taken_the_transfer_abandons_the_person() -> None:
    refused = TransferRefused(at_seconds=0, sip_status=487)
    async with stage(Script(transfers=deque([refused]))) as on:
        call = await on.connected()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_is_refused, on.app.line_blind_transfer(call, "7001"))
            nursery.start_soon(on.app.line_drop, call)
        await call.wait_states(S.IDLE)
        await until(lambda: bool(on.books.closed))
    assert on.books.closed[0].abandoned


async def _is_refused(request: Awaitable[object]) -> None:
    with pytest.raises(LineError):
        await request


async def test_an_accepted_transfer_that_fails_leaves_the_call_to_be_handed_over_again() -> None:
    failed = TransferFailed(at_seconds=0, sip_status=404, person_with=PersonWith.US)
    script = Script(transfers=deque([failed]))
    async with stage(script, client={"transfer_reply": TransferReply.ACCEPTED}) as on:
        call = await on.connected()
        await on.app.line_blind_transfer(call, "7001")
        await on.app.line_blind_transfer(call, "7002")
        await call.wait_states(S.IDLE)
