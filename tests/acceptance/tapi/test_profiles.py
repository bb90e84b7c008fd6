"""Line profiles on a real Asterisk, a real Kamailio and a phone: rows judged from the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from acd.tapi.client import line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineDisconnectMode as Mode
from tests.acceptance.tapi.call_centre import agent_address
from tests.acceptance.tapi.office import Office, open_office, trunk_toml
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import run_asterisk
from tests.peers.certificates import make_certificate
from tests.peers.kamailio import pbx_behind, run_kamailio
from tests.peers.sipp import steps
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.wire import SipMessage, Wire, select

pytestmark = pytest.mark.real

END_SECONDS = 1.0
"""From the final NOTIFY to our BYE, and from the PBX's BYE to IDLE."""
BREATH_SECONDS = 0.05
"""What Asterisk's threads do about one thing, in whichever order."""
PROFILE = """
[[profile]]
name = "one"
first_line = 1
last_line = {last}
mode = "{mode}"
{more}
"""


def profile(mode: str, more: str = "", *, last: int = 4) -> str:
    return PROFILE.format(mode=mode, more=more, last=last)


@asynccontextmanager
async def asterisk_office(
    folder: Path, addresses: Addresses, profiles: str, *, ring_seconds: int = 20
) -> AsyncIterator[Office]:
    """Phone 101 is answered and talks on, 102 is busy, 103 silent; the carrier behind."""
    silent = agent_address(addresses, 103)
    at = {"101": addresses.agent_101, "102": addresses.agent_102, "103": silent}
    agents = {extension: f"{address}:5060" for extension, address in at.items()}
    async with run_asterisk(
        address=addresses.pbx, carrier=f"{addresses.carrier}:5060", agents=agents
    ) as pbx:
        await pbx.cli(f"dialplan set global ACD_RING_SECONDS {ring_seconds}")
        with ExitStack() as stack:
            wire = stack.enter_context(Wire(addresses.pbx))
            for peer in (
                phones.carrier(addresses.carrier),
                phones.agent_answers(addresses.agent_101, talk_ms=2000),
                phones.agent_busy(addresses.agent_102),
                phones.agent_silent(silent),
            ):
                stack.enter_context(peer)
                stack.callback(peer.stop, grace_seconds=0.2)
            trunk = trunk_toml("office", addresses.pbx, user="office", password="yes")
            async with open_office(
                folder,
                trunks=trunk,
                profiles=profiles,
                wire=wire,
                passwords={"office": "office-secret"},
                up=("office",),
            ) as office:
                yield office


def final_notify(messages: list[SipMessage]) -> SipMessage:
    return [each for each in select(messages, "NOTIFY") if b"SIP/2.0 1" not in each.body][-1]


