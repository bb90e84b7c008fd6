"""Asterisk's manager interface tells what agents do; the phones are SIPp's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import trio
from pydantic import SecretStr
from structlog.testing import capture_logs

from acd.agents import AgentState
from tests.integration.feeds.floor import BOUND_SECONDS, Told, hand_over, manager, told
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import run_asterisk
from tests.peers.centre import Centre, open_centre
from tests.peers.certificates import make_certificate
from tests.peers.cut import open_way

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
READY, NOT_READY, ON_CALL = AgentState.READY, AgentState.NOT_READY, AgentState.ON_CALL


async def pause(centre: Centre, extension: str, *, reason: str = "") -> None:
    why = f" reason {reason}" if reason else ""
    await centre.pbx.cli(f"queue pause member PJSIP/{extension} queue sales{why}")


async def unpause(centre: Centre, extension: str) -> None:
    await centre.pbx.cli(f"queue unpause member PJSIP/{extension} queue sales")


async def both_ready(agents: Told) -> None:
    for extension in ("101", "102"):
        await agents.until(extension, READY)


async def test_an_agents_call_is_followed_from_the_ringing_to_its_end(
    record_property: Callable[[str, object], None],
) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=300, talk_ms=500)
    async with open_centre(ADDRESSES, phone) as centre, told(manager(ADDRESSES.pbx)) as agents:
        assert agents.now("101") is NOT_READY, "nothing is known before Asterisk has told"
        await both_ready(agents)
        await hand_over(ADDRESSES, "101")
        await agents.until("101", READY)
        traffic = centre.traffic()
    hung_up = traffic.of(ADDRESSES.agent_101, "BYE")[0]
    record_property("agent_bye_to_ready_seconds", agents.at_seconds[-1] - hung_up.at_seconds)
    assert agents.states("101") == [READY, NOT_READY, ON_CALL, READY]
    assert agents.states("102") == [READY]


async def test_a_busy_phone_never_is_on_a_call() -> None:
    agents_phones = (
        phones.agent_busy(ADDRESSES.agent_101),
        phones.agent_answers(ADDRESSES.agent_102, talk_ms=300),
    )
    async with open_centre(ADDRESSES, *agents_phones), told(manager(ADDRESSES.pbx)) as agents:
        await both_ready(agents)
        await hand_over(ADDRESSES, "101")
        await agents.until("102", READY)
    assert ON_CALL not in agents.states("101")
    assert ON_CALL in agents.states("102")


async def test_a_pause_and_its_reason_come_through_also_in_the_middle_of_a_call() -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=1000)
    async with open_centre(ADDRESSES, phone) as centre, told(manager(ADDRESSES.pbx)) as agents:
        await both_ready(agents)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hand_over, ADDRESSES, "101")
            await agents.until("101", ON_CALL)
            await pause(centre, "101", reason="lunch")
        paused = await agents.until("101", NOT_READY)
        assert paused.reason == "lunch"
        assert agents.states("101")[-2:] == [ON_CALL, NOT_READY], "not ready in between"
        await unpause(centre, "101")
        await agents.until("101", READY)


async def test_a_connection_that_is_cut_makes_everybody_not_ready_until_it_is_back() -> None:
    async with (
        open_centre(ADDRESSES) as centre,
        open_way(server=(ADDRESSES.pbx, 5038)) as way,
        told(manager(way.host, way.port)) as agents,
    ):
        await both_ready(agents)
        assert agents.is_up()
        way.cut()
        for extension in ("101", "102"):
            await agents.until(extension, NOT_READY)
        assert not agents.is_up()
        await pause(centre, "102", reason="home")
        await way.mend()
        await agents.until("101", READY)
        assert agents.is_up()
        assert agents.now("102") is NOT_READY, "what happened meanwhile is known"


async def test_asterisk_that_starts_again_is_asked_anew() -> None:
    phone = {"101": f"{ADDRESSES.agent_101}:5060"}
    carrier = f"{ADDRESSES.carrier}:5060"
    async with told(manager(ADDRESSES.pbx)) as agents:
        async with run_asterisk(address=ADDRESSES.pbx, carrier=carrier, agents=phone):
            await agents.until("101", READY)
        await agents.until("101", NOT_READY)
        async with run_asterisk(address=ADDRESSES.pbx, carrier=carrier, agents=phone):
            await agents.until("101", READY)


async def test_a_wrong_secret_leaves_everybody_not_ready_and_is_not_shown() -> None:
    settings = manager(ADDRESSES.pbx, password=SecretStr("wrong-one"))
    with capture_logs() as lines:
        async with open_centre(ADDRESSES), told(settings) as agents:
            await until_logged(lines, "ami.lost")
            assert agents.now("101") is NOT_READY
            assert not agents.is_up()
    assert lines[0]["why"] == "Login was refused: Authentication failed"
    assert "wrong-one" not in str(lines)


async def test_an_account_that_may_not_ask_for_phones_is_told_so() -> None:
    with capture_logs() as lines:
        async with open_centre(ADDRESSES) as centre:
            configuration = centre.pbx.log_path.parents[1] / "etc" / "manager-acd.conf"
            configuration.write_text(configuration.read_text().replace("write=reporting", "write="))
            await centre.pbx.cli("manager reload")
            async with told(manager(ADDRESSES.pbx)):
                await until_logged(lines, "ami.lost")
    assert lines[0]["why"] == "devices were not told: Permission denied"


TLS_PORT = 5039


async def test_the_connection_may_be_encrypted_and_the_certificate_is_checked(
    tmp_path: Path,
) -> None:
    async with open_centre(ADDRESSES) as centre:
        certificate = await encrypt_manager(centre, tmp_path)
        trusting = manager(ADDRESSES.pbx, TLS_PORT, tls=True, tls_ca_file=certificate)
        async with told(trusting) as agents:
            await both_ready(agents)
        wary = manager(ADDRESSES.pbx, TLS_PORT, tls=True)
        with capture_logs() as lines:
            async with told(wary) as agents:
                await until_logged(lines, "ami.lost")
            assert not agents.is_up()
    assert "certificate" in lines[0]["why"]


async def until_logged(lines: Sequence[Mapping[str, object]], action: str) -> None:
    with trio.fail_after(BOUND_SECONDS):
        # The log is a list that others append to.
        while not any(line["action"] == action for line in lines):  # noqa: ASYNC110
            await trio.sleep(0.02)


async def encrypt_manager(centre: Centre, folder: Path) -> Path:
    """Let Asterisk's manager speak TLS too; the certificate to trust."""
    certificate, key = make_certificate(folder, name=ADDRESSES.pbx)
    etc = centre.pbx.log_path.parents[1] / "etc"
    for file in (certificate, key):
        shutil.copy(file, etc)
    inside = centre.pbx.configuration.parent
    configuration = etc / "manager.conf"
    general = (
        f"enabled = yes\ntlsenable = yes\ntlsbindaddr = {ADDRESSES.pbx}:{TLS_PORT}\n"
        f"tlscertfile = {inside / certificate.name}\ntlsprivatekey = {inside / key.name}\n"
    )
    configuration.write_text(configuration.read_text().replace("enabled = yes\n", general, 1))
    await centre.pbx.cli("manager reload")
    return certificate
