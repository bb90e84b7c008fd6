"""`acd doctor` against a real Asterisk with the documented account."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio

from acd.control import open_control
from acd.lines import Trunk
from acd.settings import load_settings
from acd.sip import open_sip
from tests.integration.doctor.conftest import Office, Visit
from tests.peers.addresses import Addresses
from tests.peers.asterisk.runner import DIALER, DIALER_PASSWORD, run_asterisk
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

HERE = Addresses.free()
CARRIER = f"{HERE.carrier}:5060"
"""Nobody listens there: these tests call nobody through it."""


def write_trunk(office: Office, domain: str, password: str = DIALER_PASSWORD) -> None:
    (office.folder / "dialer.password").write_text(password + "\n")
    (office.folder / "dialer.password").chmod(0o600)
    office.write(
        f'[[trunk]]\ndomain = "{domain}"\nuser = "{DIALER}"\npassword_file = "dialer.password"\n'
        "lines = 4\ncalls_per_second = 20\n"
    )


async def visit(office: Office, *arguments: str, **options: Any) -> Visit:
    return await trio.to_thread.run_sync(partial(office.visit, *arguments, **options))


async def test_the_documented_account_passes_every_row(office: Office) -> None:
    async with run_asterisk(address=HERE.pbx, carrier=CARRIER) as pbx:
        write_trunk(office, f"{pbx.address}:{pbx.port}")
        seen = await visit(office)
        contacts = await pbx.cli("pjsip show contacts")
    assert seen.failed() == set()
    assert seen.row("OPTIONS (main)")["detail"].startswith("Asterisk PBX 22")
    assert seen.row("REFER (main)")["detail"].endswith("allows REFER")
    credentials = seen.row("credentials (main)")["detail"]
    assert credentials == 'accepted in realm "asterisk" (REGISTER: 200 OK)'
    assert "dialer/sip:" not in contacts, "the doctor must register no contact"


async def test_a_running_engine_keeps_its_contact(office: Office) -> None:
    async with run_asterisk(address=HERE.pbx, carrier=CARRIER) as pbx:
        write_trunk(office, f"{pbx.address}:{pbx.port}")
        settings = load_settings(office.folder / "acd.toml", {})
        async with open_sip(settings.trunk) as sip:
            await wait_up(sip.trunk("main"))
            before = await pbx.cli("database show registrar")
            assert "dialer" in before
            assert (await visit(office)).failed() == set()
            assert await pbx.cli("database show registrar") == before


async def test_load_beside_a_running_engine_registers_nothing(office: Office) -> None:
    with Wire(HERE.pbx) as wire:
        async with run_asterisk(address=HERE.pbx, carrier=CARRIER) as pbx:
            write_trunk(office, f"{pbx.address}:{pbx.port}")
            settings = load_settings(office.folder / "acd.toml", {})
            async with open_sip(settings.trunk) as sip, open_control(settings.control_socket, {}):
                await wait_up(sip.trunk("main"))
                await visit(office, "--load", "1", "--to", "nobody")
                messages = wire.sip()
    registers = [m for m in select(messages, "REGISTER") if m.get("Contact")]
    assert {m.get("Contact") for m in registers} == {registers[0].get("Contact")}
    assert [m.get("Expires") for m in registers] == ["300"] * len(registers)
    assert "nobody" in "".join(m.request_uri for m in select(messages, "INVITE"))


async def wait_up(trunk: Trunk) -> None:
    with trio.fail_after(10):
        while not trunk.health.may_dial:
            await trunk.wait_health_change(trunk.health)


async def test_a_wrong_password_is_refused_by_asterisk(office: Office) -> None:
    async with run_asterisk(address=HERE.pbx, carrier=CARRIER) as pbx:
        write_trunk(office, f"{pbx.address}:{pbx.port}", password="wrong")
        seen = await visit(office)
    assert "credentials (main)" in seen.failed()
    assert "refused with 401 Unauthorized for dialer" in seen.row("credentials (main)")["detail"]
    assert seen.row("OPTIONS (main)")["ok"]


async def test_an_extension_that_does_not_exist_stops_the_climb_at_once(office: Office) -> None:
    async with run_asterisk(address=HERE.pbx, carrier=CARRIER) as pbx:
        write_trunk(office, f"{pbx.address}:{pbx.port}")
        seen = await visit(office, "--load", "4", "--to", "nobody")
    load = seen.report["load"]
    assert (load["carried"], load["stopped_at"], load["sip_status"]) == (0, 1, 404)
    assert "takes any number of calls" in seen.row("load (main)")["remedy"]


async def test_calls_to_an_echo_extension_are_carried(office: Office) -> None:
    async with run_asterisk(address=HERE.pbx, carrier=CARRIER) as pbx:
        for priority, step in enumerate(("Answer()", "Wait(60)"), start=1):
            await pbx.cli(f"dialplan add extension 600,{priority},{step} into acd-leads")
        write_trunk(office, f"{pbx.address}:{pbx.port}")
        seen = await visit(office, "--load", "4", "--to", "600")
        calls = await pbx.cli("core show calls")
    assert seen.failed() == set()
    assert seen.row("load (main)")["detail"] == "4 of 4 calls at once"
    assert "0 active calls" in calls
    assert "4 calls processed" in calls
