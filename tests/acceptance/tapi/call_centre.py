"""An engine with its gateway on, a real Asterisk, a carrier, five agents' phones, and the wire."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from acd.tapi.client import GatewayAddress
from tests.acceptance.support.installation import Engine, Installation
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import run_asterisk
from tests.peers.wire import SipMessage, Wire, select

TOKEN = "the-token-of-the-tests"
LINES = 20
FIRST_AGENT = 101
AGENTS = 5
SETTINGS = """
[tapi]
enabled = true
port = {port}
lines = {lines}
heartbeat_seconds = 1.0
grace_seconds = 2.0
[[tapi_client]]
name = "overdialer"
token_env = "TAPI_TOKEN"
calls_per_second = 50.0
{more}
"""


@dataclass(frozen=True, slots=True)
class TapiCentre:
    """What runs, and what the wire saw."""

    addresses: Addresses
    installation: Installation
    engine: Engine
    wire: Wire
    gateway: GatewayAddress

    def agent(self, extension: int) -> str:
        """An agent's phone."""
        return agent_address(self.addresses, extension)

    @property
    def phones(self) -> set[str]:
        """Every address that is not the engine's."""
        known = self.addresses
        agents = {self.agent(FIRST_AGENT + each) for each in range(AGENTS)}
        return {known.pbx, known.carrier, *agents}

    def sent(self, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """What the engine sent."""
        found = select(self.wire.sip(), what, cseq=cseq)
        return [each for each in found if each.source[0] not in self.phones]

    def to(self, address: str, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """What came to one phone."""
        found = select(self.wire.sip(), what, cseq=cseq)
        return [each for each in found if each.destination[0] == address]


def agent_address(addresses: Addresses, extension: int) -> str:
    """Where an agent's phone is."""
    return f"{addresses.network}.{20 + extension - FIRST_AGENT}"


@asynccontextmanager
async def open_tapi_centre(
    folder: Path, *, more: str = "", talk_ms: int = 1000, calls_per_second: float = 50.0
) -> AsyncIterator[TapiCentre]:
    """Start everything; `more` goes into the client's table."""
    addresses = Addresses.free()
    installation = Installation.fresh(folder)
    port = _free_port()
    _write_settings(installation, addresses, port, more, calls_per_second)
    agents = {
        str(FIRST_AGENT + each): agent_address(addresses, FIRST_AGENT + each)
        for each in range(AGENTS)
    }
    async with run_asterisk(
        address=addresses.pbx,
        carrier=f"{addresses.carrier}:5060",
        agents={extension: f"{address}:5060" for extension, address in agents.items()},
    ):
        with ExitStack() as stack:
            wire = stack.enter_context(Wire(addresses.pbx))
            for peer in (
                phones.carrier(addresses.carrier),
                *(phones.agent_answers(each, talk_ms=talk_ms) for each in agents.values()),
            ):
                stack.enter_context(peer)
                stack.callback(peer.stop, grace_seconds=0.2)
            async with installation.engine(f"env TAPI_TOKEN={TOKEN} acd run") as engine:
                await engine.wait_metric("acd_trunk_up", 1, trunk="main")
                await _wait_listening(engine)
                yield TapiCentre(
                    addresses,
                    installation,
                    engine,
                    wire,
                    GatewayAddress(host="127.0.0.1", port=port, client="overdialer", token=TOKEN),
                )
                await engine.end()


def _write_settings(
    installation: Installation,
    addresses: Addresses,
    port: int,
    more: str,
    calls_per_second: float,
) -> None:
    settings = installation.folder / "acd.toml"
    settings.write_text((installation.folder / "acd.example.toml").read_text())
    installation.settle(pbx=addresses.pbx)
    text = re.sub(r"(?m)^lines = \d+", f"lines = {LINES}", settings.read_text())
    text = re.sub(r"(?m)^calls_per_second = \S+", f"calls_per_second = {calls_per_second}", text)
    # The shortest that is allowed: some phones are never answered.
    text = re.sub(r"(?m)^# (ring_timeout_seconds) = \S+", r"\1 = 15.0", text)
    settings.write_text(text + SETTINGS.format(port=port, lines=LINES, more=more))


async def _wait_listening(engine: Engine) -> None:
    with trio.fail_after(30):
        while "tapi.serving" not in engine.log():
            assert engine.process.poll() is None, engine.log()
            # The log is a file that another program writes: it can only be read again.
            await trio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
