"""ACD mode through a real Asterisk: rows of the acceptance table, judged from the wire."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
import trio

from acd.tapi.client import LineApp, LineError, line_initialize_ex
from acd.tapi.constants import LineAddrCapFlags, LineCallParamFlags, LineErr
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineDisconnectMode as Mode
from tests.acceptance.tapi.applications import connected, states
from tests.acceptance.tapi.call_centre import LINES, TOKEN, TapiCentre, kept_open, open_tapi_centre
from tests.peers import phones
from tests.peers.asterisk import Asterisk
from tests.peers.wire import select

pytestmark = pytest.mark.real

BYE_SECONDS = 1.0
"""From the final NOTIFY to our BYE, as row 1 promises."""
REFER_SECONDS = 1.0
"""From our ACK to the REFER of an automatic transfer: milliseconds, and a busy machine's margin."""
HOLD_SECONDS = 30.0
"""How long a person waits for `lineBlindTransfer`, as row 4 says."""
RTP_TIMEOUT_SECONDS = 5
"""Asterisk's `rtp_timeout` for the dialer: who sends nothing for so long is cut."""
FORMATS = """wait_limit_seconds = 60
[[tapi_client]]
name = "zeros"
token_env = "TAPI_TOKEN"
keep_calling_hours = false
number_format = "00"
[[tapi_client]]
name = "digits"
token_env = "TAPI_TOKEN"
keep_calling_hours = false
number_format = "digits"
number_prefix = "9"
[[tapi_client]]
name = "early"
token_env = "TAPI_TOKEN"
keep_calling_hours = false
transfer_reply = "accepted"
"""
BUSY_AGENT = 104
SILENT_AGENT = 105
RING_SECONDS = 2
"""How long Asterisk lets the silent agent's phone ring; documented are 20 s."""
ACD = f"TAPI_TOKEN={TOKEN} acd "


@pytest.fixture(scope="module")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TapiCentre]:
    folder = tmp_path_factory.mktemp("asterisk")
    opened = open_tapi_centre(
        folder,
        more=FORMATS,
        gateway="disabled_lines = [7]",
        busy=(BUSY_AGENT,),
        silent=(SILENT_AGENT,),
        dialer={"rtp_timeout": str(RTP_TIMEOUT_SECONDS)},
        allow='["*97#"]',
    )
    with kept_open(opened) as centre:
        yield centre


@pytest.fixture
def centre(one_for_all: TapiCentre) -> TapiCentre:
    return one_for_all.from_now()


def invited(centre: TapiCentre, extension: int) -> list[str]:
    """Call-IDs that reached an agent's phone."""
    return sorted({m.call_id for m in centre.to(centre.agent(extension), "INVITE")})


async def test_row_04_and_32_acd_mode_waits_with_media_and_then_refers(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, phones.ANSWERS)
        await trio.sleep(HOLD_SECONDS)  # that nothing happens is what is waited for
        assert call.state is S.CONNECTED
        assert not centre.sent("REFER")
        assert not centre.sent("BYE")
        # Asterisk's RTP timeout has passed six times: sound comes, 50 times a second.
        rtp = [p for p in centre.wire.rtp() if p.at_seconds > centre.since]
        to_pbx = [p for p in rtp if p.destination[0] == centre.addresses.pbx]
        ours = [p for p in to_pbx if p.source[0] != centre.addresses.carrier]
        assert len(ours) > HOLD_SECONDS * 50 * 0.5  # half: a loaded machine skips some
        await app.line_blind_transfer(call, "101")
        await call.wait_states(S.IDLE)
        bye = (await centre.seen(lambda: centre.sent("BYE")))[0]
        # More than one where Asterisk was not ready yet; then its NOTIFY says 400.
        refer = centre.sent("REFER")[-1]
        assert all("sip:101@" in each.get("refer-to") for each in centre.sent("REFER"))
        assert len(invited(centre, 101)) == 1
        assert bye.call_id == refer.call_id
        final = [each for each in centre.heard("NOTIFY") if b"200" in each.body][-1]
        assert bye.at_seconds - final.at_seconds < BYE_SECONDS
        assert states(call)[-2:] == [S.CONNECTED, S.IDLE]
    (attempt,) = await centre.closed_rows()
    assert attempt["tapi_client"] == "overdialer"
    assert attempt["disposition"] == "handed_over"
    assert attempt["started_at"] < attempt["answered_at"]


