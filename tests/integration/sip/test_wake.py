"""Orders reach the SIP thread at once on any transport: it sleeps, and never polls for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from acd.lines import TrunkStatus
from tests.integration.doctor.tls_peer import tls_pbx
from tests.integration.sip.conftest import PBX_HOST, Bench, released, request, wait_status
from tests.peers.certificates import make_certificate

pytestmark = pytest.mark.real


async def test_an_order_wakes_the_sip_thread_where_only_tls_is_configured(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Whoever were not woken would sleep through the whole test.
    monkeypatch.setattr("acd.sip.thread._LONGEST_SLEEP_SECONDS", 3600.0)
    certificate, key = make_certificate(tmp_path, name=PBX_HOST)
    with tls_pbx(PBX_HOST, certificate, key) as port:
        trunk = await bench.started_trunk(
            f"{PBX_HOST}:{port}", transport="tls", tls_ca_file=certificate
        )
        await wait_status(trunk, TrunkStatus.UP)
        line = await bench.line(trunk)
        await trio.testing.wait_all_tasks_blocked(0.2)
        await line.originate(request())
        # This peer answers 200 without an SDP, which is the end of the call; that it came is all.
        await line.hang_up()
        await released(line)
