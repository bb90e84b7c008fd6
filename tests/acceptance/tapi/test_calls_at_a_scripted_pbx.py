"""Rows of the acceptance table that need a PBX which does exactly this or that: SIPp, by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from acd.sip.causes import ALERTED_CAUSES, Q850_CAUSES, STATUS_CAUSES
from acd.tapi.client import HCall, LineApp, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineDisconnectMode as Mode
from acd.tapi.constants import LineErr
from tests.acceptance.tapi.applications import assert_transfer_fails, connected, states
from tests.acceptance.tapi.call_centre import TapiCentre, kept_open, open_scripted_centre
from tests.acceptance.tapi.listener import listening
from tests.acceptance.tapi.scripted_calls import (
    BRANCHES,
    Q850_MODES,
    RANG_MODES,
    REFRESHES,
    STATUS_MODES,
)
from tests.peers.wire import SipMessage, select

pytestmark = pytest.mark.real

BUSY_MODE = 0x20
STATION = 1
"""LINEBUSYMODE."""
MORE = """wait_limit_seconds = 60
shortest_ring_seconds = 1
transfer_timeout_seconds = 2

[[tapi_client]]
name = "acceptor"
token_env = "TAPI_TOKEN"
calls_per_second = 50.0
keep_calling_hours = false
transfer_timeout_seconds = 2
transfer_reply = "accepted"
"""


@pytest.fixture(scope="module")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TapiCentre]:
    folder = tmp_path_factory.mktemp("scripted")
    with kept_open(open_scripted_centre(folder, BRANCHES, more=MORE)) as centre:
        yield centre


@pytest.fixture
def centre(one_for_all: TapiCentre) -> TapiCentre:
    return one_for_all.from_now()


async def drop(app: LineApp, call: HCall) -> None:
    await app.line_drop(call)
    await call.wait_states(S.IDLE)


async def test_row_06_a_failed_agent_is_told_and_the_person_stays_where_the_leg_exists(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, "nosuchagent")
        await assert_transfer_fails(app, call, "101")
        # The leg still exists: no BYE of ours, and another agent gets the person.
        assert call.state is S.CONNECTED
        assert not centre.sent("BYE")
        await app.line_blind_transfer(call, "102")
        await call.wait_states(S.IDLE)
        targets = [each.get("refer-to") for each in centre.sent("REFER")]
        assert [target.partition("@")[0] for target in targets] == ["<sip:101", "<sip:102"]
        # Here the PBX has taken the person: the request fails, and our leg is of no use.
        lost = await app.line_make_call(call.line, "agentbusy")
        assert await app.wait_connected(lost)
        await assert_transfer_fails(app, lost, "101")
        await lost.wait_states(S.IDLE)
    rows = await centre.closed_rows(2)
    assert [row["transfer_result"] for row in rows] == ["answered", "failed"]
    assert rows[1]["transfer_sip_status"] == 486


async def test_a_predictive_call_whose_agent_fails_is_the_applications_again(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await app.line_make_call(
            await app.line_open(1),
            "nosuchagent",
            predictive_auto_transfer_states=S.CONNECTED,
            target_address="101",
        )
        assert not await call.wait_auto_transfer()
        assert call.state is S.CONNECTED
        assert not centre.sent("BYE")
        await app.line_blind_transfer(call, "102")
        await call.wait_states(S.IDLE)
        targets = [each.get("refer-to") for each in centre.sent("REFER")]
        assert [target.partition("@")[0] for target in targets] == ["<sip:101", "<sip:102"]


@pytest.mark.parametrize("status", [403, 405, 488, 500, 503, 603])
async def test_row_07_a_refused_refer_completes_and_the_call_stays_connected(
    centre: TapiCentre, status: int
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, f"refuses{status}")
        await assert_transfer_fails(app, call, "101")
        assert call.state is S.CONNECTED
        assert not centre.sent("BYE")
        await app.line_blind_transfer(call, "101")
        await call.wait_states(S.IDLE)
        assert len(centre.sent("REFER")) == 2
        await centre.seen(lambda: centre.sent("BYE"))


async def test_row_07_a_refer_that_nobody_answers_completes_too(centre: TapiCentre) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, "ignores")
        await assert_transfer_fails(app, call, "101")
        assert call.state is S.CONNECTED
        assert not centre.sent("BYE")
        # The late answer is taken for what it is; then the application drops.
        await centre.seen(lambda: centre.heard(503, cseq="REFER"))
        await drop(app, call)
        await centre.seen(lambda: centre.sent("BYE"))


async def test_row_08_a_remote_hang_up_is_told_within_a_second_and_the_line_is_free(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, "hangsup")
        await call.wait_states(S.IDLE)
        assert states(call)[-3:] == [S.CONNECTED, S.DISCONNECTED, S.IDLE]
        assert call.disconnect_mode is Mode.NORMAL
        again = await app.line_make_call(call.line, "answered")
        # What is told only after "released" in SIPTAPI, 32 s later: BYE → the line's next INVITE.
        bye_at = centre.heard("BYE")[0].at_seconds
        invited_at = (await centre.seen(lambda: centre.sent("INVITE")[1:]))[0].at_seconds
        assert invited_at - bye_at < 1.0
        await drop(app, again)


async def test_row_09_a_drop_before_any_answer_waits_for_the_first_1xx(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await app.line_make_call(await app.line_open(1), "mute")
        await app.line_drop(call)
        await call.wait_states(S.IDLE)
        await centre.seen(lambda: centre.heard(487, cseq="INVITE"))
        (cancelled,) = centre.sent("CANCEL")
        first = min(m.at_seconds for m in centre.heard(100, cseq="INVITE"))
        # RFC 3261 9.1: no CANCEL before a provisional response.
        assert cancelled.at_seconds > first
        await centre.seen(lambda: centre.sent("ACK"))
        assert states(call).count(S.IDLE) == 1
        assert S.DISCONNECTED not in states(call)


async def test_row_09_an_answer_that_crosses_the_cancel_is_hung_up(centre: TapiCentre) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await app.line_make_call(await app.line_open(1), "crosses")
        await call.wait_states(S.RINGBACK)
        await app.line_drop(call)
        await call.wait_states(S.IDLE)
        await centre.seen(lambda: centre.sent("CANCEL"))
        await centre.seen(lambda: centre.sent("ACK"))
        await centre.seen(lambda: centre.sent("BYE"))
        assert states(call) == [S.DIALING, S.RINGBACK, S.IDLE]


async def test_row_28_each_step_of_the_progress_is_told_once_and_in_order(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, "progress")
        assert states(call) == [S.DIALING, S.PROCEEDING, S.RINGBACK, S.CONNECTED]
        heard = [m.status for m in centre.messages() if m.cseq_method == "INVITE" and m.status]
        assert heard[:7] == [100, 181, 182, 183, 180, 180, 200]
        await drop(app, call)
        assert states(call)[-1] is S.IDLE


FAILURES = {
    **{f"status{status}": (mode, status) for status, mode in STATUS_MODES.items()},
    **{f"rang{status}": (mode, status) for status, mode in RANG_MODES.items()},
    **{f"network{q850}": (mode, 500) for q850, mode in Q850_MODES.items()},
}


def test_every_status_and_cause_that_is_told_apart_is_replayed() -> None:
    assert set(STATUS_MODES) >= set(STATUS_CAUSES) - {401, 407}
    assert set(RANG_MODES) == set(ALERTED_CAUSES)
    assert set(Q850_MODES) == set(Q850_CAUSES)


@pytest.mark.parametrize("half", [0, 1])
async def test_row_29_every_failure_has_its_mode_in_events_and_status(
    centre: TapiCentre, half: int
) -> None:
    # All on one line, none but `rang…` with a 1xx: no call may be told less than the first.
    async with line_initialize_ex(centre.gateway) as app:
        line = await app.line_open(1)
        for name, (mode, status) in list(FAILURES.items())[half::2]:
            # 502 and 503 may make the trunk wait a little before its next call.
            await centre.engine.wait_metric("acd_trunk_up", 1, trunk="main")
            call = await app.line_make_call(line, name)
            await call.wait_states(S.IDLE)
            rang = [(S.RINGBACK, 0)] if name.startswith("rang") else []
            busy = [(S.BUSY, STATION)] if mode == BUSY_MODE else []
            assert [(event.state, event.mode) for event in call.events] == [
                *((S.DIALING, 0), *rang, *busy, (S.DISCONNECTED, mode), (S.IDLE, 0))
            ], name
            assert call.events[-2].sip_status == status
            told = await app.line_get_call_status(call)
            assert (told["state"], told["features"]) == (S.IDLE, 0)
            assert told["disconnect_mode"] == mode, name
            app.line_deallocate_call(call)


async def test_row_30_a_no_answer_timeout_cancels_and_says_noanswer(centre: TapiCentre) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        line = await app.line_open(1)
        call = await app.line_make_call(line, "rings", no_answer_timeout_seconds=2)
        await call.wait_states(S.IDLE)
        assert call.disconnect_mode is Mode.NOANSWER
        (cancelled,) = await centre.seen(lambda: centre.sent("CANCEL"))
        rang = cancelled.at_seconds - centre.sent("INVITE")[0].at_seconds
        # Never earlier than asked for; the margin is a loaded machine's.
        assert 2.0 <= rang < 3.5


async def test_row_31_reinvite_update_options_and_session_timers_are_answered(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, "renegotiates")

        def answers() -> list[SipMessage]:
            return [m for m in centre.sent(200) if m.cseq_method in {"INVITE", "UPDATE", "OPTIONS"}]

        await centre.seen(lambda: centre.sent(200, cseq="INVITE")[1:])
        assert call.state is S.CONNECTED
        in_dialog = centre.sent("INVITE")[0].call_id
        mine = [m for m in answers() if m.call_id == in_dialog]
        assert [m.cseq_method for m in mine] == ["INVITE", "UPDATE", "OPTIONS", "UPDATE", "INVITE"]
        assert "90" in mine[-1].get("session-expires")
        await drop(app, call)
        await centre.seen(lambda: centre.sent("BYE"))


async def test_row_31_a_held_call_survives_the_session_refreshes_of_ten_minutes(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, "tenminutes")
        in_dialog = centre.sent("INVITE")[0].call_id

        def refreshed() -> list[SipMessage]:
            answers = [m for m in centre.sent(200) if "90" in m.get("session-expires")]
            return [m for m in answers if m.call_id == in_dialog]

        await centre.seen(lambda: refreshed()[REFRESHES - 1 :])
        methods = [m.cseq_method for m in refreshed()]
        assert methods == ["UPDATE", "INVITE"] * (REFRESHES // 2)
        assert call.state is S.CONNECTED
        assert not centre.sent("BYE")
        await app.line_blind_transfer(call, "101")
        await call.wait_states(S.IDLE)
        await centre.seen(lambda: centre.sent("BYE"))


async def test_row_40_a_notify_before_the_202_is_answered_and_the_reply_comes_once(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, "overtakes")
        await app.line_blind_transfer(call, "101")
        await call.wait_states(S.IDLE)
        notified, taken = centre.heard("NOTIFY"), centre.heard(202, cseq="REFER")
        assert notified[0].at_seconds < taken[0].at_seconds
        replies = [m.status for m in centre.sent(200) if m.cseq_method == "NOTIFY"]
        assert replies == [200] * len(notified)
        assert states(call).count(S.IDLE) == 1


async def test_row_40_a_missing_notify_is_a_failed_transfer_after_its_timeout(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, "silentrefer")
        await assert_transfer_fails(app, call, "101")
        # The 202 says that the PBX has the person: our leg is ended, not left behind.
        await call.wait_states(S.IDLE)
        (bye_sent,) = await centre.seen(lambda: centre.sent("BYE"))
        assert bye_sent.at_seconds - centre.sent("REFER")[0].at_seconds >= 2.0
    (row,) = await centre.closed_rows()
    assert row["transfer_result"] == "timed_out"


@pytest.mark.parametrize("name", ["overtakes", "silentrefer", "refuses603", "agentbusy", "takes"])
@pytest.mark.parametrize("client", ["overdialer", "acceptor"])
async def test_row_40_every_request_is_answered_exactly_once(
    centre: TapiCentre, client: str, name: str
) -> None:
    async with listening(replace(centre.gateway, client=client)) as app:
        call = await connected(app, name)
        requests = 3
        with suppress(LineError):
            await app.line_blind_transfer(call, "101")
        if name == "refuses603":
            await app.line_blind_transfer(call, "101")
            requests += 1
        await call.wait_states(S.IDLE)
        await centre.seen(lambda: centre.sent("BYE"))
        # Its answer comes behind whatever else there is to come.
        await app.line_get_call_status(call)
        assert list(app.replies.values()) == [1] * (requests + 1)


async def test_row_23_a_line_carries_one_call_and_is_free_right_after_idle(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, "answered")
        with pytest.raises(LineError) as second:
            await app.line_make_call(call.line, "answered")
        assert second.value.code is LineErr.INUSE
        assert len({m.call_id for m in centre.sent("INVITE")}) == 1
        await drop(app, call)
        again = await app.line_make_call(call.line, "answered")
        assert await app.wait_connected(again)
        await drop(app, again)


async def test_row_20_an_account_that_takes_no_more_calls_ends_one_and_nothing_else(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        first = await connected(app, "answered")
        second = await app.line_open(2)
        refused = await app.line_make_call(second, "status503")
        await refused.wait_states(S.IDLE)
        assert refused.disconnect_mode is Mode.CONGESTION
        # 503 may make the trunk wait a little before its next call.
        await centre.engine.wait_metric("acd_trunk_up", 1, trunk="main")
        again = await app.line_make_call(second, "answered")
        assert await app.wait_connected(again)
        assert first.state is S.CONNECTED
        assert len({m.get("from").partition(";")[0] for m in centre.sent("INVITE")}) == 1
        for call in (first, again):
            await drop(app, call)


async def test_row_35_several_applications_use_different_lines_at_once(
    centre: TapiCentre,
) -> None:
    async with (
        line_initialize_ex(centre.gateway) as one,
        line_initialize_ex(centre.gateway) as other,
    ):
        first, second = await connected(one, "answered"), await connected(other, "takes", line=2)
        with pytest.raises(LineError) as same:
            await other.line_open(1)
        assert same.value.code is LineErr.ALLOCATED
        await other.line_blind_transfer(second, "101")
        await second.wait_states(S.IDLE)
        assert first.state is S.CONNECTED
        await drop(one, first)
        assert len({m.call_id for m in select(centre.messages(), "INVITE")}) == 2