async def test_row_32_asterisk_cuts_a_call_that_sends_no_media(
    centre: TapiCentre, tmp_path: Path
) -> None:
    here = centre.addresses
    silent = phones.dialer_silent(here.dialer, here.pbx, tmp_path, number=phones.ANSWERS)
    with silent:
        await trio.to_thread.run_sync(silent.wait, 30)
        assert silent.counts().successful == 1
    (bye,) = await centre.seen(lambda: centre.to(here.dialer, "BYE"))
    answered = centre.to(here.dialer, 200, cseq="INVITE")[0]
    # Without this the row above would prove nothing. Asterisk looks once in a while.
    assert bye.at_seconds - answered.at_seconds >= RTP_TIMEOUT_SECONDS - 1


async def test_a_predictive_call_is_handed_over_as_soon_as_it_is_connected(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        assert LineAddrCapFlags.PREDICTIVEDIALER in app.line_get_address_caps(1).flags
        call = await app.line_make_call(
            await app.line_open(1),
            phones.ANSWERS,
            call_param_flags=LineCallParamFlags.PREDICTIVEDIAL,
            predictive_auto_transfer_states=S.CONNECTED,
            target_address="101",
        )
        assert await call.wait_auto_transfer()
        await call.wait_states(S.IDLE)
        assert states(call)[-2:] == [S.CONNECTED, S.IDLE]
        bye = (await centre.seen(lambda: centre.sent("BYE")))[0]
        refers = centre.sent("REFER")
        assert all("sip:101@" in each.get("refer-to") for each in refers)
        assert len(invited(centre, 101)) == 1
        # Nobody was asked in between: the first REFER follows the ACK.
        waited = refers[0].at_seconds - centre.sent("ACK")[0].at_seconds
        assert waited < REFER_SECONDS
        final = [each for each in centre.heard("NOTIFY") if b"200" in each.body][-1]
        assert bye.at_seconds - final.at_seconds < BYE_SECONDS
        # What the application was told of the parties is what the wire shows.
        info, invite = call.infos[-1], centre.sent("INVITE")[0]
        assert f"sip:{info.caller.address}@" in invite.get("from")
        assert f"sip:{info.called.address}@" in unquote(invite.request_uri)
        assert info.connected == info.called
    (attempt,) = await centre.closed_rows()
    assert (attempt["disposition"], attempt["transfer_target"]) == ("handed_over", "101")


async def test_row_05_a_queue_is_a_target_and_asterisk_distributes(centre: TapiCentre) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        first = await connected(app, phones.ANSWERS)
        await app.line_blind_transfer(first, "sales")
        await first.wait_states(S.IDLE)
        second = await app.line_make_call(first.line, phones.ANSWERS)
        assert await app.wait_connected(second)
        await app.line_blind_transfer(second, "sales")
        await second.wait_states(S.IDLE)
        targets = {m.get("refer-to").partition("@")[0] for m in centre.sent("REFER")}
        assert targets == {"<sip:sales"}
        await centre.seen(
            lambda: (invited(centre, 101) and invited(centre, 102) and centre.sent("REFER")) or []
        )


async def test_row_06_a_busy_agents_person_goes_to_the_next_agent(centre: TapiCentre) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, phones.ANSWERS)
        await app.line_blind_transfer(call, str(BUSY_AGENT))
        await call.wait_states(S.IDLE)
        busy = centre.agent(BUSY_AGENT)
        refused = [m for m in select(centre.messages(), 486) if m.source[0] == busy]
        assert refused
        # The documented dialplan tries the queue; our BYE comes after somebody picked up.
        answered = [m for m in centre.heard("NOTIFY") if b"200" in m.body]
        bye = (await centre.seen(lambda: centre.sent("BYE")))[0]
        assert bye.at_seconds > answered[-1].at_seconds > refused[0].at_seconds
        assert invited(centre, 101) or invited(centre, 102)


