"""Where a trunk's PBX is: by SRV record, by name, by address, and by a proxy with its port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from acd.calls import DisconnectCause
from acd.dns import UnknownHost, find_host
from acd.lines import Ended, TrunkStatus
from acd.settings import TrunkSettings
from acd.sip import open_sip
from tests.integration.sip.conftest import released, request, wait_status
from tests.peers.addresses import Addresses
from tests.peers.dns import run_dns
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import invite, reject, write
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real


@dataclass(frozen=True, slots=True)
class Zone:
    """A PBX at an unusual port, and a DNS server that knows of it."""

    pbx: Bind
    server: str
    wire: Wire


@pytest.fixture
def zone(tmp_path: Path) -> Iterator[Zone]:
    here = Addresses.free()
    with ExitStack() as stack:
        scenario = write(tmp_path, invite(), reject("486 Busy Here"))
        pbx = stack.enter_context(Sipp.uas(scenario, Bind(here.pbx)))
        records = (
            f"--host-record=one.pbx.test,{here.pbx}",
            f"--host-record=dead.pbx.test,{here.agent_102}",
            f"--srv-host=_sip._udp.pbx.test,one.pbx.test,{pbx.bind.port},1,5",
            "--srv-host=_sip._udp.pbx.test,dead.pbx.test,9,2,5",
        )
        stack.enter_context(run_dns(here.carrier, *records))
        yield Zone(pbx.bind, here.carrier, stack.enter_context(Wire(here.pbx)))


@pytest.mark.parametrize(
    ("domain", "proxy"),
    [
        ("pbx.test", ""),
        ("one.pbx.test:{port}", ""),
        ("{host}:{port}", ""),
        ("elsewhere.test", "one.pbx.test:{port}"),
        ("elsewhere.test", "pbx.test"),
    ],
)
async def test_a_pbx_is_found_and_called(zone: Zone, domain: str, proxy: str) -> None:
    where = {"host": zone.pbx.host, "port": zone.pbx.port}
    settings = TrunkSettings.model_validate(
        {
            "domain": domain.format(**where),
            "outbound_proxy": proxy.format(**where),
            "dns_servers": [zone.server],
            "user": "acd",
            "register": False,
            "lines": 2,
        }
    )
    with trio.fail_after(30):
        async with open_sip([settings]) as sip:
            trunk = sip.trunk("main")
            await wait_status(trunk, TrunkStatus.UP)
            async with trunk.lines.lease(holder="test", deadline_seconds=20) as line:
                await line.originate(request())
                *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.BUSY
    (invited,) = select(zone.wire.sip(), "INVITE")
    assert invited.destination == (zone.pbx.host, zone.pbx.port)
    assert invited.request_uri.endswith(f"@{settings.domain}")


async def test_a_name_that_nobody_knows_is_an_unreachable_pbx(zone: Zone) -> None:
    settings = TrunkSettings.model_validate(
        {
            "domain": "unknown.test",
            "dns_servers": [zone.server],
            "user": "acd",
            "register": False,
            "lines": 2,
        }
    )
    with trio.fail_after(30):
        async with open_sip([settings]) as sip:
            await wait_status(sip.trunk("main"), TrunkStatus.UNREACHABLE)


def test_the_first_server_that_answers_is_believed(zone: Zone) -> None:
    silent = Addresses.free().agent_102
    found = find_host("pbx.test", None, transport="udp", servers=(silent, zone.server))
    assert (found.address, found.port) == (zone.pbx.host, zone.pbx.port)
    with pytest.raises(UnknownHost, match="does not know none"):
        find_host("none.test", 5060, transport="udp", servers=(zone.server,))
    with pytest.raises(UnknownHost, match="no DNS server answers"):
        find_host("pbx.test", None, transport="udp", servers=(silent,))
