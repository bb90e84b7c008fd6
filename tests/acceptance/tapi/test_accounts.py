"""Lines with an account each: imported from SIPTAPI, many side by side, one of them refused."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from acd.tapi.client import GatewayAddress, HCall, LineApp, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineErr
from tests.acceptance.support.installation import Installation
from tests.acceptance.tapi.call_centre import TOKEN
from tests.acceptance.tapi.office import open_office, trunk_toml, wait_said
from tests.peers import phones
from tests.peers.addresses import Addresses, free_port
from tests.peers.asterisk import run_asterisk
from tests.peers.certificates import make_certificate
from tests.peers.kamailio import pbx_behind, run_kamailio
from tests.peers.watching import wait_on_wire
from tests.peers.wire import SipMessage, Wire, select

pytestmark = pytest.mark.real

LINES = 41
REFUSED = 7
"""Whose account is refused: 40 are left, as many as SIPTAPI has."""
EXPORT = """Windows Registry Editor Version 5.00\r
\r
[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Telephony\\SIPTAPI]\r
"proxy1"="{pbx}"\r
"username1"="office"\r
"password1"="office-secret"\r
"phoneusername1"="101"\r
"lineactive1"=dword:00000001\r
"register1"=dword:00000001\r
"proxy2"="{pbx}"\r
"username2"="other"\r
"password2"="something"\r
"lineactive2"=dword:00000000\r
"reversemode"=dword:00000000\r
"""


async def test_row_38_an_imported_line_dials_as_it_did_in_siptapi(tmp_path: Path) -> None:
    addresses = Addresses.free()
    installation = Installation.fresh(tmp_path)
    export = EXPORT.format(pbx=addresses.pbx)
    (installation.folder / "siptapi.reg").write_bytes(export.encode("utf-16"))
    await installation.succeed("acd tapi import-reg siptapi.reg")
    again = await installation.command("acd tapi import-reg siptapi.reg")
    assert (again.exit_code, again.stdout) == (2, "")
    assert "acd.toml: is there already" in again.stderr
    port = settle(installation)
    async with run_asterisk(
        address=addresses.pbx,
        carrier=f"{addresses.carrier}:5060",
        agents={"101": f"{addresses.agent_101}:5060"},
    ):
        with ExitStack() as stack:
            wire = stack.enter_context(Wire(addresses.pbx))
            for peer in (
                phones.carrier(addresses.carrier),
                phones.agent_answers(addresses.agent_101, talk_ms=2000),
            ):
                stack.enter_context(peer)
                stack.callback(peer.stop, grace_seconds=0.2)
            async with installation.engine("acd run") as engine:
                await engine.wait_metric("acd_trunk_up", 1, trunk="account-1")
                await wait_said(engine, "tapi.serving")
                token = (installation.folder / "siptapi.token").read_text().strip()
                gateway = GatewayAddress(host="127.0.0.1", port=port, client="siptapi", token=token)
                async with line_initialize_ex(gateway) as app:
                    await dial_from_the_imported_line(app)
                messages = await wait_on_wire(
                    wire, lambda seen: select(seen, "BYE"), timeout_seconds=30
                )
                await engine.end()
    assert "sip:101@" in select(messages, "INVITE")[0].request_uri
    # What is switched off keeps its settings and leaves the PBX alone.
    assert not [each for each in select(messages, "REGISTER") if "other@" in each.get("to")]


async def dial_from_the_imported_line(app: LineApp) -> None:
    """Line 1 works, line 2 is there and deactivated."""
    call = await app.line_make_call(await app.line_open(1), phones.ANSWERS)
    await call.wait_states(S.IDLE)
    assert call.events[-2].state is S.CONNECTED
    with pytest.raises(LineError) as refused:
        await app.line_open(2)
    assert refused.value.code is LineErr.RESOURCEUNAVAIL


def settle(installation: Installation) -> int:
    """What the import cannot know; the gateway's port."""
    settings = installation.folder / "acd.toml"
    port = free_port()
    text = re.sub(r"(?m)^\[tapi\]$", f"[tapi]\nport = {port}", settings.read_text())
    # The test may run at night.
    text = text.replace("[[tapi_client]]\n", "[[tapi_client]]\nkeep_calling_hours = false\n")
    text += (
        f'[destinations]\ndefault_region = "DE"\n[metrics]\nport = {installation.metrics_port}\n'
    )
    settings.write_text(text)
    return port


