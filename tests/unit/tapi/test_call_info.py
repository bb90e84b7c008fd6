"""LINECALLINFO, LINECALLSTATUS and LINEADDRESSCAPS, and TAPI's predictive dialing upon them."""

from __future__ import annotations

from collections import deque

import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import PersonWith, TransferFailed
from acd.settings import LineMode, ProfileSettings, TransferReply
from acd.tapi.caps import ADDRESS_CAPS, INCOMING_MODES, caps_fields, caps_name
from acd.tapi.client import HCall, LineError
from acd.tapi.constants import (
    LineAddrCapFlags,
    LineCallFeature,
    LineCallOrigin,
    LineCallParamFlags,
    LineCallPartyId,
    LineErr,
)
from acd.tapi.constants import LineCallState as S
from acd.tapi.wire import Message
from tests.acceptance.tapi.listener import Listener
from tests.fakes.lines import Script
from tests.unit.tapi.stage import NUMBER, Stage, stage, until

AGENT_FAILED = TransferFailed(at_seconds=0.0, sip_status=486, person_with=PersonWith.US)
STAYS = Script(hangs_up_after=None)


class Doubter(Listener):
    """Asks the gateway for status and info at each event."""

    def _message(self, message: Message) -> None:
        super()._message(message)
        if message["t"] in {"call.state", "call.info"}:
            for kind in ("call.status", "call.info"):
                self._link.send(kind, id=1000 + len(self.heard), call=message["call"])
                self.heard.append({"t": "asked"})


async def predictive(
    on: Stage, *, target: str = "7001", line: int = 1, states: S = S.CONNECTED
) -> HCall:
    return await on.app.line_make_call(
        await on.app.line_open(line),
        NUMBER,
        call_param_flags=LineCallParamFlags.PREDICTIVEDIAL,
        predictive_auto_transfer_states=states,
        target_address=target,
    )


def outcomes(call: HCall) -> list[str]:
    return [info.auto_transfer for info in call.infos]


@pytest.mark.parametrize(
    "script",
    [
        Script(rings_after=0.02, answers_after=0.02, hangs_up_after=0.05),
        Script(rings_after=None, answers_after=None, cause=DisconnectCause.BUSY),
    ],
    ids=["answered", "failed"],
)
async def test_call_info_and_status_agree_with_the_events_at_every_step(script: Script) -> None:
    async with stage(script, connect=False) as on, trio.open_nursery() as nursery:
        app = Doubter(on.address)
        await nursery.start(app.run)
        call = await app.line_make_call(await app.line_open(1), NUMBER)
        await call.wait_states(S.IDLE)
        await app.line_get_call_status(call)  # what was asked before is answered before
        nursery.cancel_scope.cancel()
    state, info = 0, {}
    compared = 0
    for message in app.heard:
        match message:
            case {"t": "call.state", "state": now}:
                state = now
            case {"t": "call.info"}:
                info = {key: message[key] for key in ("caller", "called", "connected", "auto")}
            case {"t": "reply", "state": said}:
                assert said == state
                compared += 1
            case {"t": "reply", "called": _}:
                assert {key: message[key] for key in info} == info
                compared += 1
    assert compared > 6


async def test_the_info_says_who_calls_whom_and_who_is_there() -> None:
    async with stage() as on:
        line = await on.app.line_open(1)
        call = await on.app.line_make_call(line, NUMBER, calling_party_id="+43150564")
        assert await on.app.wait_connected(call)
        await until(lambda: len(call.infos) == 2)
        before, after = call.infos
        assert (before.origin, before.line) == (LineCallOrigin.OUTBOUND, 1)
        assert (before.caller.address, before.called.address) == ("+43150564", "+431505641")
        assert before.connected.flags is LineCallPartyId.UNAVAIL
        assert after.connected == after.called
        assert await on.app.line_get_call_info(call) == after


async def test_who_is_connected_first_in_standard_mode_is_the_users_phone() -> None:
    profile = ProfileSettings(
        name="office", first_line=1, last_line=1, mode=LineMode.STANDARD, phone="31"
    )
    async with stage(STAYS, profile=profile) as on:
        call = await on.connected()
        await until(lambda: len(call.infos) == 2)
        assert call.infos[-1].connected.address == "31"
        assert call.infos[-1].called.address == "+431505641"


def test_every_mode_has_its_address_caps_and_acd_mode_alone_dials_predictively() -> None:
    assert set(ADDRESS_CAPS) == set(LineMode)
    predictive_modes = {
        mode
        for mode, caps in ADDRESS_CAPS.items()
        if LineAddrCapFlags.PREDICTIVEDIALER in caps.flags
    }
    assert predictive_modes == {mode for mode, caps in ADDRESS_CAPS.items() if caps.auto_states}
    assert predictive_modes == {LineMode.ACD}


