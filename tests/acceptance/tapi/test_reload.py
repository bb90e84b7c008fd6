"""Lines and profiles that change while the engine runs, with a call up on another line."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from acd.tapi.client import LineError, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineErr
from tests.acceptance.tapi.call_centre import TOKEN
from tests.acceptance.tapi.office import Office, open_office, password_variable, trunk_toml
from tests.acceptance.tapi.test_profiles import asterisk_office, line_profile
from tests.acceptance.tapi.test_registering import registrar
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.wire import SipMessage, Wire, select

pytestmark = pytest.mark.real

PATIENCE = "wait_limit_seconds = 60.0\n"
PHONE = 'phone = "101"\n'
RELOAD = f"TAPI_TOKEN={TOKEN} {password_variable('office')}=office-secret acd tapi reload"


def rewrite(office: Office, *, lines: int, profiles: str) -> None:
    """Another acd.toml where the running engine's stands."""
    settings = office.installation.folder / "acd.toml"
    kept = settings.read_text().partition("[[profile]]")[0]
    settings.write_text(kept.replace("\nlines = 4\n", f"\nlines = {lines}\n") + profiles)


async def test_row_21_profiles_and_lines_change_and_calls_on_other_lines_survive(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    before = line_profile(2, f'mode = "standard"\n{PHONE}') + line_profile(3, 'mode = "acd"')
    after = line_profile(2, f'mode = "reverse"\n{PHONE}') + line_profile(3, "enabled = false")
    async with (
        asterisk_office(tmp_path, addresses, PATIENCE + before) as office,
        line_initialize_ex(office.gateway) as app,
    ):
        waiting = await app.line_make_call(await app.line_open(1), phones.ANSWERS)
        assert await app.wait_connected(waiting)
        second = await app.line_open(2)
        await refuse_what_does_not_fit(office)
        assert len(app.line_get_dev_caps()) == 4
        rewrite(office, lines=5, profiles=after)
        (done,) = await office.installation.succeed(RELOAD)
        # Line 2 can do other things in its new mode, line 3 nothing.
        assert done.stdout == "TAPI has 5 lines now: 1 new, 2 changed, 0 gone\n"
        while len(devices := app.line_get_dev_caps()) != 5:
            await app.wait_devices_changed()
        assert [each.number for each in devices if not each.enabled] == [3]
        with pytest.raises(LineError) as off:
            await app.line_open(3)
        assert off.value.code is LineErr.RESOURCEUNAVAIL
        # The line that was open goes by its new mode: the number first, then the user's phone.
        call = await app.line_make_call(second, phones.ANSWERS)
        assert await app.wait_connected(call)
        await call.wait_states(S.IDLE)
        await office.seen(lambda: office.to(addresses.agent_101, "ACK"))
        rang = office.to(addresses.agent_101, "INVITE")[0]
        answered = office.to(addresses.carrier, "ACK", cseq="ACK")[-1]
        assert answered.at_seconds < rang.at_seconds
        # And the person who was there all the while is handed over.
        assert waiting.state is S.CONNECTED
        await app.line_blind_transfer(waiting, "101")
        await waiting.wait_states(S.IDLE)
        assert waiting.disconnect_mode is None


async def refuse_what_does_not_fit(office: Office) -> None:
    """A trunk that the engine does not have, and a value that nobody could take."""
    own = line_profile(1, 'mode = "standard"\ntrunk = "new"')
    new = '[[trunk]]\nname = "new"\ndomain = "127.0.0.1"\nuser = "1"\n'
    rewrite(office, lines=4, profiles=own + new)
    refused = await office.installation.command(RELOAD)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert '"new" is no trunk' in refused.stderr
    assert "the engine knows the trunks of its start" in refused.stderr
    rewrite(office, lines=4, profiles=line_profile(1, 'mode = "sideways"'))
    wrong = await office.installation.command(RELOAD)
    assert wrong.exit_code == 2
    assert "profile[0].mode" in wrong.stderr


async def test_row_21_and_22_an_account_is_switched_on_and_registers_and_off_again(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    places = {"base": addresses.pbx, "own": addresses.carrier}
    trunks = trunk_toml("base", addresses.pbx, user="1", register="false")
    trunks += trunk_toml("own", addresses.carrier, user="31")
    own = 'trunk = "own"\nenabled = {}'
    answers = (("200 OK", "Expires: 400"), ("200 OK", "Expires: 0"))
    with registrar(tmp_path, addresses.carrier, answers), Wire(*places.values()) as wire:
        async with (
            open_office(
                tmp_path,
                trunks=trunks,
                profiles=line_profile(1, own.format("false")),
                wire=wire,
                up=("own",),
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            assert not select(wire.sip(), "REGISTER")
            command = f"TAPI_TOKEN={TOKEN} acd tapi reload"
            for enabled, expires in (("true", "300"), ("false", "0")):
                rewrite(office, lines=4, profiles=line_profile(1, own.format(enabled)))
                await office.installation.succeed(command)
                await office.seen(partial(registers, wire, expires))
                while app.line_get_dev_caps()[0].enabled is not (enabled == "true"):
                    await app.wait_devices_changed()
                if enabled == "true":
                    line = await app.line_open(1)
                while app.line_get_dev_caps()[0].registered is not (enabled == "true"):
                    await app.wait_devices_changed()
            await office.seen(lambda: len(select(wire.sip(), 200, cseq="REGISTER")) == 2)
            # The line that was switched off is open all the while.
            with pytest.raises(LineError) as off:
                await app.line_make_call(line, phones.ANSWERS)
            assert off.value.code == 0x8000004B
            assert not select(wire.sip(), "INVITE")


def registers(wire: Wire, expires: str) -> list[SipMessage]:
    """REGISTERs for so long."""
    return [each for each in select(wire.sip(), "REGISTER") if each.get("expires") == expires]
