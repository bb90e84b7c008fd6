"""Users' phones that are registered at a Kamailio, as SIPTAPI's users have it, and no PBX.

acd is one more registration of the same user. The phone that obeys our REFER is a real one.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from acd.tapi.client import HCall, LineApp, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineConnectedMode, LineOfferingMode
from tests.acceptance.tapi.call_centre import kept_open
from tests.acceptance.tapi.office import Office, open_office, shown, trunk_toml
from tests.integration.sip.listening import tone
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.baresip import run_baresip
from tests.peers.certificates import make_certificate
from tests.peers.g711 import write_wav
from tests.peers.kamailio import Kamailio, run_kamailio
from tests.peers.sipp.runner import Sipp
from tests.peers.watching import wait_on_wire
from tests.peers.wire import RtpPacket, SipMessage, Wire, select

pytestmark = pytest.mark.real

PASSWORD = "change-me"
END_SECONDS = 1.0
"""From the final NOTIFY to our BYE."""
WORD_PACKETS = 10
"""Sound of 0.2 s."""
STANDARD, REVERSE, ALONE, FIXED = 1, 2, 3, 4
"""Lines. User 31 and user 32 have phones that pick up by themselves; 33 has acd alone."""
PROFILES = f"""
[[profile]]
name = "standard"
first_line = {STANDARD}
last_line = {STANDARD}
mode = "standard"
trunk = "user-31"
auto_answer = "any"
incoming = true

[[profile]]
name = "reverse"
first_line = {REVERSE}
last_line = {REVERSE}
mode = "reverse"
trunk = "user-32"

[[profile]]
name = "alone"
first_line = {ALONE}
last_line = {ALONE}
mode = "standard"
trunk = "user-33"
incoming = true
send_180 = true