async def test_row_18_forty_lines_with_an_account_each_talk_at_once_and_a_refused_one_does_not(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    certificate, key = make_certificate(tmp_path, name=addresses.pbx)
    names = {line: f"line-{line}" for line in range(1, LINES + 1)}
    trunks = "".join(
        trunk_toml(name, addresses.pbx, user=f"user{line}", password="yes", lines=1)
        for line, name in names.items()
    )
    passwords = dict.fromkeys(names.values(), "change-me") | {names[REFUSED]: "wrong"}
    working = [name for line, name in names.items() if line != REFUSED]
    profiles = "".join(
        f'[[profile]]\nname = "{name}"\nfirst_line = {line}\nlast_line = {line}\n'
        f'mode = "acd"\ntrunk = "{name}"\n'
        for line, name in names.items()
    )
    with pbx_behind(addresses.carrier) as pbx, Wire(addresses.pbx) as wire:
        async with (
            run_kamailio(
                address=addresses.pbx, pbx=str(pbx.bind), certificate=certificate, key=key
            ),
            open_office(
                tmp_path,
                trunks=trunks,
                profiles=profiles,
                wire=wire,
                passwords=passwords,
                lines=LINES,
                up=tuple(working),
                client="wait_limit_seconds = 60",
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            await office.engine.wait_metric("acd_trunk_up", 0, trunk=names[REFUSED])
            calls: list[HCall] = []
            async with trio.open_nursery() as nursery:
                for line in names:
                    nursery.start_soon(dial_on, app, line, calls)
            # All of them talk at the same moment: nobody has said BYE yet.
            held = await office.seen(
                lambda: len(ids(office.to(addresses.carrier, "ACK"))) == len(working)
            )
            assert not select(held, "BYE")
            assert len(calls) == len(working) == 40
            async with trio.open_nursery() as nursery:
                for call in calls:
                    nursery.start_soon(hand_over, app, call)
            messages = await office.seen(
                lambda: len(ids(office.to(addresses.carrier, "BYE"))) == len(working)
            )
    dialed = [each for each in select(messages, "INVITE") if each.destination[0] == pbx.bind.host]
    shown = {each.call_id: users([each]) for each in dialed}
    assert sorted(str(*each) for each in shown.values()) == sorted(
        f"user{line}" for line in names if line != REFUSED
    )
    registered = {each.get("to") for each in select(messages, 200, cseq="REGISTER")}
    assert len(registered) == len(working)


async def dial_on(app: LineApp, line: int, calls: list[HCall]) -> None:
    """Each line by itself; the one whose account is refused says so at once."""
    handle = await app.line_open(line)
    if line == REFUSED:
        with pytest.raises(LineError) as refused:
            await app.line_make_call(handle, phones.ANSWERS)
        assert refused.value.code is LineErr.RESOURCEUNAVAIL
        return
    call = await app.line_make_call(handle, phones.ANSWERS)
    assert await app.wait_connected(call)
    calls.append(call)


async def hand_over(app: LineApp, call: HCall) -> None:
    """To an agent who takes the person."""
    await app.line_blind_transfer(call, "31")
    await call.wait_states(S.IDLE)


def ids(messages: list[SipMessage]) -> set[str]:
    """Whose calls they are."""
    return {each.call_id for each in messages}


def users(invites: list[SipMessage]) -> set[str]:
    """Whose account each INVITE shows."""
    found = (re.search(r"sip:([^@]+)@", each.get("from")) for each in invites)
    return {each[1] for each in found if each is not None}


async def test_row_19_more_than_forty_lines_are_visible_and_row_22_a_disabled_one_too(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    trunk = trunk_toml("office", addresses.pbx, user="31", register="false", lines=120)
    off = '[[profile]]\nname = "off"\nfirst_line = 50\nlast_line = 50\nenabled = false\n'
    with Wire(addresses.pbx) as wire:
        async with (
            open_office(tmp_path, trunks=trunk, profiles=off, wire=wire, lines=120) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            devices = app.line_get_dev_caps()
            assert [device.number for device in devices] == list(range(1, 121))
            disabled = [device for device in devices if not device.enabled]
            assert [device.name for device in disabled] == ["acd 050: deactivated"]
            with pytest.raises(LineError) as refused:
                await app.line_open(50)
            assert refused.value.code is LineErr.RESOURCEUNAVAIL
            await app.line_open(120)


async def test_row_21_lines_of_profiles_keep_their_trunk_when_the_others_change(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    trunks = "".join(
        trunk_toml(name, addresses.pbx, user=name, register="false", lines=lines)
        for name, lines in (("base", 4), ("phone", 2))
    )
    profile = (
        '[[profile]]\nname = "own"\nfirst_line = 3\nlast_line = 4\n'
        'mode = "standard"\ntrunk = "phone"\nphone = "31"\n'
    )
    with Wire(addresses.pbx) as wire:
        async with (
            open_office(tmp_path, trunks=trunks, profiles=profile, wire=wire, lines=5) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            command = f"TAPI_TOKEN={TOKEN} acd tapi lines"
            for lines, left in ((6, 0), (4, 2)):
                (done,) = await office.installation.succeed(f"{command} {lines}")
                assert f"TAPI has {lines} lines now and campaigns {left};" in done.stdout
                while len(app.line_get_dev_caps()) != lines:
                    await app.wait_devices_changed()
            assert [device.name.split()[-1] for device in app.line_get_dev_caps()] == [
                f"sip:{user}@{addresses.pbx}" for user in ("base", "base", "phone", "phone")
            ]
            for wrong in (3, 7):
                refused = await office.installation.command(f"{command} {wrong}")
                assert (refused.exit_code, refused.stdout) == (2, "")
                assert "allowed: 4 to 6 lines, as trunk base has 4" in refused.stderr


async def test_row_21_a_line_that_a_profile_forbids_on_its_trunk_does_not_come(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    phone = {"outbound_proxy": f'"{addresses.carrier}:8899"', "register": "false"}
    trunk = trunk_toml("phone", addresses.pbx, user="31", **phone)
    profile = '[[profile]]\nname = "own"\nfirst_line = 1\nlast_line = 1\nmode = "alternative"\n'
    with Wire(addresses.pbx) as wire:
        async with (
            open_office(tmp_path, trunks=trunk, profiles=profile, wire=wire, lines=1) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            command = f"TAPI_TOKEN={TOKEN} acd tapi"
            refused = await office.installation.command(f"{command} lines 2")
            assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
            assert "trunk phone leads to one phone, and cannot be in acd mode too" in refused.stderr
            (shown,) = await office.installation.succeed(f"{command} status --json")
            assert json.loads(shown.stdout)["lines"] == len(app.line_get_dev_caps()) == 1
