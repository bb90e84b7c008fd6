"""Traps of `docs/traps.md` that no other test here would miss, each seen on the wire or in vivo."""

from __future__ import annotations

import gc
import re
import resource
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pjsua2 as pj
import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import Ended, TransferAnswered, TrunkStatus
from acd.settings import TrunkSettings
from acd.sip import ProbeTiming, open_sip
from tests.integration.sip.conftest import (
    ENGINE_HOST,
    PBX_HOST,
    Bench,
    agent,
    answered,
    released,
    request,
    wait_status,
)
from tests.peers.g711 import write_wav
from tests.peers.sipp.steps import ack, answer, bye, challenge, invite, notify, refer, reject
from tests.peers.wire import SipMessage, first, select

pytestmark = pytest.mark.real

_UP = (invite(), answer(), ack())
_BUSY = (invite(), reject("486 Busy Here"))
_RTP_PORTS = re.compile(rb"m=audio (\d+) ")


async def _call(bench: Bench, domain: str, **settings: str | int) -> list[SipMessage]:
    """One call from lease to release; everything on the wire."""
    line = await bench.line(await bench.trunk(domain, probe=None, **settings))
    await line.originate(request())
    await released(line)
    return bench.messages()


async def test_without_bind_address_contact_via_and_sdp_name_the_address_that_routes_to_the_pbx(
    bench: Bench,
) -> None:
    pbx = bench.pbx(*_BUSY)
    sent = first(await _call(bench, str(pbx.bind), bind_address=""), "INVITE")
    own = sent.source[0]
    assert own.startswith("127.")
    assert f"@{own}:" in sent.get("Contact")
    assert sent.get("Via").startswith(f"SIP/2.0/UDP {own}:")
    assert f"c=IN IP4 {own}\r\n".encode() in sent.body


_PROGRAM = f"""
import os, trio
from acd.settings import TrunkSettings
from acd.sip import open_sip

def resident_megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6

async def main():
    trunk = TrunkSettings(domain="{PBX_HOST}", user="acd", register=False, lines=3,
                          bind_address="{ENGINE_HOST}")
    before = resident_megabytes()
    async with open_sip([trunk], probe=None):
        print("grew", resident_megabytes() - before)

trio.run(main)
"""


async def _output_of_a_small_engine() -> list[str]:
    """A process of its own, that has pjsua for itself from the first moment."""
    done = await trio.run_process(
        [sys.executable, "-c", _PROGRAM], capture_stdout=True, stderr=subprocess.STDOUT
    )
    return done.stdout.decode().splitlines()


async def test_nothing_of_pjsua_is_printed() -> None:
    lines = await _output_of_a_small_engine()
    assert [line for line in lines if "trunk.health" not in line and "grew" not in line] == []


async def test_a_few_lines_do_not_pay_for_the_call_table_of_thousands() -> None:
    (grew,) = [line for line in await _output_of_a_small_engine() if line.startswith("grew ")]
    # Measured: 10 MB for 11 calls, 97 MB for the 4,096 of our binding.
    assert float(grew.split()[1]) < 50


async def test_a_hundred_busy_rtp_ports_in_a_row_do_not_end_a_call(bench: Bench) -> None:
    pbx = bench.pbx(*_BUSY)
    lowest = 21_000
    with ExitStack() as held:
        for port in range(lowest, lowest + 300):
            holder = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            holder.bind((ENGINE_HOST, port))
        messages = await _call(bench, str(pbx.bind), rtp_port_min=lowest, rtp_port_max=lowest + 999)
    found = _RTP_PORTS.search(first(messages, "INVITE").body)
    assert found is not None
    assert lowest + 300 <= int(found[1]) <= lowest + 999


async def test_a_caller_is_turned_away_with_480_and_counted(bench: Bench) -> None:
    pbx = bench.pbx(*_BUSY)
    trunk = await bench.trunk(str(pbx.bind))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((PBX_HOST, 0))
        stranger.settimeout(5)
        own = "{}:{}".format(*stranger.getsockname())
        lines = (
            f"INVITE sip:acd@{trunk.sip_address} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bKcaller;rport",
            f"From: <sip:stranger@{own}>;tag=1",
            f"To: <sip:acd@{trunk.sip_address}>",
            "Call-ID: caller",
            "CSeq: 1 INVITE",
            f"Contact: <sip:stranger@{own}>",
            "Max-Forwards: 70",
            "Content-Length: 0",
        )
        host, _, port = trunk.sip_address.partition(":")
        stranger.sendto("\r\n".join((*lines, "", "")).encode(), (host, int(port)))
        statuses = set[bytes]()
        while b"480" not in statuses:
            reply, _ = await trio.to_thread.run_sync(stranger.recvfrom, 65535)
            statuses.add(reply[8:11])
    assert statuses <= {b"100", b"480"}
    while not bench.sip.counts["callers_turned_away"]:
        await bench.breathe()


