"""Calls to a user of whose registrations acd is one: rows judged from the wire of a real PBX."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from acd.tapi.client import HCall, LineApp, LineError, line_initialize_ex
from acd.tapi.constants import (
    LineCallFeature,
    LineConnectedMode,
    LineDisconnectMode,
    LineErr,
    LineOfferingMode,
)
from acd.tapi.constants import LineCallState as S
from tests.acceptance.tapi.call_centre import kept_open
from tests.acceptance.tapi.office import Office, open_office, shown, trunk_toml
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import Asterisk, run_asterisk
from tests.peers.cut import open_way
from tests.peers.wire import SipMessage, Wire

pytestmark = pytest.mark.real

SILENT, ANSWERED = "31", "32"
"""Users, and what their phones do."""
PROFILES = """
[[profile]]
name = "silent"
first_line = 1
last_line = 1
mode = "standard"
trunk = "user-31"
incoming = true

[[profile]]
name = "answered"
first_line = 2
last_line = 2
mode = "standard"
trunk = "user-32"
incoming = true
send_180 = true
"""


@dataclass
class Site:
    """An office at an Asterisk whose users acd is a second registration of."""

    office: Office
    pbx: Asterisk
    addresses: Addresses
    seen_before: int = 0

    async def somebody_calls(self, number: str) -> None:
        """As from outside; with 9 before the user's number for long, with 8 for a second."""
        await self.pbx.cli(f"channel originate Local/{number}@callers application Milliwatt")

    async def nobody_calls(self) -> None:
        """All callers give up."""
        await self.pbx.cli("channel request hangup all")

    def messages(self) -> list[SipMessage]:
        """Between Asterisk and acd, in this test."""
        phones_of_users = {self.addresses.agent_101, self.addresses.agent_102}
        return [
            each
            for each in self.office.wire.sip()[self.seen_before :]
            if not {each.source[0], each.destination[0]} & phones_of_users
        ]

    def invites(self, user: str) -> list[SipMessage]:
        """That came to acd for this user."""
        return [
            each
            for each in self.messages()
            if each.method == "INVITE"
            and each.source[0] == self.addresses.pbx
            and each.request_uri.startswith(f"sip:{user}@")
        ]

    def answers(self, user: str) -> list[int]:
        """Each status that acd sent to these INVITEs, once."""
        calls = {each.call_id for each in self.invites(user)}
        found = [
            each.status
            for each in self.messages()
            if each.status is not None
            and each.cseq_method == "INVITE"
            and each.call_id in calls
            and each.destination[0] == self.addresses.pbx
        ]
        return list(dict.fromkeys(found))

    async def answered_with(self, user: str, *statuses: int) -> None:
        """Wait until acd has answered so and no otherwise."""
        await self.office.seen(lambda: self.answers(user)[-1:] == [statuses[-1]])
        assert self.answers(user) == [100, *statuses]


@asynccontextmanager
async def open_site(folder: Path) -> AsyncIterator[Site]:
    addresses = Addresses.free()
    names = {"base": "office", "user-31": SILENT, "user-32": ANSWERED}
    trunks = "".join(
        trunk_toml(name, addresses.pbx, user=user, password="yes", lines=2)
        for name, user in names.items()
    )
    async with run_asterisk(
        address=addresses.pbx,
        carrier=f"{addresses.carrier}:5060",
        agents={"101": f"{addresses.network}.21:5060"},
        users={
            SILENT: f"{addresses.agent_101}:5060",
            ANSWERED: f"{addresses.agent_102}:5060",
        },
    ) as pbx:
        with ExitStack() as stack:
            wire = stack.enter_context(Wire(addresses.pbx))
            for peer in (
                phones.carrier(addresses.carrier),
                phones.agent_silent(addresses.agent_101),
                phones.agent_answers(addresses.agent_102, talk_ms=4000),
                phones.agent_answers(f"{addresses.network}.21", talk_ms=500),
            ):
                stack.enter_context(peer)
                stack.callback(peer.stop, grace_seconds=0.2)
            async with open_office(
                folder,
                trunks=trunks,
                profiles=PROFILES,
                wire=wire,
                passwords=dict.fromkeys(names, "office-secret"),
                up=tuple(names),
            ) as office:
                yield Site(office, pbx, addresses)


@pytest.fixture(scope="module")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with kept_open(open_site(tmp_path_factory.mktemp("users"))) as site:
        yield site


@pytest.fixture
def site(one_for_all: Site) -> Site:
    seen = len(one_for_all.office.wire.sip())
    return Site(one_for_all.office, one_for_all.pbx, one_for_all.addresses, seen)


def told(call: HCall) -> list[tuple[S, int]]:
    return [(event.state, event.mode) for event in call.events]


OFFERED = (S.OFFERING, LineOfferingMode.ACTIVE)
IDLE = (S.IDLE, 0)


async def offered(app: LineApp, site: Site, *, line: int = 1, number: str = "9" + SILENT) -> HCall:
    """Somebody calls, and the application is told."""
    await app.line_open(line)
    await site.somebody_calls(number)
    with trio.fail_after(30):
        call = await app.wait_new_call()
        await call.wait_states(S.OFFERING)
    return call


async def test_row_25_a_caller_is_shown_and_gone_when_they_give_up(site: Site) -> None:
    async with line_initialize_ex(site.office.gateway) as app:
        call = await offered(app, site, number="8" + SILENT)
        assert (call.caller, call.caller_name) == (phones.CALLER, "Ann Example")
        assert (call.called, call.line.number) == (SILENT, 1)
        status = await app.line_get_call_status(call)
        assert status["features"] == LineCallFeature.DROP | LineCallFeature.REDIRECT
        with pytest.raises(LineError) as busy:
            await app.line_make_call(call.line, phones.ANSWERS)
        assert busy.value.code is LineErr.INUSE
        await call.wait_states(S.IDLE)
        assert told(call) == [OFFERED, IDLE]
        # Nothing but the end of what the PBX began: no 180, and never a 200.
        await site.answered_with(SILENT, 487)
        with pytest.raises(LineError) as over:
            await app.line_drop(call)
        assert over.value.code is LineErr.INVALCALLSTATE