async def test_row_06_a_transfer_told_at_the_202_is_not_cut_by_the_drop_that_follows(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(replace(centre.gateway, client="early")) as app:
        call = await connected(app, phones.ANSWERS)
        await app.line_blind_transfer(call, "103")
        told_at = time.time()
        await app.line_drop(call)
        await call.wait_states(S.IDLE)
        assert states(call)[-2:] == [S.CONNECTED, S.IDLE]
        bye = (await centre.seen(lambda: centre.sent("BYE")))[0]
        final = [each for each in centre.heard("NOTIFY") if b"200" in each.body][-1]
        # The phone rings for 300 ms before its agent answers.
        assert centre.heard(202)[-1].at_seconds <= told_at < final.at_seconds < bye.at_seconds
        assert bye.at_seconds - final.at_seconds < BYE_SECONDS
        assert len(invited(centre, 103)) == 1
    (attempt,) = await centre.closed_rows()
    assert (attempt["transfer_result"], attempt["disposition"]) == ("answered", "handed_over")
    assert not attempt["abandoned"]


async def test_row_06_a_silent_agents_person_goes_to_the_next_agent(centre: TapiCentre) -> None:
    assert isinstance(centre.pbx, Asterisk)
    await centre.pbx.cli(f"dialplan set global ACD_RING_SECONDS {RING_SECONDS}")
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, phones.ANSWERS)
        await app.line_blind_transfer(call, str(SILENT_AGENT))
        await call.wait_states(S.IDLE)
        (gave_up,) = await centre.seen(lambda: centre.to(centre.agent(SILENT_AGENT), "CANCEL"))
        answered = [m for m in centre.heard("NOTIFY") if b"200" in m.body]
        bye = (await centre.seen(lambda: centre.sent("BYE")))[0]
        assert bye.at_seconds > answered[-1].at_seconds > gave_up.at_seconds
        assert invited(centre, 101) or invited(centre, 102)


async def test_row_08_a_hang_up_by_the_pbx_is_told_and_the_line_is_free(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, phones.ANSWERS)
        assert isinstance(centre.pbx, Asterisk)
        await centre.pbx.cli("channel request hangup all")
        await call.wait_states(S.IDLE)
        assert states(call)[-3:] == [S.CONNECTED, S.DISCONNECTED, S.IDLE]
        assert call.disconnect_mode is Mode.NORMAL
        again = await app.line_make_call(call.line, phones.ANSWERS)
        assert await app.wait_connected(again)
        bye_at = centre.heard("BYE")[0].at_seconds
        later = [m.at_seconds for m in centre.sent("INVITE") if m.at_seconds > bye_at]
        assert min(later) - bye_at < 1.0
        await app.line_drop(again)
        await again.wait_states(S.IDLE)