async def test_row_01_standard_mode_through_a_proxy(tmp_path: Path) -> None:
    addresses = Addresses.free()
    certificate, key = make_certificate(tmp_path, name=addresses.pbx)
    trunk = trunk_toml("office", addresses.pbx, user="dialer", password="yes")
    with pbx_behind(addresses.carrier) as pbx, Wire(addresses.pbx) as wire:
        async with (
            run_kamailio(
                address=addresses.pbx, pbx=str(pbx.bind), certificate=certificate, key=key
            ),
            open_office(
                tmp_path,
                trunks=trunk,
                profiles=profile("standard", 'phone = "31"'),
                wire=wire,
                passwords={"office": "change-me"},
                up=("office",),
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            call = await app.line_make_call(await app.line_open(1), phones.ANSWERS)
            await call.wait_states(S.IDLE)
            messages = await office.seen(lambda: office.to(addresses.carrier, "BYE"))
            assert "sip:31@" in office.to(addresses.carrier, "INVITE")[0].request_uri
            refer = office.to(addresses.carrier, "REFER")[0]
            assert f"{phones.ANSWERS}@{addresses.pbx}" in refer.get("refer-to")
            bye = office.to(addresses.pbx, "BYE")[0]
            assert bye.at_seconds - final_notify(messages).at_seconds < END_SECONDS
            assert [event.state for event in call.events][-2:] == [S.CONNECTED, S.IDLE]


async def test_row_02_standard_mode_through_asterisk(tmp_path: Path) -> None:
    addresses = Addresses.free()
    async with (
        asterisk_office(tmp_path, addresses, profile("standard", 'phone = "101"')) as office,
        line_initialize_ex(office.gateway) as app,
    ):
        line = await app.line_open(1)
        call = await app.line_make_call(line, phones.ANSWERS)
        await call.wait_states(S.IDLE)
        # The phone, and then the number: they talk, and nothing of it runs through us.
        messages = await office.seen(lambda: office.to(addresses.carrier, "ACK"))
        (rang,) = office.to(addresses.agent_101, "INVITE")
        (dialed,) = office.to(addresses.carrier, "INVITE")
        assert rang.at_seconds < dialed.at_seconds
        assert phones.ANSWERS in select(messages, "REFER")[0].get("refer-to")
        messages = await office.seen(partial(ended, office, addresses.pbx, 1))
        bye = office.to(addresses.pbx, "BYE")[0]
        assert 0 < bye.at_seconds - final_notify(messages).at_seconds < END_SECONDS
        assert [event.state for event in call.events][-2:] == [S.CONNECTED, S.IDLE]
        # A number that is busy: the user's phone is let go, and the application told why.
        busy = await app.line_make_call(line, phones.BUSY)
        await busy.wait_states(S.IDLE)
        assert busy.disconnect_mode is Mode.BUSY
    first, second = office.installation.rows("attempts")
    assert first["disposition"] == "handed_over"
    assert second["answered_at"] is None
    assert not second["abandoned"]


async def test_row_03_reverse_mode_calls_the_number_first(tmp_path: Path) -> None:
    addresses = Addresses.free()
    async with (
        asterisk_office(tmp_path, addresses, profile("reverse", 'phone = "101"')) as office,
        line_initialize_ex(office.gateway) as app,
    ):
        line = await app.line_open(1)
        busy = await app.line_make_call(line, phones.BUSY)
        await busy.wait_states(S.IDLE)
        assert busy.disconnect_mode is Mode.BUSY
        assert not office.to(addresses.agent_101, "INVITE")
        call = await app.line_make_call(line, phones.ANSWERS)
        await call.wait_states(S.IDLE)
        await office.seen(lambda: office.to(addresses.agent_101, "ACK"))
        answered = office.to(addresses.carrier, "ACK", cseq="ACK")[-1]
        (rang,) = office.to(addresses.agent_101, "INVITE")
        assert answered.at_seconds < rang.at_seconds
    assert [row["disposition"] for row in office.installation.rows("attempts")] == [
        "busy",
        "handed_over",
    ]


async def test_row_03_asterisk_keeps_nobody_whose_user_is_busy_or_silent(tmp_path: Path) -> None:
    addresses = Addresses.free()
    phones_of = {1: "102", 2: "103"}
    profiles = "".join(
        line_profile(line, f'mode = "reverse"\nphone = "{phone}"')
        for line, phone in phones_of.items()
    )
    async with (
        asterisk_office(tmp_path, addresses, profiles, ring_seconds=2) as office,
        line_initialize_ex(office.gateway) as app,
    ):
        for line in phones_of:
            call = await app.line_make_call(await app.line_open(line), phones.ANSWERS)
            await call.wait_states(S.IDLE)
            assert [event.state for event in call.events][-3:] == [
                *(S.CONNECTED, S.DISCONNECTED, S.IDLE)
            ]
            # Asterisk has taken the person out of our call: there is nobody to keep.
            await office.seen(partial(ended, office, addresses.pbx, line))
            failed = final_notify(office.wire.sip())
            assert failed.body.startswith(b"SIP/2.0 503")
            bye = office.to(addresses.pbx, "BYE")[-1]
            assert bye.call_id == failed.call_id
            assert 0 < bye.at_seconds - failed.at_seconds < END_SECONDS
        (gave_up,) = office.to(agent_address(addresses, 103), "CANCEL")
        # Asterisk sends both in one breath, from two threads.
        assert gave_up.at_seconds <= failed.at_seconds + BREATH_SECONDS
    for row in office.installation.rows("attempts"):
        assert (row["transfer_result"], bool(row["abandoned"])) == ("failed", True)


def ended(office: Office, pbx: str, number: int) -> bool:
    """Whether we have hung up so many calls."""
    return len({each.call_id for each in office.to(pbx, "BYE")}) == number


def taking_phone(folder: Path, address: str) -> Sipp:
    """A phone at a port of its own that takes a REFER."""
    scenario = steps.write(
        folder,
        *(steps.invite(), steps.ring(), steps.answer(), steps.ack()),
        *(steps.refer(202), steps.notify(200, final=True), steps.bye()),
    )
    return Sipp.uas(scenario, Bind(address, 8899))


async def test_row_10_alternative_mode_calls_a_phone_at_a_fixed_address(tmp_path: Path) -> None:
    addresses = Addresses.free()
    phone = taking_phone(tmp_path, addresses.agent_101)
    trunk = trunk_toml(
        "office",
        "pbx.example.com",
        user="31",
        register="false",
        outbound_proxy=f'"{addresses.agent_101}:8899"',
    )
    profiles = profile("alternative", 'auto_answer = "snom"')
    with phone, Wire(addresses.agent_101) as wire:
        async with (
            open_office(
                tmp_path, trunks=trunk, profiles=profiles, wire=wire, up=("office",)
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            call = await app.line_make_call(await app.line_open(1), phones.ANSWERS)
            await call.wait_states(S.IDLE)
            await office.seen(lambda: office.to(addresses.agent_101, "BYE"))
            (invite,) = office.to(addresses.agent_101, "INVITE")
            assert invite.destination == (addresses.agent_101, 8899)
            assert invite.request_uri == "sip:31@pbx.example.com"
            assert invite.get("call-info") == "<sip:pbx.example.com>;answer-after=0"
            (refer,) = office.to(addresses.agent_101, "REFER")
            assert refer.get("refer-to") == f"<sip:{phones.ANSWERS}@pbx.example.com>"


async def test_row_11_the_users_extension_with_and_without_its_address(tmp_path: Path) -> None:
    addresses = Addresses.free()
    domain, elsewhere = f"{addresses.agent_101}:8899", f"{addresses.agent_102}:8899"
    trunk = trunk_toml("office", domain, user="dialer", register="false")
    written = {1: "", 2: "31", 3: f"31@{elsewhere}"}
    profiles = "".join(
        line_profile(line, f'mode = "standard"\nphone = "{phone}"')
        for line, phone in written.items()
    )
    with (
        taking_phone(tmp_path, addresses.agent_101),
        taking_phone(tmp_path, addresses.agent_102),
        Wire(addresses.agent_101, addresses.agent_102) as wire,
    ):
        async with (
            open_office(
                tmp_path, trunks=trunk, profiles=profiles, wire=wire, up=("office",)
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            for line in written:
                call = await app.line_make_call(await app.line_open(line), phones.ANSWERS)
                await call.wait_states(S.IDLE)
            await office.seen(lambda: len(select(office.wire.sip(), "BYE")) == len(written))
            rang = [each.request_uri for each in select(office.wire.sip(), "INVITE")]
            assert rang == [f"sip:dialer@{domain}", f"sip:31@{domain}", f"sip:31@{elsewhere}"]


async def test_row_12_each_phone_has_its_headers_and_no_customer_gets_them(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    domain = f"{addresses.agent_101}:8899"
    trunk = trunk_toml("office", domain, user="dialer", register="false")
    info = f"<sip:{domain}>;answer-after=0"
    alert = f"<http://{domain}>;info=alert-autoanswer;delay=0"
    expected = {
        "snom": ((info,), ()),
        "grandstream": ((info,), (alert,)),
        "polycom": ((), ("Ring Answer",)),
        "aastra": ((), (alert,)),
        "any": ((info,), (alert, "Ring Answer")),
    }
    profiles = "".join(
        line_profile(line, f'mode = "standard"\nauto_answer = "{kind}"')
        for line, kind in enumerate(expected, start=1)
    )
    customers = {6: "reverse", 7: "acd"}
    profiles += "".join(line_profile(line, f'mode = "{mode}"') for line, mode in customers.items())
    with taking_phone(tmp_path, addresses.agent_101), Wire(addresses.agent_101) as wire:
        async with (
            open_office(
                tmp_path, trunks=trunk, profiles=profiles, wire=wire, up=("office",), lines=7
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            for line in range(1, 8):
                call = await app.line_make_call(await app.line_open(line), phones.ANSWERS)
                # A person in acd mode is hung up on when nobody takes them.
                await call.wait_states(S.IDLE)
            invites = select(office.wire.sip(), "INVITE")
    got = [(each.all("call-info"), each.all("alert-info")) for each in invites]
    assert got == [*expected.values(), ((), ()), ((), ())]


async def test_row_12_headers_reach_a_phone_behind_asterisk_where_the_dialplan_copies_them(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    copied, lost = 1, 2
    phones_of = {copied: "101", lost: "109"}
    profiles = "".join(
        line_profile(line, f'mode = "standard"\nphone = "{phone}"\nauto_answer = "grandstream"')
        for line, phone in phones_of.items()
    )
    async with (
        asterisk_office(tmp_path, addresses, profiles) as office,
        line_initialize_ex(office.gateway) as app,
    ):
        for line in phones_of:
            call = await app.line_make_call(await app.line_open(line), phones.ANSWERS)
            await call.wait_states(S.IDLE)
        await office.seen(lambda: len(by_call(office.to(addresses.carrier, "ACK"))) == 2)
        info = f"<sip:{addresses.pbx}>;answer-after=0"
        alert = f"<http://{addresses.pbx}>;info=alert-autoanswer;delay=0"
        rang = by_call(office.to(addresses.agent_101, "INVITE"))
        assert rang == [((info,), (alert,)), ((), ())]
        assert by_call(office.to(addresses.carrier, "INVITE")) == [((), ())] * 2


def by_call(messages: list[SipMessage]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The auto-answer headers of each call's first message."""
    firsts: dict[str, SipMessage] = {}
    for each in messages:
        firsts.setdefault(each.call_id, each)
    return [(each.all("call-info"), each.all("alert-info")) for each in firsts.values()]


def line_profile(line: int, more: str) -> str:
    """A profile for one line."""
    return f'[[profile]]\nname = "line-{line}"\nfirst_line = {line}\nlast_line = {line}\n{more}\n'
