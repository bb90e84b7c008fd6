"""ACD mode through a real Asterisk: rows of the acceptance table, judged from the wire."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from acd.tapi.client import LineApp, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineDisconnectMode as Mode
from tests.acceptance.tapi.call_centre import TapiCentre, open_tapi_centre
from tests.peers import phones
from tests.peers.watching import wait_on_wire
from tests.peers.wire import SipMessage, select

pytestmark = pytest.mark.real

BYE_SECONDS = 1.0
"""From the final NOTIFY to our BYE, as row 1 promises."""


async def seen(centre: TapiCentre, what: Callable[[], object]) -> list[SipMessage]:
    """Wait until the wire has shown it, however busy the machine is; everything that it showed."""
    return await wait_on_wire(centre.wire, lambda _: what(), timeout_seconds=30)


async def test_row_04_acd_mode_waits_for_line_blind_transfer_and_then_refers(
    tmp_path: Path,
) -> None:
    # The person waits 3 s here; that nothing happens by itself is the gateway's own limit.
    async with (
        open_tapi_centre(tmp_path, more="wait_limit_seconds = 0") as centre,
        line_initialize_ex(centre.gateway) as app,
    ):
        line = await app.line_open(1)
        call = await app.line_make_call(line, phones.ANSWERS)
        assert await app.wait_connected(call)
        assert not centre.sent("REFER")
        await app.line_blind_transfer(call, "101")
        await call.wait_states(S.IDLE)
        messages = await seen(centre, lambda: centre.sent("BYE"))
        (refer,) = centre.sent("REFER")
        assert "sip:101@" in refer.get("refer-to")
        assert len(centre.to(centre.agent(101), "INVITE")) == 1
        bye = centre.sent("BYE")[0]
        assert bye.call_id == refer.call_id
        final = [each for each in select(messages, "NOTIFY") if b"200" in each.body][-1]
        assert bye.at_seconds - final.at_seconds < BYE_SECONDS
        assert [event.state for event in call.events][-2:] == [S.CONNECTED, S.IDLE]
    (attempt,) = centre.installation.rows("attempts")
    assert attempt["tapi_client"] == "overdialer"
    assert attempt["disposition"] == "handed_over"
    assert attempt["started_at"] < attempt["answered_at"]


async def test_row_09_a_drop_while_it_rings_or_after_the_answer_leaves_no_ghost_call(
    tmp_path: Path,
) -> None:
    # On a busy machine the two seconds of the default could pass before the drop.
    async with (
        open_tapi_centre(tmp_path, more="wait_limit_seconds = 60") as centre,
        line_initialize_ex(centre.gateway) as app,
    ):
        line = await app.line_open(1)
        ringing = await app.line_make_call(line, phones.SILENT)
        await ringing.wait_states(S.RINGBACK)
        await app.line_drop(ringing)
        await ringing.wait_states(S.IDLE)
        await seen(centre, lambda: centre.sent("CANCEL"))
        await seen(centre, lambda: centre.to(centre.addresses.carrier, "CANCEL"))
        # The line is free right after IDLE.
        answered = await app.line_make_call(line, phones.ANSWERS)
        assert await app.wait_connected(answered)
        await app.line_drop(answered)
        await answered.wait_states(S.IDLE)
        await seen(centre, lambda: centre.to(centre.addresses.carrier, "BYE"))
        for call in (ringing, answered):
            told = [event.state for event in call.events]
            assert told.count(S.IDLE) == 1
            assert S.DISCONNECTED not in told


async def test_row_29_busy_unknown_and_unanswered_numbers_have_their_modes(
    tmp_path: Path,
) -> None:
    async with (
        open_tapi_centre(tmp_path) as centre,
        line_initialize_ex(centre.gateway) as app,
    ):
        line = await app.line_open(1)
        # All on one line: the second call must be told as much as the first.
        for number, mode, before in (
            (phones.BUSY, Mode.BUSY, [S.BUSY]),
            (phones.UNKNOWN, Mode.BADADDRESS, []),
            (phones.BUSY, Mode.BUSY, [S.BUSY]),
        ):
            call = await app.line_make_call(line, number)
            await call.wait_states(S.IDLE)
            told = [event.state for event in call.events]
            assert told[0] is S.DIALING
            assert told[-len(before) - 2 :] == [*before, S.DISCONNECTED, S.IDLE]
            assert call.disconnect_mode is mode
        unanswered = await app.line_make_call(line, phones.SILENT, no_answer_timeout_seconds=1)
        await unanswered.wait_states(S.IDLE)
        assert unanswered.disconnect_mode is Mode.NOANSWER
        await seen(centre, lambda: centre.sent("CANCEL"))


async def test_row_39_a_client_that_dies_leaves_no_call_on_the_wire(tmp_path: Path) -> None:
    async with open_tapi_centre(tmp_path) as centre:
        carrier = centre.addresses.carrier
        with trio.CancelScope() as client:
            await sign_in_dial_and_die(centre, client)
        # Grace 2 s for the phone that rings; 2 s for the person, from the answer.
        await seen(centre, lambda: centre.to(carrier, "CANCEL"))
        await seen(centre, lambda: centre.to(carrier, "BYE"))
        await centre.engine.wait_metric("acd_abandoned_total", 1, campaign="tapi:overdialer")
    rows = {row["tapi_number"]: row for row in centre.installation.rows("attempts")}
    assert {row["state"] for row in rows.values()} == {"closed"}
    assert rows[phones.ANSWERS]["abandoned"]
    assert not rows[phones.SILENT]["abandoned"]


async def sign_in_dial_and_die(centre: TapiCentre, client: trio.CancelScope) -> None:
    """One phone rings, one person is connected, and the program is gone without a goodbye."""
    async with trio.open_nursery() as nursery:
        app = LineApp(centre.gateway)
        await nursery.start(app.run)
        ringing = await app.line_make_call(await app.line_open(1), phones.SILENT)
        await ringing.wait_states(S.RINGBACK)
        answered = await app.line_make_call(await app.line_open(2), phones.ANSWERS)
        assert await app.wait_connected(answered)
        client.cancel()