async def test_row_25_a_call_that_the_users_phone_answers_is_told_apart(site: Site) -> None:
    async with line_initialize_ex(site.office.gateway) as app:
        call = await offered(app, site, line=2, number="9" + ANSWERED)
        await call.wait_states(S.IDLE)
        assert told(call) == [OFFERED, (S.CONNECTED, LineConnectedMode.INACTIVE), IDLE]
        # Row 26: this line sends 180.
        await site.answered_with(ANSWERED, 180, 487)
        cancels = [each for each in site.messages() if each.method == "CANCEL"]
        assert any("SIP;cause=200" in value for each in cancels for value in each.all("reason"))


async def test_row_25_the_lines_of_one_shared_account_are_shown_nobody(site: Site) -> None:
    async with line_initialize_ex(site.office.gateway) as app:
        await app.line_open(3)
        with pytest.raises(LineError):
            await app.line_open(1000)
        await site.pbx.cli("channel originate PJSIP/office application Milliwatt")
        await site.answered_with("office", 480)
        assert not await shown(app)


async def test_row_26_a_busy_line_is_486_and_one_that_nobody_opened_480(site: Site) -> None:
    async with line_initialize_ex(site.office.gateway) as app:
        await site.somebody_calls("9" + SILENT)
        await site.answered_with(SILENT, 480)
        call = await offered(app, site)
        second = Site(site.office, site.pbx, site.addresses, len(site.office.wire.sip()))
        await site.somebody_calls("9" + SILENT)
        await second.answered_with(SILENT, 486)
        assert not await shown(app)
        await site.nobody_calls()
        await call.wait_states(S.IDLE)


async def test_row_26_a_name_that_is_not_here_is_404(site: Site) -> None:
    contacts = {each.get("contact") for each in site.office.wire.sip() if each.method == "REGISTER"}
    (there,) = {
        contact.partition("@")[2].partition(";")[0]
        for contact in contacts
        if f"sip:{SILENT}@" in contact
    }
    async with line_initialize_ex(site.office.gateway) as app:
        await app.line_open(1)
        await site.pbx.cli(
            f"channel originate PJSIP/{SILENT}/sip:nobody@{there} application Milliwatt"
        )
        await site.answered_with("nobody", 404)
        assert not await shown(app)


async def test_row_26_a_call_to_the_users_own_phone_is_not_shown(site: Site) -> None:
    async with line_initialize_ex(site.office.gateway) as app:
        call = await app.line_make_call(await app.line_open(2), phones.ANSWERS)
        await call.wait_states(S.IDLE)
        # The phone was picked up and sent to the number although acd was called, too.
        assert [event.state for event in call.events][-2:] == [S.CONNECTED, S.IDLE]
        await site.answered_with(ANSWERED, 486)
        assert not await shown(app)


async def test_a_caller_is_declined_by_line_drop(site: Site) -> None:
    async with line_initialize_ex(site.office.gateway) as app:
        call = await offered(app, site)
        await app.line_drop(call)
        await call.wait_states(S.IDLE)
        assert told(call) == [OFFERED, IDLE]
        await site.answered_with(SILENT, 603)
        await site.nobody_calls()


async def test_a_caller_is_sent_elsewhere_by_line_redirect(site: Site) -> None:
    async with line_initialize_ex(site.office.gateway) as app:
        call = await offered(app, site)
        with pytest.raises(LineError) as refused:
            await app.line_redirect(call, "112")
        assert refused.value.code is LineErr.ADDRESSBLOCKED
        await app.line_redirect(call, "101")
        await call.wait_states(S.IDLE)
        assert told(call) == [OFFERED, IDLE]
        await site.answered_with(SILENT, 302)
        (moved,) = [each for each in site.messages() if each.status == 302]
        assert moved.all("contact") == (f"<sip:101@{site.addresses.pbx}>",)
        # Asterisk calls who was named, and the person is answered there.
        agent = f"{site.addresses.network}.21"
        await site.office.seen(lambda: site.office.to(agent, "ACK"))
        await site.nobody_calls()


async def test_a_line_that_is_closed_leaves_the_call_to_the_phone(site: Site) -> None:
    async with line_initialize_ex(site.office.gateway) as app:
        call = await offered(app, site)
        await app.line_close(call.line)
        await call.wait_states(S.IDLE)
        await site.answered_with(SILENT, 480)
        assert [each for each in site.office.wire.sip() if each.method == "CANCEL"]
        await site.nobody_calls()


async def test_row_39_a_link_cut_while_a_caller_is_shown_leaves_them_to_the_phone(
    site: Site,
) -> None:
    gateway = site.office.gateway
    async with (
        open_way(server=(gateway.host, gateway.port)) as way,
        line_initialize_ex(replace(gateway, host=way.host, port=way.port)) as app,
    ):
        call = await offered(app, site)
        way.cut()
        await call.wait_states(S.IDLE)
        lost = (S.DISCONNECTED, LineDisconnectMode.TEMPFAILURE)
        assert told(call) == [OFFERED, lost, IDLE]
        await site.answered_with(SILENT, 480)
        # Nobody takes the call away from the phone.
        rings = site.office.to(site.addresses.agent_101, "INVITE")[-1].call_id
        asked = [each.method for each in site.office.wire.sip() if each.call_id == rings]
        assert {method for method in asked if method} == {"INVITE"}
        await site.nobody_calls()