async def test_a_connection_that_is_refused_is_an_unreachable_pbx_and_no_congestion(
    bench: Bench,
) -> None:
    bench.pbx(*_BUSY)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as closed:
        closed.bind((PBX_HOST, 0))
        trunk = await bench.trunk("{}:{}".format(*closed.getsockname()), transport="tcp")
        line = await bench.line(trunk)
        await line.originate(request())
        ended, _ = (await released(line))[-2:]
    assert isinstance(ended, Ended)
    assert (ended.cause, ended.sip_status) != (DisconnectCause.CONGESTION, 503)
    assert ended.cause is DisconnectCause.UNREACHABLE
    await wait_status(trunk, TrunkStatus.UNREACHABLE)


async def test_refresh_and_unregister_keep_the_registrations_call_id(bench: Bench) -> None:
    pbx = bench.pbx(*_BUSY)
    values = {"domain": str(pbx.bind), "user": "acd", "lines": 3, "bind_address": ENGINE_HOST}
    async with open_sip([TrunkSettings.model_validate(values)], probe=None) as sip:
        await wait_status(sip.trunk("main"), TrunkStatus.UP)
    sent = select(bench.messages(), "REGISTER")
    assert [message.get("Expires") for message in sent] == ["300", "0"]
    assert len({message.call_id for message in sent}) == 1
    numbers = [int(message.get("CSeq").split()[0]) for message in sent]
    assert numbers[0] < numbers[1]


async def test_a_stale_nonce_is_replaced_within_the_call(bench: Bench) -> None:
    pbx = bench.pbx(invite(), challenge(nonce="n[call_number]"), *_BUSY)
    trunk = await bench.trunk(str(pbx.bind), password="secret")
    for _ in range(3):
        async with trunk.lines.lease(holder="test", deadline_seconds=9) as line:
            await line.originate(request())
            *_, ended, _ = await released(line)
            assert isinstance(ended, Ended)
            assert ended.cause is DisconnectCause.BUSY
    assert trunk.health.may_dial


async def test_no_refer_asks_to_be_spared_its_notifies(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, refer(202), notify(200, final=True), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    assert isinstance(await line.blind_transfer(agent(), timeout_seconds=5)(), TransferAnswered)
    assert first(bench.messages(), "REFER").get("Refer-Sub") == ""


async def test_a_waiting_command_is_carried_out_without_a_polls_delay(bench: Bench) -> None:
    pbx = bench.pbx(*_BUSY, transport="t1")
    # Nothing else happens in the SIP thread, which would sleep a whole second, and no trunk has a
    # UDP socket that could be written to.
    trunk = await bench.trunk(str(pbx.bind), probe=None, transport="tcp")
    waits = []
    for _ in range(5):
        async with trunk.lines.lease(holder="test", deadline_seconds=9) as line:
            asked_at = time.time()
            await line.originate(request())
            await released(line)
            waits.append(select(bench.messages(), "INVITE")[-1].at_seconds - asked_at)
    # A sleep of up to a second would be half of one on the average; margin: a loaded machine.
    assert median(waits) < 0.2


async def test_a_busy_trio_side_keeps_the_interpreter_for_half_a_millisecond_at_most(
    bench: Bench,
) -> None:
    before = sys.getswitchinterval()
    pbx = bench.pbx(*_BUSY)
    values = {"domain": str(pbx.bind), "user": "acd", "register": False, "lines": 3}
    async with open_sip([TrunkSettings.model_validate(values)], probe=None):
        assert sys.getswitchinterval() <= 0.0005
    assert sys.getswitchinterval() == before


async def test_a_full_collection_passes_over_what_was_there_before_the_first_call(
    bench: Bench,
) -> None:
    pbx = bench.pbx(*_BUSY)
    values = {"domain": str(pbx.bind), "user": "acd", "register": False, "lines": 3}
    before = gc.get_threshold()
    async with open_sip([TrunkSettings.model_validate(values)], probe=None):
        assert gc.get_freeze_count() > 0.9 * len(gc.get_objects())
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, before)


