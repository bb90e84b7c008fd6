"""A trunk's health, account and start against SIPp."""

from __future__ import annotations

import socket
import time

import pytest
import trio

from acd.calls import DisconnectCause
from acd.errors import AddressInUse, BadSettings, BindingTooSmall, TrunkUnavailable
from acd.lines import Ended, TrunkStatus
from acd.settings import TrunkSettings
from acd.sip import ProbeTiming, open_sip
from acd.sip.limits import compiled_limits
from acd.sip.pj_config import MOST_TRANSPORTS
from tests.integration.sip.conftest import (
    ENGINE_HOST,
    PBX_HOST,
    Bench,
    released,
    request,
    seconds_of,
    wait_status,
)
from tests.peers.sipp.steps import challenge, invite, pause, reject
from tests.peers.wire import first, select

pytestmark = pytest.mark.real


async def test_a_wrong_password_is_one_alarm_and_no_storm(bench: Bench) -> None:
    pbx = bench.pbx(invite(), challenge(), invite(), challenge())
    trunk = await bench.trunk(str(pbx.bind), password="wrong")
    line = await bench.line(trunk)
    await line.originate(request())
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert (ended.cause, ended.sip_status) == (DisconnectCause.UNAVAILABLE, 401)
    await wait_status(trunk, TrunkStatus.CREDENTIALS_REFUSED)
    with pytest.raises(TrunkUnavailable):
        await line.originate(request())
    sent = select(bench.messages(), "INVITE")
    assert [bool(message.get("Authorization")) for message in sent] == [False, True]
    assert trunk.challenges == 2


async def test_a_503_with_retry_after_backs_the_trunk_off_for_that_long(bench: Bench) -> None:
    pbx = bench.pbx(invite(), reject("503 Service Unavailable", "Retry-After: 2"))
    trunk = await bench.trunk(str(pbx.bind))
    line = await bench.line(trunk)
    await line.originate(request())
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.CONGESTION
    await wait_status(trunk, TrunkStatus.BACKING_OFF)
    await wait_status(trunk, TrunkStatus.UP)
    waited = time.time() - first(bench.messages(), 503).at_seconds
    # Margin: threads that come late on two busy cores.
    assert 2 <= waited < 4


async def test_a_full_carrier_pauses_nothing(bench: Bench) -> None:
    pbx = bench.pbx(invite(), reject("503 Service Unavailable"))
    trunk = await bench.trunk(str(pbx.bind))
    line = await bench.line(trunk)
    for number in range(12):
        await line.originate(request(user=f"4315056410{number}"))
        *_, ended, _ = await released(line)
        assert isinstance(ended, Ended)
        assert ended.cause is DisconnectCause.CONGESTION
    assert trunk.health.status is TrunkStatus.UP


async def test_options_find_a_pbx_that_died_and_one_that_came_back(bench: Bench) -> None:
    pbx = bench.pbx(invite(), pause(1))
    probe = ProbeTiming(interval_seconds=0.3, timeout_seconds=0.6)
    trunk = await bench.trunk(str(pbx.bind), probe=probe)
    pbx.stop()
    await wait_status(trunk, TrunkStatus.UNREACHABLE)
    pbx.start()
    await wait_status(trunk, TrunkStatus.UP)


async def test_a_dead_pbx_is_known_within_8_seconds(bench: Bench) -> None:
    pbx = bench.pbx(invite(), pause(1))
    trunk = await bench.trunk(str(pbx.bind), probe=ProbeTiming())
    pbx.stop()
    assert await seconds_of(lambda: wait_status(trunk, TrunkStatus.UNREACHABLE)) <= 8


async def test_the_trunk_registers_and_unregisters(bench: Bench) -> None:
    pbx = bench.pbx(invite(), pause(1))
    trunk = TrunkSettings.model_validate(
        {"domain": str(pbx.bind), "user": "acd", "lines": 3, "bind_address": ENGINE_HOST}
    )
    async with open_sip([trunk], probe=None) as sip:
        await wait_status(sip.trunk("main"), TrunkStatus.UP)
        registered = first(bench.messages(), "REGISTER")
        assert registered.get("Expires") == "300"
    assert [message.get("Expires") for message in select(bench.messages(), "REGISTER")] == [
        "300",
        "0",
    ]


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((ENGINE_HOST, 0))
        port = holder.getsockname()[1]
        with pytest.raises(AddressInUse, match=f"UDP {ENGINE_HOST}:{port}"):
            async with open_sip([_trunk(bind_port=port)]):
                pass


