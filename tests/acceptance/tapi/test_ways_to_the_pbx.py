"""How lines reach their PBX: realm check, outbound proxy, transport, port; on real Kamailios."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from acd.tapi.client import LineError, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineErr
from tests.acceptance.support.installation import Installation
from tests.acceptance.tapi.office import open_office, trunk_toml
from tests.acceptance.tapi.test_profiles import line_profile
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.certificates import make_certificate
from tests.peers.dns import run_dns
from tests.peers.kamailio import Kamailio, pbx_behind, run_kamailio
from tests.peers.nat import INSIDE, run_nat
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import invite, reject, write
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

PASSWORD = "change-me"


@asynccontextmanager
async def proxy(
    folder: Path, address: str, *, pbx: str, realm: str = ""
) -> AsyncIterator[Kamailio]:
    """A Kamailio with a certificate for its address, in `folder`."""
    folder.mkdir(exist_ok=True)
    certificate, key = make_certificate(folder, name=address)
    async with run_kamailio(
        address=address, pbx=pbx, certificate=certificate, key=key, realm=realm
    ) as kamailio:
        yield kamailio


def profiles(*trunks: str) -> str:
    """One line in standard mode for each trunk, in their order."""
    return "".join(
        f'[[profile]]\nname = "{name}"\nfirst_line = {line}\nlast_line = {line}\n'
        f'mode = "standard"\ntrunk = "{name}"\nphone = "31"\n'
        for line, name in enumerate(trunks, start=1)
    )


async def test_row_16_the_realm_check_and_one_user_at_two_domains(tmp_path: Path) -> None:
    addresses = Addresses.free()
    here, there = addresses.pbx, addresses.agent_101
    trunks = (
        trunk_toml("off", here, user="31", password="yes")
        + trunk_toml("on", here, user="31", password="yes", realm_check="true")
        + trunk_toml("own", there, user="31", password="yes", realm_check="true")
        + trunk_toml("other", there, user="31", password="yes", realm_check="true")
    )
    passwords = {"off": PASSWORD, "on": PASSWORD, "own": PASSWORD, "other": "of-another-domain"}
    with pbx_behind(addresses.carrier) as pbx, Wire(here, there) as wire:
        async with (
            proxy(tmp_path / "a", here, pbx=str(pbx.bind), realm="asterisk"),
            proxy(tmp_path / "b", there, pbx=str(pbx.bind)),
            open_office(
                tmp_path,
                trunks=trunks,
                profiles=profiles(*passwords),
                wire=wire,
                passwords=passwords,
                up=("off", "own"),
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            for refused in ("on", "other"):
                await office.engine.wait_metric("acd_trunk_up", 0, trunk=refused)
            # "off" answers a realm that is not its domain, "own" one that is; calls are asked too.
            for line in (1, 3):
                call = await app.line_make_call(await app.line_open(line), phones.ANSWERS)
                await call.wait_states(S.IDLE)
                assert call.events[-2].state is S.CONNECTED
            digests = [
                each.get("proxy-authorization")
                for each in select(office.wire.sip(), "INVITE")
                if each.destination[0] == here
            ]
            assert any('realm="asterisk"' in each for each in digests)
            # A realm that is not its domain gets no answer to its challenge.
            answered = [
                each
                for each in select(office.wire.sip(), "REGISTER")
                if each.get("authorization") and each.destination[0] == here
            ]
            assert len({each.call_id for each in answered}) == 1


@pytest.mark.parametrize("port", ["", ":5060"], ids=["host", "host and port"])
async def test_row_14_the_outbound_proxy_is_the_first_hop_and_a_loose_route(
    tmp_path: Path, port: str
) -> None:
    addresses = Addresses.free()
    trunk = trunk_toml(
        "office",
        "pbx.example.com",
        user="31",
        password="yes",
        outbound_proxy=f'"{addresses.pbx}{port}"',
        realm_check="true",
    )
    with pbx_behind(addresses.carrier) as pbx, Wire(addresses.pbx) as wire:
        async with (
            proxy(tmp_path, addresses.pbx, pbx=str(pbx.bind), realm="pbx.example.com"),
            open_office(
                tmp_path,
                trunks=trunk,
                profiles=profiles("office"),
                wire=wire,
                passwords={"office": PASSWORD},
                up=("office",),
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            call = await app.line_make_call(await app.line_open(1), phones.ANSWERS)
            await call.wait_states(S.IDLE)
            assert call.events[-2].state is S.CONNECTED
            invites = office.to(addresses.pbx, "INVITE")
    assert {each.request_uri for each in invites} == {"sip:31@pbx.example.com"}
    assert {each.all("route") for each in invites} == {(f"<sip:{addresses.pbx}{port};lr>",)}
    assert {each.destination for each in invites} == {(addresses.pbx, 5060)}


async def test_row_27_a_number_is_written_as_each_trunk_wants_it(tmp_path: Path) -> None:
    addresses = Addresses.free()
    written = {"+": "+431505641", "00": "00431505641", "digits": "431505641"}
    names = {f"by-{number}": written_as for number, written_as in enumerate(written, start=1)}
    trunks = "".join(
        trunk_toml(
            name, addresses.pbx, user="31", register="false", number_format=f'"{written_as}"'
        )
        for name, written_as in names.items()
    )
    lines = "".join(
        line_profile(line, f'trunk = "{name}"') for line, name in enumerate(names, start=1)
    )
    busy = Sipp.uas(write(tmp_path, invite(), reject("486 Busy Here")), Bind(addresses.pbx, 5060))
    with busy, Wire(addresses.pbx) as wire:
        async with (
            open_office(
                tmp_path,
                trunks=trunks,
                profiles=lines,
                wire=wire,
                up=tuple(names),
                region="AT",
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            for line in range(1, 4):
                call = await app.line_make_call(await app.line_open(line), "+43 (1) 505641")
                await call.wait_states(S.IDLE)
            dialed = [each.request_uri for each in office.to(addresses.pbx, "INVITE")]
    assert dialed == [f"sip:{number}@{addresses.pbx}" for number in written.values()]


async def test_row_33_udp_tcp_and_tls_side_by_side_each_by_its_account(tmp_path: Path) -> None:
    addresses = Addresses.free()
    trunks = trunk_toml("by-udp", addresses.pbx, user="31", password="yes")
    trunks += trunk_toml("by-tcp", addresses.pbx, user="32", password="yes", transport='"tcp"')
    trunks += trunk_toml(
        "by-tls",
        addresses.pbx,
        user="33",
        password="yes",
        transport='"tls"',
        tls_verify="false",
    )
    names = ("by-udp", "by-tcp", "by-tls")
    with pbx_behind(addresses.carrier) as pbx, Wire(addresses.pbx) as wire:
        async with (
            proxy(tmp_path, addresses.pbx, pbx=str(pbx.bind)),
            open_office(
                tmp_path,
                trunks=trunks,
                profiles=profiles(*names),
                wire=wire,
                passwords=dict.fromkeys(names, PASSWORD),
                up=names,
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            for line in range(1, 4):
                call = await app.line_make_call(await app.line_open(line), phones.ANSWERS)
                await call.wait_states(S.IDLE)
                assert call.events[-2].state is S.CONNECTED
            await office.seen(
                lambda: len({each.call_id for each in office.to(addresses.carrier, "BYE")}) == 3
            )
            came = [each.all("via")[-1] for each in office.to(addresses.carrier, "INVITE")]
    assert [via.split()[0].rpartition("/")[2] for via in came] == ["UDP", "TCP", "TLS"]


async def test_row_34_a_second_instance_on_the_same_port_says_so_in_one_sentence(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    trunk = trunk_toml(
        "office",
        addresses.pbx,
        user="31",
        register="false",
        bind_address=f'"{addresses.dialer}"',
        bind_port=5086,
    )
    with Wire(addresses.pbx) as wire:
        async with open_office(tmp_path / "first", trunks=trunk, profiles="", wire=wire):
            second = Installation.fresh(tmp_path / "second")
            (second.folder / "acd.toml").write_text(trunk + "[metrics]\nenabled = false\n")
            done = await second.command("acd run")
            assert done.exit_code == 1
            assert done.stderr.splitlines() == [
                f"acd: trunk office: another program holds UDP {addresses.dialer}:5086; "
                "choose another bind_port"
            ]
            # With any free port both run.
            (second.folder / "acd.toml").write_text(
                trunk.replace("5086", "0") + f"[metrics]\nport = {second.metrics_port}\n"
            )
            async with second.engine() as engine:
                await engine.wait_metric("acd_trunk_up", 0, trunk="office")
                await engine.end()


async def test_row_13_the_domain_by_name_by_address_and_by_srv_record(tmp_path: Path) -> None:
    addresses = Addresses.free()
    servers = f'["{addresses.agent_101}"]'
    domains = {"srv": "pbx.test", "name": "one.pbx.test", "address": addresses.pbx}
    trunks = "".join(
        trunk_toml(name, domain, user=f"user-{name}", password="yes", dns_servers=servers)
        for name, domain in domains.items()
    )
    # pbx.test has no address of its own: only its SRV record leads anywhere.
    records = (
        f"--host-record=one.pbx.test,{addresses.pbx}",
        "--srv-host=_sip._udp.pbx.test,one.pbx.test,5060,1,5",
    )
    with (
        pbx_behind(addresses.carrier) as pbx,
        run_dns(addresses.agent_101, *records),
        Wire(addresses.pbx) as wire,
    ):
        async with (
            proxy(tmp_path, addresses.pbx, pbx=str(pbx.bind)),
            open_office(
                tmp_path,
                trunks=trunks,
                profiles=profiles(*domains),
                wire=wire,
                passwords=dict.fromkeys(domains, PASSWORD),
                up=tuple(domains),
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            for line in range(1, 4):
                call = await app.line_make_call(await app.line_open(line), phones.ANSWERS)
                await call.wait_states(S.IDLE)
                assert call.events[-2].state is S.CONNECTED
            sent = office.wire.sip()
    for method in ("REGISTER", "INVITE"):
        asked = {
            each.request_uri.partition("@")[2] or each.request_uri.removeprefix("sip:")
            for each in select(sent, method)
            if each.destination == (addresses.pbx, 5060)
        }
        assert asked == set(domains.values()), method


async def test_row_15_the_auth_user_and_a_wrong_password(tmp_path: Path) -> None:
    addresses = Addresses.free()
    trunks = (
        trunk_toml("auth", addresses.pbx, user="31", password="yes", auth_user='"31-auth"')
        + trunk_toml("plain", addresses.pbx, user="32", password="yes")
        + trunk_toml("wrong", addresses.pbx, user="33", password="yes")
    )
    passwords = {"auth": PASSWORD, "plain": PASSWORD, "wrong": "not-this-one"}
    with pbx_behind(addresses.carrier) as pbx, Wire(addresses.pbx) as wire:
        async with (
            proxy(tmp_path, addresses.pbx, pbx=str(pbx.bind)),
            open_office(
                tmp_path,
                trunks=trunks,
                profiles=profiles(*passwords),
                wire=wire,
                passwords=passwords,
                up=("auth", "plain"),
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            await office.engine.wait_metric("acd_trunk_up", 0, trunk="wrong")
            with pytest.raises(LineError) as refused:
                await app.line_make_call(await app.line_open(3), phones.ANSWERS)
            assert refused.value.code is LineErr.RESOURCEUNAVAIL
            for line in (1, 2):
                call = await app.line_make_call(await app.line_open(line), phones.ANSWERS)
                await call.wait_states(S.IDLE)
                assert call.events[-2].state is S.CONNECTED
            sent = office.wire.sip()
            log = office.engine.log()
    assert "PASSWORD" not in log
    assert passwords["wrong"] not in log
    assert "credentials_refused" in log
    named = {"31": "31-auth", "32": "32"}
    for method, header in (("REGISTER", "authorization"), ("INVITE", "proxy-authorization")):
        for user, shown in named.items():
            digests = [
                each.get(header)
                for each in select(sent, method)
                if f"sip:{user}@" in each.get("from")
            ]
            assert all(f'username="{shown}"' in each for each in digests if each), method
            assert any(digests)
    # Asked, told with a digest, refused: and not tried again, nor was any call.
    tried = [each for each in select(sent, "REGISTER") if "sip:33@" in each.get("from")]
    assert len({each.get("cseq") for each in tried}) == 2
    refusal = [each for each in select(sent, 401, cseq="REGISTER") if "sip:33@" in each.get("from")]
    assert refusal[-1].at_seconds - tried[0].at_seconds < 2.0
    assert not [each for each in select(sent, "INVITE") if "sip:33@" in each.get("from")]


async def test_row_17_a_call_in_standard_mode_passes_a_nat(tmp_path: Path) -> None:
    with (
        run_nat() as nat,
        pbx_behind(nat.server, port=5080) as pbx,
        Wire(nat.server) as wire,
    ):
        async with proxy(tmp_path, nat.server, pbx=str(pbx.bind)):
            inside = (sys.executable, "-m", "tests.acceptance.tapi.behind_nat")
            done = await trio.run_process(
                nat.inside(*inside, str(tmp_path), nat.server), capture_stdout=True
            )
            messages = wire.sip()
    (told,) = [line for line in done.stdout.decode().splitlines() if line.startswith("told ")]
    assert json.loads(told.removeprefix("told "))[-2:] == ["CONNECTED", "IDLE"]
    for method in ("INVITE", "REFER", "BYE"):
        (request,) = select(messages, method)
        asked = request.all("via")[-1]
        # Its answers went to where it came from (RFC 3581), which it knows by now itself.
        assert f"received={nat.public}" in asked, method
        assert re.search(r";rport=4\d{4}\b", asked), method
    assert f"c=IN IP4 {INSIDE}".encode() in select(messages, "INVITE")[0].body