def test_every_mode_that_can_show_callers_has_caps_that_say_so() -> None:
    # In alternative mode the account's calls come to the phone itself.
    assert set(INCOMING_MODES) == set(LineMode) - {LineMode.ALTERNATIVE}
    told = caps_fields()
    for mode in INCOMING_MODES:
        plain, shown = (told[caps_name(mode, incoming=each)] for each in (False, True))
        assert shown["states"] - plain["states"] == S.OFFERING
        assert shown["features"] - plain["features"] == LineCallFeature.REDIRECT


async def test_a_lines_caps_are_those_of_its_mode() -> None:
    profile = ProfileSettings(
        name="office", first_line=2, last_line=2, mode=LineMode.STANDARD, phone="31"
    )
    async with stage(profile=profile) as on:
        acd, standard = (on.app.line_get_address_caps(number) for number in (1, 2))
        assert LineAddrCapFlags.PREDICTIVEDIALER in acd.flags
        assert acd.predictive_auto_transfer_states is S.CONNECTED
        assert LineCallFeature.BLINDTRANSFER in acd.call_features
        assert LineAddrCapFlags.PREDICTIVEDIALER not in standard.flags
        assert not standard.predictive_auto_transfer_states
        assert {S.DIALING, S.RINGBACK, S.CONNECTED, S.BUSY} <= set(acd.call_states)


async def test_an_automatic_transfer_needs_no_request_and_ends_in_idle_alone() -> None:
    async with stage() as on:
        call = await predictive(on)
        await call.wait_states(S.IDLE)
        assert [event.state for event in call.events] == [
            S.DIALING,
            S.RINGBACK,
            S.CONNECTED,
            S.IDLE,
        ]
        assert outcomes(call) == ["waiting", "under_way", "done"]
        assert await call.wait_auto_transfer()
        assert [str(target.user) for target in on.pool.used[0].targets] == ["7001"]
    (row,) = on.books.closed
    assert (row.transfer_result, row.transfer_target) == ("answered", "7001")
    assert not row.abandoned


@pytest.mark.parametrize("reply", TransferReply)
async def test_an_automatic_transfer_that_fails_leaves_the_call_to_the_application(
    reply: TransferReply,
) -> None:
    script = Script(hangs_up_after=None, transfers=deque([AGENT_FAILED]))
    client = {"transfer_reply": reply, "wait_limit_seconds": 0}
    async with stage(script, client=client) as on:
        call = await predictive(on)
        assert not await call.wait_auto_transfer()
        assert outcomes(call) == ["waiting", "under_way", "failed"]
        assert call.state is S.CONNECTED
        await on.app.line_blind_transfer(call, "7002")
        await call.wait_states(S.IDLE)
        assert [str(target.user) for target in on.pool.used[0].targets] == ["7001", "7002"]


async def test_no_second_transfer_while_the_automatic_one_is_under_way() -> None:
    script = Script(hangs_up_after=None, transfers=deque([0.1]))
    async with stage(script) as on:
        call = await predictive(on)
        assert await on.app.wait_connected(call)
        status = await on.app.line_get_call_status(call)
        assert status["features"] == LineCallFeature.DROP
        with pytest.raises(LineError) as second:
            await on.app.line_blind_transfer(call, "7002")
        assert second.value.code is LineErr.INVALCALLSTATE
        await call.wait_states(S.IDLE)
        assert len(on.pool.used[0].targets) == 1


@pytest.mark.parametrize(
    ("target", "states", "error"),
    [
        ("7001", S.RINGBACK, LineErr.INVALCALLPARAMS),
        ("7001", S.CONNECTED | S.BUSY, LineErr.INVALCALLPARAMS),
        ("", S.CONNECTED, LineErr.INVALPARAM),
        ("0W1", S.CONNECTED, LineErr.DIALDIALTONE),
        ("0900123456", S.CONNECTED, LineErr.ADDRESSBLOCKED),
    ],
)
async def test_an_automatic_transfer_that_cannot_be_is_refused_before_anybody_is_called(
    target: str, states: S, error: LineErr
) -> None:
    async with stage(client={"transfer_targets": ("7*",)}) as on:
        with pytest.raises(LineError) as refused:
            await predictive(on, target=target, states=states)
        assert refused.value.code is error
        assert not on.books.begun


async def test_a_line_that_calls_the_users_phone_dials_no_predictive_call() -> None:
    profile = ProfileSettings(
        name="office", first_line=1, last_line=1, mode=LineMode.STANDARD, phone="31"
    )
    async with stage(profile=profile) as on:
        with pytest.raises(LineError) as refused:
            await predictive(on)
        assert refused.value.code is LineErr.INVALCALLPARAMS


async def test_no_call_hides_its_number() -> None:
    async with stage() as on:
        line = await on.app.line_open(1)
        with pytest.raises(LineError) as refused:
            await on.app.line_make_call(line, NUMBER, call_param_flags=LineCallParamFlags.BLOCKID)
        assert refused.value.code is LineErr.INVALCALLPARAMS