async def test_an_address_of_another_machine_is_one_sentence() -> None:
    with pytest.raises(BadSettings, match="no address of this machine"):
        async with open_sip([_trunk(bind_address="192.0.2.1")]):
            pass


async def test_more_lines_than_the_binding_holds_are_refused_with_both_numbers() -> None:
    holds = compiled_limits().calls
    trunks = [_trunk(name=f"t{number}", lines=999) for number in range(holds // 999 + 1)]
    lines = 999 * len(trunks)
    with pytest.raises(BindingTooSmall, match=f"{lines} lines .* holds {holds} calls"):
        async with open_sip(trunks):
            pass


async def test_more_trunks_than_the_binding_has_accounts_are_refused_with_both_numbers() -> None:
    holds = compiled_limits().accounts
    trunks = [_trunk(name=f"t{number}", lines=1) for number in range(holds + 1)]
    with pytest.raises(BindingTooSmall, match=f"{holds + 1} trunks .* holds {holds} accounts"):
        async with open_sip(trunks):
            pass


async def test_more_sip_sockets_than_pjsua_has_are_refused_with_both_numbers() -> None:
    count = MOST_TRANSPORTS + 1
    several = [_trunk(name=f"t{number}", bind_port=5070 + number) for number in range(count)]
    told = f"{count} trunks need {count} SIP sockets, and pjsua has {MOST_TRANSPORTS}: trunks share"
    with pytest.raises(BadSettings, match=told):
        async with open_sip(several):
            pass
    async with open_sip(several[1:], probe=None):
        pass


async def test_a_second_run_in_the_same_process_works(bench: Bench) -> None:
    pbx = bench.pbx(invite(), reject("486 Busy Here"))
    for _ in range(3):
        async with open_sip([_trunk(domain=str(pbx.bind))], probe=None) as sip:
            trunk = sip.trunk("main")
            await wait_status(trunk, TrunkStatus.UP)
            async with trunk.lines.lease(holder="test", deadline_seconds=9) as line:
                await line.originate(request())
                await released(line)


async def test_leaving_with_calls_up_ends_in_bounded_time(bench: Bench) -> None:
    pbx = bench.pbx(invite(), pause(60_000))

    async def run() -> None:
        async with open_sip(
            [_trunk(domain=str(pbx.bind))], probe=None, stop_grace_seconds=0.5
        ) as sip:
            trunk = sip.trunk("main")
            await wait_status(trunk, TrunkStatus.UP)
            async with trunk.lines.lease(holder="test", deadline_seconds=9) as line:
                await line.originate(request())
                await trio.testing.wait_all_tasks_blocked()

    # Margin: libCreate and libDestroy; the transactions of the call would last 6 s and more.
    assert await seconds_of(run) < 5


def _trunk(**settings: object) -> TrunkSettings:
    values: dict[str, object] = {
        "domain": PBX_HOST,
        "user": "acd",
        "register": False,
        "lines": 3,
        "bind_address": ENGINE_HOST,
    }
    return TrunkSettings.model_validate(values | settings)


async def test_a_probe_without_rport_is_answered_from_the_trunks_own_socket(bench: Bench) -> None:
    # pjsip answers it outside any transaction; no rport, so it looks for a socket itself.
    pbx = bench.pbx(invite(), pause(1))
    trunk = await bench.trunk(str(pbx.bind))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((PBX_HOST, 0))
        stranger.settimeout(5)
        own = "{}:{}".format(*stranger.getsockname())
        lines = (
            f"OPTIONS sip:acd@{trunk.sip_address} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bK1",
            f"From: <sip:pbx@{own}>;tag=1",
            f"To: <sip:acd@{trunk.sip_address}>",
            "Call-ID: 1",
            "CSeq: 1 OPTIONS",
            "Max-Forwards: 70",
            "Content-Length: 0",
        )
        host, _, port = trunk.sip_address.partition(":")
        stranger.sendto("\r\n".join((*lines, "", "")).encode(), (host, int(port)))
        answer_text, source = await trio.to_thread.run_sync(stranger.recvfrom, 65535)
    assert answer_text.startswith(b"SIP/2.0 200")
    assert source == (host, int(port))
