"""Row 39: the TCP connection between an application and the gateway breaks, in each call state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from acd.tapi.client import HCall, LineApp, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineDisconnectMode as Mode
from acd.tapi.constants import LineErr
from tests.acceptance.tapi.call_centre import TapiCentre, open_scripted_centre
from tests.peers.cut import Way, open_way
from tests.peers.sipp.steps import (
    ack,
    answer,
    bye,
    cancel,
    notify,
    pause,
    refer,
    ring,
    terminate_cancelled,
    trying,
)
from tests.peers.wire import SipMessage

pytestmark = pytest.mark.real

ALERTED = (trying(), ring(), cancel(), terminate_cancelled())
BRANCHES = {
    "mute": (pause(1500), *ALERTED),
    "rings": ALERTED,
    "answered": (answer(), ack(), bye()),
    # The agent takes the person long after the grace is over.
    "slow": (
        *(answer(), ack(), refer(202), notify(100), pause(5000)),
        *(notify(200, final=True), bye()),
    ),
}


@asynccontextmanager
async def centre_beyond_a_way(folder: Path) -> AsyncIterator[tuple[TapiCentre, Way, LineApp]]:
    """An application whose connection to the gateway can be cut."""
    async with (
        open_scripted_centre(folder, BRANCHES, more="wait_limit_seconds = 60") as centre,
        open_way(server=(centre.gateway.host, centre.gateway.port)) as way,
        line_initialize_ex(replace(centre.gateway, host=way.host, port=way.port)) as app,
    ):
        yield centre, way, app


def of(messages: list[SipMessage], call: SipMessage) -> list[SipMessage]:
    return [each for each in messages if each.call_id == call.call_id]


async def test_row_39_a_link_cut_in_each_call_state_leaves_no_call_and_no_request(
    tmp_path: Path,
) -> None:
    failed: list[LineErr] = []

    async def transfer(app: LineApp, call: HCall) -> None:
        with pytest.raises(LineError) as lost:
            await app.line_blind_transfer(call, "101")
        failed.append(lost.value.code)

    async with centre_beyond_a_way(tmp_path) as (centre, way, app):
        lines = {name: await app.line_open(n) for n, name in enumerate(BRANCHES, start=1)}

        async def dial(name: str) -> HCall:
            return await app.line_make_call(lines[name], name)

        async with trio.open_nursery() as nursery:
            waits, slow = await dial("answered"), await dial("slow")
            assert await app.wait_connected(waits)
            assert await app.wait_connected(slow)
            nursery.start_soon(transfer, app, slow)
            await centre.seen(lambda: centre.heard("NOTIFY"))
            rings = await dial("rings")
            await rings.wait_states(S.RINGBACK)
            mute = await dial("mute")
            way.cut()
        calls = (waits, slow, rings, mute)
        for call in calls:
            await call.wait_states(S.IDLE)
            assert call.disconnect_mode is Mode.TEMPFAILURE
        assert failed == [LineErr.OPERATIONFAILED]
        assert not any(device.in_service for device in app.line_get_dev_caps())
        with pytest.raises(LineError) as away:
            await app.line_make_call(lines["rings"], "rings")
        assert away.value.code is LineErr.RESOURCEUNAVAIL
        await way.mend()
        await centre.seen(lambda: centre.sent("BYE")[1:])
        await centre.seen(lambda: centre.heard(487, cseq="INVITE")[1:])
        invites = first_invites(centre)
        for name in ("rings", "mute"):
            assert len(of(centre.sent("CANCEL"), invites[name])) == 1
            assert of(centre.heard(487, cseq="INVITE"), invites[name])
        # Who waits for an application is hung up on; whom the PBX is bringing to an agent is not.
        (hung_up,) = of(centre.sent("BYE"), invites["answered"])
        (handed_over,) = of(centre.sent("BYE"), invites["slow"])
        final = [m for m in centre.heard("NOTIFY") if b"200" in m.body][-1]
        assert hung_up.at_seconds < final.at_seconds < handed_over.at_seconds
        # On return the lines are in service again, for a new session.
        while not app.connected:
            await app.wait_devices_changed()
        assert all(device.in_service for device in app.line_get_dev_caps())
        await app.line_open(1)
    rows = sorted(await centre.closed_rows(4), key=lambda row: int(row["attempt_id"]))
    assert [row["transfer_result"] for row in rows] == [None, "answered", None, None]
    assert [bool(row["abandoned"]) for row in rows] == [True, False, False, False]


async def test_row_39_a_link_that_is_back_within_the_grace_costs_no_call(tmp_path: Path) -> None:
    async with centre_beyond_a_way(tmp_path) as (centre, way, app), trio.open_nursery() as nursery:
        calls: dict[str, HCall] = {}
        for line, name in enumerate(("answered", "slow", "rings"), start=1):
            calls[name] = await app.line_make_call(await app.line_open(line), name)
        for name in ("answered", "slow"):
            assert await app.wait_connected(calls[name])
        await calls["rings"].wait_states(S.RINGBACK)
        nursery.start_soon(app.line_blind_transfer, calls["slow"], "101")
        await centre.seen(lambda: centre.heard("NOTIFY"))
        way.cut()
        await way.mend()
        await app.wait_devices_changed()
        assert app.connected
        for name, state in (
            ("answered", S.CONNECTED),
            ("slow", S.CONNECTED),
            ("rings", S.RINGBACK),
        ):
            status = await app.line_get_call_status(calls[name])
            assert (status["state"], calls[name].state) == (state, state)
        assert not centre.sent("BYE")
        assert not centre.sent("CANCEL")
        # The reply to the request of before is heard on the new connection.
        await calls["slow"].wait_states(S.IDLE)
        assert calls["slow"].disconnect_mode is None
        for name in ("answered", "rings"):
            await app.line_drop(calls[name])
            await calls[name].wait_states(S.IDLE)
    rows = sorted(await centre.closed_rows(3), key=lambda row: int(row["attempt_id"]))
    assert [row["transfer_result"] for row in rows] == [None, "answered", None]


def first_invites(centre: TapiCentre) -> dict[str, SipMessage]:
    """Name that was dialed → its INVITE."""
    invites = centre.sent("INVITE")
    return {m.request_uri.removeprefix("sip:").partition("@")[0]: m for m in invites}
