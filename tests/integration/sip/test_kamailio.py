"""`acd.sip` at a real Kamailio, with a PBX behind it that takes the REFER."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from acd.calls import DisconnectCause
from acd.errors import TrunkUnavailable
from acd.lines import Ended, TransferAnswered, TrunkStatus
from acd.settings import TrunkSettings
from acd.sip import open_sip
from acd.sip.trunk import SipTrunk
from tests.integration.sip.call_centre import call_and_hand_over as hand_a_person_over
from tests.integration.sip.call_centre import run_pbx, trunk_settings, wait_all_free
from tests.integration.sip.conftest import agent, answered, released, request, wait_status
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.certificates import make_certificate
from tests.peers.kamailio import DIALER, DIALER_PASSWORD, pbx_behind, run_kamailio
from tests.peers.sipp.runner import Sipp
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

_HERE = Addresses.free()
PROXY = _HERE.pbx
PBX = _HERE.carrier
ENGINE = _HERE.dialer
WHOLE_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Site:
    """The proxy and what is behind it."""

    certificate: Path
    pbx: Sipp
    wire: Wire

    @asynccontextmanager
    async def trunk(self, **settings: object) -> AsyncIterator[SipTrunk]:
        """The one trunk of a SIP side, whatever its health."""
        values: dict[str, object] = {
            "domain": PROXY,
            "user": DIALER,
            "password": DIALER_PASSWORD,
            "lines": 3,
            "bind_address": ENGINE,
        }
        async with open_sip([TrunkSettings.model_validate(values | settings)]) as sip:
            yield sip.trunk("main")

    def tls(self, authority: Path) -> dict[str, object]:
        return {"transport": "tls", "domain": f"{PROXY}:5061", "tls_ca_file": authority}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    certificate, key = make_certificate(tmp_path, name=PROXY)
    async with AsyncExitStack() as stack:
        pbx = stack.enter_context(pbx_behind(PBX))
        wire = stack.enter_context(Wire(PROXY))
        await stack.enter_async_context(
            run_kamailio(address=PROXY, pbx=str(pbx.bind), certificate=certificate, key=key)
        )
        yield Site(certificate, pbx, wire)


async def call_and_hand_over(trunk: SipTrunk) -> None:
    with trio.fail_after(WHOLE_SECONDS):
        await wait_status(trunk, TrunkStatus.UP)
        async with trunk.lines.lease(holder="test", deadline_seconds=WHOLE_SECONDS) as line:
            await answered(line)
            result = await line.blind_transfer(agent(), timeout_seconds=10)()
            assert isinstance(result, TransferAnswered), result
            ended, _ = await released(line)
            assert isinstance(ended, Ended)
            assert ended.cause is DisconnectCause.TRANSFERRED
        await wait_all_free(trunk, timeout_seconds=5)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_person_is_handed_over_through_the_proxy(site: Site, transport: str) -> None:
    async with site.trunk(transport=transport) as trunk:
        await call_and_hand_over(trunk)
    at_the_pbx = [m for m in site.wire.sip() if m.destination[0] == PBX]
    for method in ("INVITE", "REFER", "BYE"):
        assert len(select(at_the_pbx, method)) == 1, method


async def test_a_person_is_handed_over_through_the_proxy_by_tls(site: Site) -> None:
    async with site.trunk(**site.tls(site.certificate)) as trunk:
        await call_and_hand_over(trunk)
    # In clear it was seen only between the proxy and the PBX.
    assert {m.source[0] for m in select(site.wire.sip(), "REFER")} == {PROXY}


async def test_a_proxy_whose_certificate_is_not_trusted_gets_no_call(
    site: Site, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    authority, _ = make_certificate(other, name=PROXY)
    async with site.trunk(**site.tls(authority)) as trunk:
        with trio.fail_after(15):
            health = await wait_status(trunk, TrunkStatus.UNREACHABLE)
            while "certificate" not in health.detail:
                health = await trunk.wait_health_change(health)
        async with trunk.lines.lease(holder="test", deadline_seconds=5) as line:
            with pytest.raises(TrunkUnavailable) as refused:
                await line.originate(request())
    assert "certificate is not trusted" in health.detail
    assert f"it names {PROXY}, issued by {PROXY}, valid until 20" in health.detail
    assert health.detail in str(refused.value)
    assert "\n" not in health.detail
    assert not select(site.wire.sip(), "INVITE")


async def test_an_outbound_proxy_is_asked_for_a_domain_that_is_not_its_own(
    tmp_path: Path,
) -> None:
    certificate, key = make_certificate(tmp_path, name=PROXY)
    domain = "pbx.example.invalid"
    async with AsyncExitStack() as stack:
        pbx = stack.enter_context(pbx_behind(PBX))
        wire = stack.enter_context(Wire(PROXY))
        await stack.enter_async_context(
            run_kamailio(
                address=PROXY, pbx=str(pbx.bind), certificate=certificate, key=key, realm=domain
            )
        )
        site = Site(certificate, pbx, wire)
        async with site.trunk(domain=domain, outbound_proxy=PROXY) as trunk:
            await call_and_hand_over(trunk)
        sent = [m for m in select(wire.sip(), "INVITE") if m.source[0] == ENGINE]
    assert {m.request_uri.partition("@")[2].partition(";")[0] for m in sent} == {domain}
    assert {m.destination for m in sent} == {(PROXY, 5060)}


async def test_a_wrong_password_is_refused_by_the_registrar_once(site: Site) -> None:
    async with site.trunk(password="wrong") as trunk:
        with trio.fail_after(15):
            await wait_status(trunk, TrunkStatus.CREDENTIALS_REFUSED)
    assert len(select(site.wire.sip(), "REGISTER")) == 2


async def test_calls_share_the_nonce_of_the_first(site: Site) -> None:
    async with site.trunk() as trunk:
        for _ in range(4):
            await call_and_hand_over(trunk)
    assert len(select(site.wire.sip(), 407, cseq="INVITE")) == 1
    # A second for the un-REGISTER, which brings what was asked for last: the proxy's header.
    assert len(select(site.wire.sip(), 401, cseq="REGISTER")) <= 2


async def test_the_documented_asterisk_behind_the_proxy_hands_a_person_to_an_agent(
    tmp_path: Path,
) -> None:
    certificate, key = make_certificate(tmp_path, name=PROXY)
    centre = Addresses.free()
    async with AsyncExitStack() as stack:
        stack.enter_context(phones.carrier(centre.carrier))
        stack.enter_context(phones.agent_answers(centre.agent_101))
        asterisk = await stack.enter_async_context(run_pbx(centre))
        await stack.enter_async_context(
            run_kamailio(
                address=PROXY,
                pbx=f"{asterisk.address}:{asterisk.port}",
                certificate=certificate,
                key=key,
            )
        )
        wire = stack.enter_context(Wire(centre.agent_101))
        settings = trunk_settings(centre, domain=PROXY)
        async with open_sip([settings]) as sip:
            trunk = sip.trunk("main")
            with trio.fail_after(WHOLE_SECONDS):
                await wait_status(trunk, TrunkStatus.UP)
                await hand_a_person_over(trunk)
                await wait_all_free(trunk, timeout_seconds=5)
        assert select(wire.sip(), "INVITE")
