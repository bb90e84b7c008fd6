"""What `/metrics` shows of the gateway, while a client does what applications do."""

from __future__ import annotations

from collections import deque

import pytest
import trio
from prometheus_client.openmetrics.exposition import generate_latest

from acd.lines import TransferRefused
from acd.tapi.client import LineApp, LineError
from acd.tapi.constants import LineCallState, LineErr
from acd.tapi.progress import ORDER
from acd.tapi.session import PLACING, REQUESTS
from tests.fakes.lines import Script
from tests.unit.tapi.stage import NUMBER, Stage, stage, until


def know(on: Stage) -> None:
    on.metrics.know_tapi(
        {"overdialer": "tapi:overdialer"},
        on.gateway.counts,
        requests=REQUESTS,
        errors=(error.shown for error in LineErr),
        states=(PLACING, *(state.shown for state in ORDER)),
    )


def value(on: Stage, name: str, **labels: str) -> float | None:
    return on.metrics.registry.get_sample_value(name, {"client": "overdialer", **labels})


def waiting(on: Stage) -> float | None:
    labels = {"campaign": "tapi:overdialer"}
    return on.metrics.registry.get_sample_value("acd_waiting_persons", labels)


async def test_sessions_lines_calls_and_people_are_counted_as_they_stand() -> None:
    async with stage() as on:
        know(on)
        assert value(on, "acd_tapi_sessions", link="connected") == 1
        call = await on.connected()
        assert value(on, "acd_tapi_open_lines") == 1
        assert value(on, "acd_tapi_calls", state="connected") == 1
        assert waiting(on) == 1
        await on.app.line_blind_transfer(call, "7001")
        await call.wait_states(LineCallState.IDLE)
        assert waiting(on) == 0
        assert value(on, "acd_tapi_calls", state="idle") == 1, "the handle is still held"
        on.app.line_deallocate_call(call)
        await until(lambda: value(on, "acd_tapi_calls", state="idle") == 0)


async def test_a_connection_that_broke_is_a_lost_session() -> None:
    async with stage(connect=False) as on:
        know(on)
        assert value(on, "acd_tapi_sessions", link="connected") == 0
        async with trio.open_nursery() as nursery:
            await nursery.start(LineApp(on.address).run)
            assert value(on, "acd_tapi_sessions", link="connected") == 1
            nursery.cancel_scope.cancel()  # without a goodbye
        await until(lambda: value(on, "acd_tapi_sessions", link="lost") == 1)
        assert value(on, "acd_tapi_sessions", link="connected") == 0


async def test_every_request_is_counted_and_its_reply_timed() -> None:
    refused = TransferRefused(at_seconds=0, sip_status=403)
    async with stage(Script(hangs_up_after=None, transfers=deque([refused]))) as on:
        know(on)
        call = await on.connected()
        with pytest.raises(LineError):
            await on.app.line_blind_transfer(call, "7001")
        with pytest.raises(LineError):
            await on.app.line_make_call(call.line, NUMBER)
        for request, times in (("line.open", 1), ("call.make", 2), ("call.transfer", 1)):
            assert value(on, "acd_tapi_requests_total", request=request) == times, request
            assert value(on, "acd_tapi_reply_seconds_count", request=request) == times, request
        assert value(on, "acd_tapi_errors_total", error="LINEERR_OPERATIONFAILED") == 1
        assert value(on, "acd_tapi_errors_total", error="LINEERR_INUSE") == 1
        assert value(on, "acd_tapi_requests_total", request="unknown") == 0


async def test_a_call_is_counted_step_by_step_with_its_id() -> None:
    async with stage() as on:
        know(on)
        call = await on.connected()
        await on.app.line_blind_transfer(call, "7001")
        await call.wait_states(LineCallState.IDLE)
        await until(lambda: bool(on.books.closed))
        labels = {"campaign": "tapi:overdialer"}
        for name in ("originates_total", "live_answers_total", "setup_seconds_count",
                     "ring_seconds_count", "answer_to_refer_seconds_count",
                     "answer_to_agent_seconds_count"):  # fmt: skip
            counted = on.metrics.registry.get_sample_value(f"acd_{name}", labels)
            assert counted == 1, name
        page = generate_latest(on.metrics.registry).decode()  # type: ignore[no-untyped-call] # theirs
    for family in ("setup_seconds", "live_answers", "answer_to_agent_seconds", "responses"):
        lines = [line for line in page.splitlines() if line.startswith(f"acd_{family}")]
        assert any('# {call="a1"}' in line for line in lines), family
