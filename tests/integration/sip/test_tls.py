"""SIP over TLS to a real Kamailio: whom we trust, who we are, and which version is spoken."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from acd.lines import TransferAnswered, TrunkStatus
from acd.settings import TrunkSettings
from acd.sip import open_sip
from acd.sip.trunk import SipTrunk
from tests.integration.sip.conftest import agent, answered, released, wait_status
from tests.peers.addresses import Addresses
from tests.peers.certificates import make_certificate, valid_until
from tests.peers.kamailio import DIALER, DIALER_PASSWORD, pbx_behind, run_kamailio
from tests.peers.wire import Wire

pytestmark = pytest.mark.real

WHOLE_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Site:
    """A proxy over TLS, with a PBX behind it."""

    addresses: Addresses
    certificate: Path
    wire: Wire

    @asynccontextmanager
    async def trunk(self, **settings: object) -> AsyncIterator[SipTrunk]:
        """The one trunk of a SIP side, whatever its health."""
        values: dict[str, object] = {
            "domain": f"{self.addresses.pbx}:5061",
            "transport": "tls",
            "user": DIALER,
            "password": DIALER_PASSWORD,
            "lines": 2,
            "bind_address": self.addresses.dialer,
        }
        with trio.fail_after(WHOLE_SECONDS):
            async with open_sip([TrunkSettings.model_validate(values | settings)]) as sip:
                yield sip.trunk("main")

    def version(self) -> int:
        """What the two agreed on: 0x303 is TLS 1.2, 0x304 is 1.3."""
        hellos = [
            packet.payload
            for packet in self.wire.packets()
            if packet.source == (self.addresses.pbx, 5061) and packet.payload[:1] == b"\x16"
        ]
        # RFC 8446 4.1.3: in 1.3 the ServerHello says so in supported_versions (extension 43).
        return 0x304 if b"\x00\x2b\x00\x02\x03\x04" in hellos[0][:200] else 0x303


@asynccontextmanager
async def open_site(
    folder: Path,
    *,
    tls_method: str = "TLSv1.2+",
    client_authority: Path | None = None,
    name: str = "",
    days: int = 2,
) -> AsyncIterator[Site]:
    addresses = Addresses.free()
    certificate, key = make_certificate(folder, name=name or addresses.pbx, days=days)
    with pbx_behind(addresses.carrier) as pbx, Wire(addresses.pbx) as wire:
        async with run_kamailio(
            address=addresses.pbx,
            pbx=str(pbx.bind),
            certificate=certificate,
            key=key,
            tls_method=tls_method,
            client_authority=client_authority,
        ):
            yield Site(addresses, certificate, wire)


async def call_and_hand_over(trunk: SipTrunk) -> None:
    await wait_status(trunk, TrunkStatus.UP)
    async with trunk.lines.lease(holder="test", deadline_seconds=WHOLE_SECONDS) as line:
        await answered(line)
        assert isinstance(
            await line.blind_transfer(agent(), timeout_seconds=10)(), TransferAnswered
        )
        await released(line)


@pytest.mark.parametrize(("tls_method", "version"), [("TLSv1.2", 0x303), ("TLSv1.2+", 0x304)])
async def test_the_newest_version_that_both_know_is_spoken(
    tmp_path: Path, tls_method: str, version: int
) -> None:
    async with open_site(tmp_path, tls_method=tls_method) as site:
        async with site.trunk(tls_ca_file=site.certificate) as trunk:
            await call_and_hand_over(trunk)
        assert site.version() == version


async def test_versions_that_are_no_longer_safe_are_not_spoken(tmp_path: Path) -> None:
    async with (
        open_site(tmp_path, tls_method="TLSv1.1") as site,
        site.trunk(tls_ca_file=site.certificate) as trunk,
    ):
        await wait_status(trunk, TrunkStatus.UNREACHABLE)


@pytest.mark.parametrize(
    ("name", "days", "complaint"),
    [("", -1, "expired"), ("pbx.example.com", 2, "does not match")],
    ids=["expired", "wrong name"],
)
async def test_health_names_a_certificate_that_is_expired_or_another_hosts(
    tmp_path: Path, name: str, days: int, complaint: str
) -> None:
    async with (
        open_site(tmp_path, name=name, days=days) as site,
        site.trunk(tls_ca_file=site.certificate) as trunk,
    ):
        health = await wait_status(trunk, TrunkStatus.UNREACHABLE)
        while "certificate" not in health.detail:
            health = await trunk.wait_health_change(health)
    who = name or site.addresses.pbx
    until = valid_until(site.certificate)
    assert f"it names {who}, issued by {who}, valid until {until}; " in health.detail
    assert complaint in health.detail


async def test_checking_that_is_off_takes_any_certificate(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.trunk(tls_verify=False) as trunk:
        await call_and_hand_over(trunk)


async def test_without_a_file_the_systems_authorities_are_trusted_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(tmp_path) as site:
        async with site.trunk() as trunk:
            await wait_status(trunk, TrunkStatus.UNREACHABLE)
        monkeypatch.setitem(os.environ, "SSL_CERT_FILE", str(site.certificate))
        async with site.trunk() as trunk:
            await call_and_hand_over(trunk)


async def test_a_proxy_that_asks_for_our_certificate_gets_it(tmp_path: Path) -> None:
    ours, key = make_certificate(tmp_path, name="dialer.example.com")
    async with open_site(tmp_path, client_authority=ours) as site:
        async with site.trunk(tls_ca_file=site.certificate) as trunk:
            await wait_status(trunk, TrunkStatus.UNREACHABLE)
        shown = {"tls_certificate_file": ours, "tls_key_file": key}
        async with site.trunk(tls_ca_file=site.certificate, **shown) as trunk:
            await call_and_hand_over(trunk)
