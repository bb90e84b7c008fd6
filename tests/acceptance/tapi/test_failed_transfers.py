"""Transfers whose NOTIFY says no, or never comes: rows 2, 3 and 6, at a SIPp.

On this trunk a leg lives on after a transfer that failed (`after_failed_transfer = "ours"`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import trio

from acd.tapi.client import HCall, LineApp, line_initialize_ex
from acd.tapi.constants import LineCallFeature
from acd.tapi.constants import LineCallState as S
from tests.acceptance.tapi.applications import assert_transfer_fails, connected
from tests.acceptance.tapi.call_centre import TapiCentre, kept_open, open_scripted_centre
from tests.peers.sipp.steps import ack, answer, bye, hang_up, notify, refer

pytestmark = pytest.mark.real

_UP = (answer(), ack())
_TAKES = (refer(202), notify(100), notify(200, final=True), bye())
STATUSES = (480, 486, 503)
BRANCHES = {
    **{
        f"fails{status}": (*_UP, refer(202), notify(100), notify(status, final=True), *_TAKES)
        for status in STATUSES
    },
    "saysnothing": (*_UP, refer(202), notify(100), *_TAKES),
    "isgivenup": (*_UP, refer(202), notify(486, final=True), bye()),
    "hangsup": (*_UP, refer(202), hang_up()),
    "hangsuplater": (*_UP, refer(202), notify(100), notify(180), hang_up()),
}
REVERSE_LINE = 11
STANDARD_LINES = {12: "hangsup", 13: "hangsuplater"}
"""Line → the user's phone, which is what a scripted PBX goes by."""
IDLE_SECONDS = 1.0
"""From the PBX's BYE to the line's next INVITE, as row 2 promises."""
WAIT_LIMIT_SECONDS = 1.0
"""Of the client `impatient`."""
MORE = f"""wait_limit_seconds = 60
transfer_timeout_seconds = 2
[[tapi_client]]
name = "impatient"
token_env = "TAPI_TOKEN"
keep_calling_hours = false
wait_limit_seconds = {WAIT_LIMIT_SECONDS}
[[profile]]
name = "reverse"
first_line = {REVERSE_LINE}
last_line = {REVERSE_LINE}
mode = "reverse"
phone = "101"
""" + "".join(
    f"""[[profile]]
name = "standard-{line}"
first_line = {line}
last_line = {line}
mode = "standard"
phone = "{phone}"
"""
    for line, phone in STANDARD_LINES.items()
)


@pytest.fixture(scope="module")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TapiCentre]:
    folder = tmp_path_factory.mktemp("lives-on")
    opened = open_scripted_centre(folder, BRANCHES, more=MORE, after_failed_transfer='"ours"')
    with kept_open(opened) as centre:
        yield centre


@pytest.fixture
def centre(one_for_all: TapiCentre) -> TapiCentre:
    return one_for_all.from_now()


async def targets(centre: TapiCentre, number: int) -> list[str]:
    """Whom the REFERs of a call named, as many as are waited for."""
    refers = await centre.seen(lambda: centre.sent("REFER")[number - 1 :] and centre.sent("REFER"))
    return [each.get("refer-to").removeprefix("<sip:").partition("@")[0] for each in refers]


async def transferable(app: LineApp, call: HCall) -> None:
    """Wait until `lineBlindTransfer` fits; no event tells it, an application asks."""
    with trio.fail_after(30):
        told = await app.line_get_call_status(call)
        while not told["features"] & LineCallFeature.BLINDTRANSFER:
            await trio.sleep(0.02)
            told = await app.line_get_call_status(call)


@pytest.mark.parametrize("name", [*(f"fails{status}" for status in STATUSES), "saysnothing"])
async def test_row_06_a_person_whose_leg_lives_on_is_sent_to_another_agent(
    centre: TapiCentre, name: str
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, name)
        await assert_transfer_fails(app, call, "101")
        assert call.state is S.CONNECTED
        assert not centre.sent("BYE")
        await app.line_blind_transfer(call, "102")
        await call.wait_states(S.IDLE)
        assert await targets(centre, 2) == ["101", "102"]
        (ours,) = await centre.seen(lambda: centre.sent("BYE"))
        taken = [each for each in centre.heard("NOTIFY") if b" 200 " in each.body]
        assert ours.at_seconds > taken[-1].at_seconds
    (row,) = await centre.closed_rows()
    assert (row["transfer_result"], row["transfer_target"]) == ("answered", "102")
    assert not row["abandoned"]


async def test_row_03_who_lives_on_after_the_users_phone_failed_is_sent_elsewhere(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await connected(app, "fails486", line=REVERSE_LINE)
        # The mode's own REFER to the user's phone is under way until its NOTIFY says 486.
        await centre.seen(lambda: [m for m in centre.heard("NOTIFY") if b" 486 " in m.body])
        await transferable(app, call)
        assert not centre.sent("BYE")
        await app.line_blind_transfer(call, "102")
        await call.wait_states(S.IDLE)
        assert await targets(centre, 2) == ["101", "102"]
    (row,) = await centre.closed_rows()
    assert (row["transfer_result"], row["transfer_target"]) == ("answered", "102")


async def test_row_03_who_lives_on_and_is_sent_nowhere_waits_for_the_limit(
    centre: TapiCentre,
) -> None:
    async with line_initialize_ex(replace(centre.gateway, client="impatient")) as app:
        call = await connected(app, "isgivenup", line=REVERSE_LINE)
        await call.wait_states(S.IDLE)
        (ours,) = await centre.seen(lambda: centre.sent("BYE"))
        (failed,) = [each for each in centre.heard("NOTIFY") if b" 486 " in each.body]
        waited = ours.at_seconds - failed.at_seconds
        # No sooner than promised; the margin above is a loaded machine's.
        assert WAIT_LIMIT_SECONDS <= waited < WAIT_LIMIT_SECONDS + 1.5
    (row,) = await centre.closed_rows()
    assert (row["transfer_result"], bool(row["abandoned"])) == ("failed", True)


@pytest.mark.parametrize("line", STANDARD_LINES)
async def test_row_02_a_bye_in_place_of_the_notify_ends_in_idle_within_a_second(
    centre: TapiCentre, line: int
) -> None:
    async with line_initialize_ex(centre.gateway) as app:
        call = await app.line_make_call(await app.line_open(line), "fails486")
        await call.wait_states(S.IDLE)
        assert [event.state for event in call.events].count(S.IDLE) == 1
        # The line's next INVITE shows that IDLE was told, however late this program reads it.
        again = await app.line_make_call(call.line, "fails486")
        invites = await centre.seen(lambda: centre.sent("INVITE")[1:] and centre.sent("INVITE"))
        assert [each.request_uri.partition("@")[0] for each in invites] == [
            f"sip:{STANDARD_LINES[line]}"
        ] * 2
        hung_up = centre.heard("BYE")[0]
        assert 0 < invites[1].at_seconds - hung_up.at_seconds < IDLE_SECONDS
        assert not centre.sent("BYE")
        await again.wait_states(S.IDLE)
    await centre.closed_rows(2)