async def test_calls_ordered_all_at_once_leave_room_for_what_is_answered(bench: Bench) -> None:
    pbx = bench.pbx(*_BUSY)
    trunk = await bench.trunk(str(pbx.bind), probe=None, lines=300)
    lines = [await bench.line(trunk) for _ in range(300)]
    for line in lines:
        await line.originate(request())
    for line in lines:
        await released(line)
    messages = bench.messages()
    invites = select(messages, "INVITE")
    assert len(invites) == 300, "none was sent again"
    # Every order was there before the first packet; each call is over as soon as it is refused.
    middle = invites[150].at_seconds
    assert sum(ack.at_seconds < middle for ack in select(messages, "ACK")) > 100


async def test_no_object_of_pjsua_outlives_its_call(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, bye())
    trunk = await bench.trunk(str(pbx.bind))
    gc.collect()
    gc.disable()  # it would run in whatever thread allocates, and pjlib does not know most
    try:
        for _ in range(3):
            async with trunk.lines.lease(holder="test", deadline_seconds=9) as line:
                await answered(line)
                await line.hang_up()
                await released(line)
        # The SIP thread drops the last ones just after it has told of their end.
        while any(issubclass(kind, pj.Call) for kind in map(type, gc.get_objects())):
            await bench.breathe()
    finally:
        gc.enable()


async def test_no_object_of_pjsua_outlives_an_invite_that_it_would_not_send(
    bench: Bench,
) -> None:
    """The traceback of a `pj.Error` holds what is around it."""
    pbx = bench.pbx(*_BUSY)
    lowest, highest = 21_000, 21_999
    trunk = await bench.trunk(str(pbx.bind), rtp_port_min=lowest, rtp_port_max=highest)
    gc.collect()
    gc.disable()  # as above
    try:
        with ExitStack() as held:
            for port in range(lowest, highest + 1):
                holder = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                holder.bind((ENGINE_HOST, port))
            line = await bench.line(trunk)
            await line.originate(request())
            ended, _ = await released(line)
        assert isinstance(ended, Ended)
        assert ended.cause is DisconnectCause.TEMPORARY_FAILURE
        assert not select(bench.messages(), "INVITE")
        while any(issubclass(kind, pj.Call) for kind in map(type, gc.get_objects())):
            await bench.breathe()
    finally:
        gc.enable()
    await line.originate(request())
    ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.BUSY


async def test_no_player_outlives_its_engine(bench: Bench, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "short.wav", [0] * 800)
    pbx = bench.pbx(*_UP, bye())
    settings = {"domain": str(pbx.bind), "user": "acd", "register": False, "lines": 3}
    trunk_settings = TrunkSettings.model_validate(settings | {"bind_address": ENGINE_HOST})
    gc.collect()
    gc.disable()
    try:
        async with open_sip([trunk_settings]) as sip:
            trunk = sip.trunk("main")
            await wait_status(trunk, TrunkStatus.UP)
            async with trunk.lines.lease(holder="test", deadline_seconds=9) as line:
                await answered(line)
                await line.play(wav)
                await line.hang_up()
                await released(line)
            # Its player was put aside for a second, and the engine ends before that.
        assert pj.AudioMediaPlayer not in map(type, gc.get_objects())
    finally:
        gc.enable()


async def test_the_limit_of_open_files_is_lifted_for_the_lines(bench: Bench) -> None:
    pbx = bench.pbx(*_BUSY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    try:
        await bench.trunk(str(pbx.bind), lines=400)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 2 * 400
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_503_of_the_pbx_is_congestion_and_leaves_the_trunk_alive(bench: Bench) -> None:
    pbx = bench.pbx(invite(), reject("503 Service Unavailable"))
    trunk = await bench.trunk(str(pbx.bind), probe=ProbeTiming())
    line = await bench.line(trunk)
    await line.originate(request())
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert (ended.cause, ended.sip_status) == (DisconnectCause.CONGESTION, 503)
    assert trunk.health.may_dial