async def test_row_09_a_drop_while_it_rings_or_after_the_answer_leaves_no_ghost_call(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        line = await app.line_open(1)
        ringing = await app.line_make_call(line, phones.SILENT)
        await ringing.wait_states(S.RINGBACK)
        await app.line_drop(ringing)
        await ringing.wait_states(S.IDLE)
        await centre.seen(lambda: centre.sent("CANCEL"))
        await centre.seen(lambda: centre.to(centre.addresses.carrier, "CANCEL"))
        # The line is free right after IDLE.
        answered = await app.line_make_call(line, phones.ANSWERS)
        assert await app.wait_connected(answered)
        await app.line_drop(answered)
        await answered.wait_states(S.IDLE)
        await centre.seen(lambda: centre.to(centre.addresses.carrier, "BYE"))
        for call in (ringing, answered):
            assert states(call).count(S.IDLE) == 1
            assert S.DISCONNECTED not in states(call)


async def test_row_22_a_disabled_line_is_shown_as_deactivated_and_cannot_be_opened(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        shown = {each.number: each for each in app.line_get_dev_caps()}
        assert len(shown) == LINES
        assert not shown[7].enabled
        assert shown[7].name.endswith("deactivated")
        with pytest.raises(LineError) as refused:
            await app.line_open(7)
        assert refused.value.code == 0x8000004B
        assert not centre.sent("INVITE")


async def test_row_24_the_account_is_registered_and_every_line_says_so(centre: TapiCentre) -> None:
    assert isinstance(centre.pbx, Asterisk)
    contacts = await centre.pbx.cli("pjsip show contacts")
    assert re.search(r"dialer/sip:dialer@\S+", contacts), contacts
    async with line_initialize_ex(centre.gateway) as app:
        devices = app.line_get_dev_caps()
        assert {each.address for each in devices} == {f"{n:03}" for n in range(1, LINES + 1)}
        assert {each.name.split()[-1] for each in devices if each.enabled} == {
            f"sip:dialer@{centre.addresses.pbx}"
        }


async def test_row_21_lines_come_and_go_while_calls_on_others_survive(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, phones.ANSWERS)
        for number in (1, 2, LINES):
            (done,) = await centre.installation.succeed(f"{ACD}tapi lines {number}")
            assert done.stdout.startswith(f"TAPI has {number} lines now and campaigns")
            while len(app.line_get_dev_caps()) != number:
                await app.wait_devices_changed()
        assert call.state is S.CONNECTED
        assert not centre.sent("BYE")
        (shown,) = await centre.installation.succeed(f"{ACD}tapi status --json")
        status = json.loads(shown.stdout)
        assert status["lines"] == LINES
        (me,) = [each for each in status["clients"] if each["connected"]]
        assert (me["client"], me["open_lines"], me["calls"]) == ("overdialer", 1, 1)
        refused = await centre.installation.command(f"{ACD}tapi lines 1000")
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
        await app.line_blind_transfer(call, "101")
        await call.wait_states(S.IDLE)
    await centre.closed_rows()
    (report,) = await centre.installation.succeed(f"{ACD}report tapi:overdialer --json")
    assert json.loads(report.stdout)["transferred"] >= 1


@pytest.mark.parametrize(
    ("client", "written"),
    [
        ("overdialer", "+493023125001"),
        ("zeros", "00493023125001"),
        ("digits", "9493023125001"),
    ],
)
async def test_row_27_numbers_are_written_as_the_clients_profile_says(
    centre: TapiCentre, client: str, written: str
) -> None:
    async with line_initialize_ex(replace(centre.gateway, client=client)) as app:
        line = await app.line_open(1)
        for address in ("+49 (30) 23125-001", "T030 23125,001", "P0 30/23125001"):
            call = await app.line_make_call(line, address)
            await app.line_drop(call)
            await call.wait_states(S.IDLE)
        for address, error in (
            ("0W3023125001", LineErr.DIALDIALTONE),
            ("0@3023125001", LineErr.DIALQUIET),
            ("3023125001$", LineErr.DIALBILLING),
            ("03023125001?", LineErr.DIALPROMPT),
        ):
            with pytest.raises(LineError) as refused:
                await app.line_make_call(line, address)
            assert refused.value.code is error
        feature = await app.line_make_call(line, "*97#")
        await feature.wait_states(S.IDLE)
        await app.line_close(line)
    invites = await centre.seen(lambda: centre.sent("INVITE"))
    users = {unquote(m.request_uri.removeprefix("sip:").partition("@")[0]) for m in invites}
    assert users == {written, "*97#"}


async def test_row_29_busy_unknown_and_unanswered_numbers_have_their_modes(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        line = await app.line_open(1)
        # All on one line: the second call must be told as much as the first.
        for number, mode, before in (
            (phones.BUSY, Mode.BUSY, [S.BUSY]),
            (phones.UNKNOWN, Mode.BADADDRESS, []),
            (phones.BUSY, Mode.BUSY, [S.BUSY]),
        ):
            call = await app.line_make_call(line, number)
            await call.wait_states(S.IDLE)
            told = states(call)
            assert told[0] is S.DIALING
            assert told[-len(before) - 2 :] == [*before, S.DISCONNECTED, S.IDLE]
            assert call.disconnect_mode is mode


async def test_row_30_a_no_answer_timeout_below_the_lawful_minimum_is_raised(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        line = await app.line_open(1)
        unanswered = await app.line_make_call(line, phones.SILENT, no_answer_timeout_seconds=1)
        await unanswered.wait_states(S.IDLE)
        assert unanswered.disconnect_mode is Mode.NOANSWER
        (cancelled,) = await centre.seen(lambda: centre.sent("CANCEL"))
        rang = cancelled.at_seconds - centre.sent("INVITE")[0].at_seconds
        assert rang >= 15.0


async def test_row_35_two_applications_talk_at_the_same_time(centre: TapiCentre) -> None:
    other_address = replace(centre.gateway, client="zeros")
    async with (
        line_initialize_ex(centre.gateway) as one,
        line_initialize_ex(other_address) as other,
    ):
        first, second = (
            await connected(one, phones.ANSWERS),
            await connected(other, phones.ANSWERS, line=2),
        )
        with pytest.raises(LineError) as same:
            await other.line_open(1)
        assert same.value.code is LineErr.ALLOCATED
        await one.line_blind_transfer(first, "101")
        await first.wait_states(S.IDLE)
        assert second.state is S.CONNECTED
        await other.line_drop(second)
        await second.wait_states(S.IDLE)
    rows = await centre.closed_rows(2)
    assert {row["tapi_client"] for row in rows} == {"overdialer", "zeros"}


async def test_row_39_a_client_that_dies_leaves_no_call_on_the_wire(tmp_path: Path) -> None:
    async with open_tapi_centre(tmp_path) as centre:
        carrier = centre.addresses.carrier
        with trio.CancelScope() as client:
            await sign_in_dial_and_die(centre, client)
        # Grace 2 s for the phone that rings; 2 s for the person, from the answer.
        await centre.seen(lambda: centre.to(carrier, "CANCEL"))
        await centre.seen(lambda: centre.to(carrier, "BYE"))
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