[[profile]]
name = "fixed"
first_line = {FIXED}
last_line = {FIXED}
mode = "alternative"
trunk = "fixed"
auto_answer = "snom"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """What runs, and what the wire saw of it in one test."""

    office: Office
    proxy: Kamailio
    addresses: Addresses
    since: float = 0.0

    def messages(self) -> list[SipMessage]:
        return [each for each in self.office.wire.sip() if each.at_seconds >= self.since]

    def at(self, address: str, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """What came to an address."""
        found = select(self.messages(), what, cseq=cseq)
        return [each for each in found if each.destination[0] == address]

    def ours(self, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """What the engine sent."""
        found = select(self.messages(), what, cseq=cseq)
        return [each for each in found if each.source[0] not in self.others]

    @property
    def others(self) -> set[str]:
        """Every address that is not the engine's."""
        return {self.proxy.address, *self.phones, self.addresses.carrier}

    @property
    def phones(self) -> tuple[str, str]:
        """Of user 31 and of user 32."""
        return self.addresses.agent_101, self.addresses.agent_102

    async def seen(self, address: str, what: str | int, *, cseq: str = "") -> SipMessage:
        """Wait until it has come to an address; the last one."""
        await wait_on_wire(
            self.office.wire, lambda _: self.at(address, what, cseq=cseq), timeout_seconds=30
        )
        return self.at(address, what, cseq=cseq)[-1]

    def answers(self) -> set[int]:
        """With what the engine answered calls that came to it."""
        return {
            each.status
            for each in self.messages()
            if each.status and each.cseq_method == "INVITE" and each.source[0] not in self.others
        }

    async def talk(self, target: str) -> tuple[list[RtpPacket], list[RtpPacket]]:
        """Wait until who called a target and the target hear each other for a while."""
        # By ports: a phone's sound leaves from whatever address routes there.
        there = media_port(self.at(target, "INVITE")[-1])
        answers = select(self.messages(), 200, cseq="INVITE")
        here = media_port([each for each in answers if each.source[0] == target][-1])

        def both() -> tuple[list[RtpPacket], list[RtpPacket]]:
            sound = [each for each in self.office.wire.rtp() if each.at_seconds >= self.since]
            ways = [(each, (each.source[1], each.destination[1])) for each in sound]
            return (
                [each for each, way in ways if way == (there, here)],
                [each for each, way in ways if way == (here, there)],
            )

        await wait_on_wire(
            self.office.wire,
            lambda _: min(len(each) for each in both()) >= WORD_PACKETS,
            timeout_seconds=30,
        )
        return both()

    async def somebody(self, caller: Sipp) -> None:
        """Somebody calls from outside; to the end of their call."""
        with caller:
            await trio.to_thread.run_sync(caller.wait, 30)
            assert caller.counts().successful == 1


def media_port(message: SipMessage) -> int:
    """Where whoever wrote this SDP wants to hear."""
    found = re.search(rb"^m=audio (\d+)", message.body, re.MULTILINE)
    assert found is not None
    return int(found[1])


@asynccontextmanager
async def open_site(folder: Path) -> AsyncIterator[Site]:
    addresses = Addresses.free()
    certificate, key = make_certificate(folder, name=addresses.pbx)
    says = write_wav(folder / "says.wav", tone(15, hertz=600))
    async with AsyncExitStack() as stack:
        at = (addresses.pbx, addresses.agent_101, addresses.agent_102, addresses.carrier)
        wire = stack.enter_context(Wire(*at))
        carrier = phones.agent_answers(addresses.carrier, talk_ms=1500, echoes=True)
        stack.enter_context(carrier)
        proxy = await stack.enter_async_context(
            run_kamailio(
                address=addresses.pbx,
                pbx=str(carrier.bind),
                certificate=certificate,
                key=key,
                users=True,
            )
        )
        for user, address in (("31", addresses.agent_101), ("32", addresses.agent_102)):
            await stack.enter_async_context(
                run_baresip(
                    address, says=says, user=user, registrar=addresses.pbx, password=PASSWORD
                )
            )
        trunks = {f"user-{user}": user for user in ("31", "32", "33")}
        fixed = {"register": "false", "outbound_proxy": f'"{addresses.agent_101}:5060"'}
        office = await stack.enter_async_context(
            open_office(
                folder,
                trunks="".join(
                    trunk_toml(name, addresses.pbx, user=user, password="yes", lines=2)
                    for name, user in trunks.items()
                )
                + trunk_toml("fixed", addresses.pbx, user="31", **fixed),
                profiles=PROFILES,
                wire=wire,
                passwords=dict.fromkeys(trunks, PASSWORD),
                up=(*trunks, "fixed"),
                allow='["31"]',
            )
        )
        yield Site(office, proxy, addresses)


@pytest.fixture(scope="module")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with kept_open(open_site(tmp_path_factory.mktemp("users"))) as site:
        yield site


@pytest.fixture
def site(one_for_all: Site) -> Site:
    return replace(one_for_all, since=time.time())


async def test_row_24_phone_and_acd_are_registered_side_by_side(site: Site) -> None:
    contacts = await site.proxy.contacts("31")
    assert sorted(site.phones[0] in each for each in contacts) == [False, True]
    (ours,) = await site.proxy.contacts("33")
    assert ours.startswith("sip:33@")


async def check_transfer(site: Site, call: HCall, *, phone: str, target: str) -> None:
    """The phone that answered us obeys the REFER, talks to the target, and we are gone."""
    await call.wait_states(S.IDLE)
    assert [event.state for event in call.events][-2:] == [S.CONNECTED, S.IDLE]
    # Whom the phone called by itself: it answered us, asked, and has an answer.
    await site.seen(target, "ACK")
    bye = (await wait_for_ours(site, "BYE"))[0]
    refer = site.at(phone, "REFER")[-1]
    assert bye.call_id == refer.call_id
    told = [each for each in select(site.messages(), "NOTIFY") if each.call_id == refer.call_id]
    final = next(each for each in told if b" 200 " in each.body)
    assert 0 < bye.at_seconds - final.at_seconds < END_SECONDS
    # We are gone, and they hear each other.
    talks = await site.talk(target)
    assert min(each[-1].at_seconds for each in talks) > bye.at_seconds
    assert {each.call_id for each in site.at(target, "ACK")} == {
        each.call_id for each in site.at(target, "INVITE")
    }
    assert refer.call_id not in {each.call_id for each in site.at(target, "INVITE")}


async def test_row_01_a_registered_phone_is_called_and_sent_to_the_number(site: Site) -> None:
    phone, carrier = site.phones[0], site.addresses.carrier
    async with line_initialize_ex(site.office.gateway) as app:
        call = await app.line_make_call(await app.line_open(STANDARD), phones.ANSWERS)
        await check_transfer(site, call, phone=phone, target=carrier)
        (rang,) = {each.call_id: each for each in site.at(phone, "INVITE")}.values()
        # Row 12: what makes a phone pick up passes the proxy, and the number gets none of it.
        assert rang.get("call-info") == f"<sip:{site.proxy.address}>;answer-after=0"
        assert rang.all("alert-info")
        dialed = site.at(carrier, "INVITE")[-1]
        assert dialed.request_uri == f"sip:{phones.ANSWERS}@{site.proxy.address}"
        assert (dialed.all("call-info"), dialed.all("alert-info")) == ((), ())
        # Row 26: the proxy calls acd too, which leaves the call to the phone.
        assert site.answers() <= {100, 486, 487}
        assert not await shown(app)
    await site.seen(phone, "BYE")


async def test_row_03_reverse_mode_sends_a_registered_phone_to_the_users_phone(site: Site) -> None:
    dialed, users = site.phones
    async with line_initialize_ex(site.office.gateway) as app:
        call = await app.line_make_call(await app.line_open(REVERSE), "31")
        await check_transfer(site, call, phone=dialed, target=users)
        assert "<sip:32@" in site.at(dialed, "REFER")[-1].get("refer-to")


async def test_row_10_a_phone_at_a_fixed_address_is_sent_to_the_number(site: Site) -> None:
    phone, carrier = site.phones[0], site.addresses.carrier
    async with line_initialize_ex(site.office.gateway) as app:
        call = await app.line_make_call(await app.line_open(FIXED), phones.ANSWERS)
        await check_transfer(site, call, phone=phone, target=carrier)
        rang = site.ours("INVITE")[0]
        # Past the proxy, whose name stands in the URIs.
        assert rang.destination == (phone, 5060)
        assert rang.request_uri == f"sip:31@{site.proxy.address}"
        assert rang.get("call-info") == f"<sip:{site.proxy.address}>;answer-after=0"
    await site.seen(phone, "BYE")


async def offered(app: LineApp, line: int) -> HCall:
    """The call that an application is shown."""
    with trio.fail_after(30):
        call = await app.wait_new_call()
        await call.wait_states(S.OFFERING)
    assert call.line.number == line
    assert (call.caller, call.caller_name) == (phones.CALLER, "Ann Example")
    return call


async def test_row_25_a_caller_through_the_proxy_is_shown_and_gone_when_they_give_up(
    site: Site,
) -> None:
    here, proxy = site.addresses.carrier, site.proxy.address
    async with line_initialize_ex(site.office.gateway) as app, trio.open_nursery() as nursery:
        await app.line_open(ALONE)
        nursery.start_soon(site.somebody, phones.caller_gives_up(here, proxy, user="33"))
        call = await offered(app, ALONE)
        assert call.called == "33"
        await call.wait_states(S.IDLE)
        assert told(call) == [OFFERED, IDLE]
        await wait_for_ours(site, 487)
        assert site.answers() == {100, 180, 487}


async def test_row_25_a_call_that_the_registered_phone_answers_is_told_apart(site: Site) -> None:
    here, proxy = site.addresses.carrier, site.proxy.address
    async with line_initialize_ex(site.office.gateway) as app, trio.open_nursery() as nursery:
        await app.line_open(STANDARD)
        nursery.start_soon(site.somebody, phones.caller(here, proxy, user="31"))
        call = await offered(app, STANDARD)
        await call.wait_states(S.IDLE)
        assert told(call) == [OFFERED, (S.CONNECTED, LineConnectedMode.INACTIVE), IDLE]
        await wait_for_ours(site, 487)
        assert site.answers() == {100, 487}
    # By itself: nothing in the routing asks for it.
    cancelled = [each for each in select(site.messages(), "CANCEL") if each.source[0] == proxy]
    reasons = {reason for each in cancelled for reason in each.all("reason")}
    # With a text behind it or without: both were seen.
    assert {reason.partition(";text")[0] for reason in reasons} == {"SIP;cause=200"}


OFFERED = (S.OFFERING, LineOfferingMode.ACTIVE)
IDLE = (S.IDLE, 0)


def told(call: HCall) -> list[tuple[S, int]]:
    return [(event.state, event.mode) for event in call.events]


async def wait_for_ours(site: Site, what: str | int) -> list[SipMessage]:
    """Wait until the engine has sent it."""
    await wait_on_wire(site.office.wire, lambda _: site.ours(what), timeout_seconds=30)
    return site.ours(what)
