"""Several trunks in one SIP side, each with a PBX, an account and words of its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from acd.lines import TransferAnswered, TrunkStatus
from acd.settings import TrunkSettings
from acd.sip import ProbeTiming, Sip, open_sip
from tests.integration.sip.conftest import agent, answered, released, wait_status
from tests.peers.addresses import Addresses
from tests.peers.certificates import make_certificate
from tests.peers.kamailio import DIALER, DIALER_PASSWORD, pbx_behind, run_kamailio
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import ack, answer, bye, invite, notify, refer, write
from tests.peers.wire import SipMessage, Wire, select

pytestmark = pytest.mark.real

WHOLE_SECONDS = 60
_TRANSFERS = (invite(), answer(), ack(), refer(202), notify(200, final=True), bye())
_IN_ULAW = (invite(), answer(codec="PCMU"), ack(), refer(202), notify(200, final=True), bye())


@dataclass
class Sites:
    """Three PBXes: Kamailio over TLS, SIPp over UDP and over TCP."""

    addresses: Addresses
    certificate: Path
    wire: Wire
    by_udp: Sipp
    by_tcp: Sipp
    trunks: list[TrunkSettings] = field(default_factory=list)

    def add(self, name: str, domain: str, **settings: object) -> None:
        values: dict[str, object] = {
            "name": name,
            "domain": domain,
            "user": name,
            "register": False,
            "lines": 2,
            "bind_address": self.addresses.dialer,
        }
        self.trunks.append(TrunkSettings.model_validate(values | settings))

    def sent_to(self, peer: Sipp, method: str) -> list[SipMessage]:
        where = (peer.bind.host, peer.bind.port)
        return [m for m in select(self.wire.sip(), method) if m.destination == where]


@pytest.fixture
async def sites(tmp_path: Path) -> AsyncIterator[Sites]:
    addresses = Addresses.free()
    certificate, key = make_certificate(tmp_path, name=addresses.pbx)
    async with AsyncExitStack() as stack:
        wire = stack.enter_context(Wire(addresses.dialer))
        behind = stack.enter_context(pbx_behind(addresses.carrier))
        await stack.enter_async_context(
            run_kamailio(
                address=addresses.pbx, pbx=str(behind.bind), certificate=certificate, key=key
            )
        )
        udp = Sipp.uas(write(tmp_path, *_IN_ULAW), Bind(addresses.agent_101))
        tcp = Sipp.uas(write(tmp_path, *_TRANSFERS), Bind(addresses.agent_102), transport="t1")
        sites = Sites(
            addresses, certificate, wire, stack.enter_context(udp), stack.enter_context(tcp)
        )
        sites.add(
            "tls",
            f"{addresses.pbx}:5061",
            transport="tls",
            tls_ca_file=certificate,
            user=DIALER,
            password=DIALER_PASSWORD,
            register=True,
        )
        sites.add("udp", str(udp.bind), codecs=["PCMU"], user_agent="dialer of the udp trunk")
        sites.add(
            "tcp", str(tcp.bind), transport="tcp", codecs=["PCMA"], user_agent="of the tcp trunk"
        )
        yield sites


async def call_and_hand_over(sip: Sip, name: str) -> None:
    trunk = sip.trunk(name)
    await wait_status(trunk, TrunkStatus.UP)
    async with trunk.lines.lease(holder="test", deadline_seconds=30) as line:
        await answered(line)
        assert isinstance(
            await line.blind_transfer(agent(), timeout_seconds=10)(), TransferAnswered
        )
        await released(line)


def _codecs(message: SipMessage) -> list[str]:
    found = re.search(rb"m=audio \d+ \S+ ([\d ]+)", message.body)
    assert found is not None
    return [number for number in found[1].decode().split() if number in {"0", "8"}]


async def test_each_trunk_speaks_with_its_own_transport_account_codecs_and_name(
    sites: Sites,
) -> None:
    with trio.fail_after(WHOLE_SECONDS):
        async with open_sip(sites.trunks) as sip, trio.open_nursery() as nursery:
            for name in ("tls", "udp", "tcp"):
                nursery.start_soon(call_and_hand_over, sip, name)
    for peer, name, codecs, words in (
        (sites.by_udp, "udp", ["0"], "dialer of the udp trunk"),
        (sites.by_tcp, "tcp", ["8"], "of the tcp trunk"),
    ):
        (sent,) = sites.sent_to(peer, "INVITE")
        assert f"sip:{name}@" in sent.get("From")
        assert _codecs(sent) == codecs
        assert b"rtpmap:8" not in sent.body or codecs == ["8"]
        assert sent.all("User-Agent") == (words,)
        assert {m.get("User-Agent") for m in sites.sent_to(peer, "OPTIONS")} == {words}


async def test_a_trunk_that_fails_leaves_the_others_alone(sites: Sites) -> None:
    quick = ProbeTiming(interval_seconds=0.3, timeout_seconds=0.6)
    with trio.fail_after(WHOLE_SECONDS):
        async with open_sip(sites.trunks, probe=quick) as sip:
            await call_and_hand_over(sip, "udp")
            sites.by_udp.stop(grace_seconds=0.2)
            await wait_status(sip.trunk("udp"), TrunkStatus.UNREACHABLE)
            await call_and_hand_over(sip, "tcp")
            await call_and_hand_over(sip, "tls")
            assert not sip.trunk("udp").health.may_dial
            sites.by_udp.start()
            await call_and_hand_over(sip, "udp")
