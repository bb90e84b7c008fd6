"""An engine with its gateway on, a real Asterisk, a carrier, five agents' phones, and the wire."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import trio

from acd.tapi.client import GatewayAddress
from tests.acceptance.support.installation import Engine, Installation
from tests.acceptance.tapi.by_name import by_name
from tests.peers import phones
from tests.peers.addresses import Addresses, free_port
from tests.peers.asterisk import Asterisk, run_asterisk
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.watching import wait_on_wire
from tests.peers.wire import SipMessage, Wire, select

Opened = TypeVar("Opened")
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
{gateway}
[[tapi_client]]
name = "overdialer"
token_env = "TAPI_TOKEN"
calls_per_second = {calls_per_second}
keep_calling_hours = false
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
    pbx: Asterisk | Sipp
    since: float = 0.0
    """Of what the wire saw, only what came after this counts; epoch seconds."""
    first_attempt: int = 0
    """Of the books, only attempts after this one count."""

    def from_now(self) -> TapiCentre:
        """The same, without what earlier tests have done."""
        last = max((row["attempt_id"] for row in self.installation.rows("attempts")), default=0)
        return replace(self, since=time.time(), first_attempt=last)

    def agent(self, extension: int) -> str:
        """An agent's phone."""
        return agent_address(self.addresses, extension)

    @property
    def phones(self) -> set[str]:
        """Every address that is not the engine's."""
        known = self.addresses
        agents = {self.agent(FIRST_AGENT + each) for each in range(AGENTS)}
        return {known.pbx, known.carrier, *agents}

    def messages(self) -> list[SipMessage]:
        """Every SIP message."""
        return [each for each in self.wire.sip() if each.at_seconds >= self.since]

    def sent(self, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """What the engine sent, each message once however often it was sent again."""
        found = self._once(what, cseq)
        return [each for each in found if each.source[0] not in self.phones]

    def heard(self, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """What came to the engine, each message once."""
        found = self._once(what, cseq)
        return [each for each in found if each.destination[0] not in self.phones]

    def to(self, address: str, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """What came to one phone, each message once."""
        return [each for each in self._once(what, cseq) if each.destination[0] == address]

    def _once(self, what: str | int, cseq: str) -> list[SipMessage]:
        """Without retransmissions: on a busy machine any message may be sent again."""
        found: dict[object, SipMessage] = {}
        for each in select(self.messages(), what, cseq=cseq):
            key = (each.source, each.destination, each.first_line, each.branch, each.get("cseq"))
            found.setdefault((*key, each.body), each)
        return list(found.values())

    async def seen(self, what: Callable[[], list[SipMessage]]) -> list[SipMessage]:
        """Wait until the wire has shown it, however busy the machine is."""
        await wait_on_wire(self.wire, lambda _: what(), timeout_seconds=30)
        return what()

    async def closed_rows(self, number: int = 1) -> list[dict[str, Any]]:
        """Wait until so many attempts are closed; them."""
        with trio.fail_after(30):
            while True:
                rows = self.installation.rows("attempts")
                rows = [row for row in rows if row["attempt_id"] > self.first_attempt]
                if sum(row["state"] == "closed" for row in rows) >= number:
                    return rows
                # The database is another program's file: it can only be read again.
                await trio.sleep(0.05)


def agent_address(addresses: Addresses, extension: int) -> str:
    """Where an agent's phone is."""
    return f"{addresses.network}.{20 + extension - FIRST_AGENT}"


@asynccontextmanager
async def open_tapi_centre(
    folder: Path,
    *,
    more: str = "",
    gateway: str = "",
    talk_ms: int = 1000,
    busy: tuple[int, ...] = (),
    silent: tuple[int, ...] = (),
    dialer: Mapping[str, str] = MappingProxyType({}),
    **settings: str,
) -> AsyncIterator[TapiCentre]:
    """Start everything around a real Asterisk.

    Args:
        folder: where the installation goes.
        more: goes into the client's table and behind it.
        gateway: goes into [tapi].
        talk_ms: how long agents talk.
        busy: agents whose phones answer 486.
        silent: agents whose phones ring until the PBX gives up.
        dialer: more keys of our endpoint at Asterisk.
        settings: keys of acd.toml that are another than in `_write_settings`.
    """
    addresses = Addresses.free()
    agents = {
        str(FIRST_AGENT + each): agent_address(addresses, FIRST_AGENT + each)
        for each in range(AGENTS)
    }
    async with run_asterisk(
        address=addresses.pbx,
        carrier=f"{addresses.carrier}:5060",
        agents={extension: f"{address}:5060" for extension, address in agents.items()},
        dialer=dialer,
    ) as pbx:
        with ExitStack() as stack:
            for peer in (
                phones.carrier(addresses.carrier),
                *(
                    phones.agent_busy(address)
                    if int(extension) in busy
                    else phones.agent_silent(address)
                    if int(extension) in silent
                    else phones.agent_answers(address, talk_ms=talk_ms)
                    for extension, address in agents.items()
                ),
            ):
                stack.enter_context(peer)
                stack.callback(peer.stop, grace_seconds=0.2)
            texts = (gateway, more)
            async with _open_engine(folder, addresses, pbx, texts, settings) as centre:
                yield centre


@asynccontextmanager
async def open_scripted_centre(
    folder: Path,
    branches: Mapping[str, Sequence[str]],
    *,
    more: str = "",
    gateway: str = "",
    full_size: bool = False,
    **settings: str,
) -> AsyncIterator[TapiCentre]:
    """Start the engine at a SIPp that does the steps of the name that is dialed.

    With `full_size` the sound of its calls is not captured, which no capture keeps up with, and
    SIPp gives up no call whose REFER comes twice because it was slow itself.
    """
    addresses = Addresses.free()
    path = folder / "by_name.xml"
    path.write_text(by_name(branches), encoding="latin-1")
    names = ", ".join(f'"{name}"' for name in branches)
    extra = ("-default_behaviors", "all,-abortunexp") if full_size else ()
    with Sipp.uas(path, Bind(addresses.pbx, 5060), trace_messages=True, extra=extra) as pbx:
        settings = {"allow": f"[{names}]", **settings}
        port = pbx.bind.port if full_size else None
        async with _open_engine(
            folder, addresses, pbx, (gateway, more), settings, wire_port=port
        ) as centre:
            yield centre


@asynccontextmanager
async def _open_engine(
    folder: Path,
    addresses: Addresses,
    pbx: Asterisk | Sipp,
    texts: tuple[str, str],
    settings: Mapping[str, str],
    *,
    wire_port: int | None = None,
) -> AsyncIterator[TapiCentre]:
    installation = Installation.fresh(folder)
    port = free_port()
    _write_settings(installation, addresses, port, texts, settings)
    with Wire(addresses.pbx, port=wire_port) as wire:
        async with installation.engine(f"env TAPI_TOKEN={TOKEN} acd run") as engine:
            await engine.wait_metric("acd_trunk_up", 1, trunk="main")
            await _wait_listening(engine)
            address = GatewayAddress(host="127.0.0.1", port=port, client="overdialer", token=TOKEN)
            yield TapiCentre(addresses, installation, engine, wire, address, pbx)
            if engine.process.poll() is None:
                await engine.end()


@contextmanager
def kept_open(opened: AbstractAsyncContextManager[Opened]) -> Iterator[Opened]:
    """Keep a centre open for several tests, in a trio run and thread of its own."""
    is_open: Future[tuple[Opened, Callable[[], None]]] = Future()

    async def keep() -> None:
        end = trio.Event()
        token = trio.lowlevel.current_trio_token()
        async with opened as centre:
            is_open.set_result((centre, partial(token.run_sync_soon, end.set)))
            await end.wait()

    with ThreadPoolExecutor(1) as thread:
        kept = thread.submit(trio.run, keep)
        # Where it could not be opened, that is the error to show.
        kept.add_done_callback(lambda _: is_open.cancel())
        with suppress(CancelledError):
            is_open.exception()
        if is_open.cancelled():
            kept.result()
        centre, end = is_open.result()
        try:
            yield centre
        finally:
            end()
            kept.result()


def _write_settings(
    installation: Installation,
    addresses: Addresses,
    port: int,
    texts: tuple[str, str],
    keys: Mapping[str, str],
) -> None:
    settings = installation.folder / "acd.toml"
    settings.write_text((installation.folder / "acd.example.toml").read_text())
    installation.settle(pbx=addresses.pbx)
    text = settings.read_text()
    # The shortest ringing that is allowed: some phones are never answered.
    wanted = {"lines": str(LINES), "calls_per_second": "50.0", "ring_timeout_seconds": "15.0"}
    for key, value in {**wanted, **keys}.items():
        text, count = re.subn(rf"(?m)^(?:# )?{key} = [^#\n]*", f"{key} = {value} ", text, count=1)
        assert count == 1, f"acd.example.toml has no {key}"
    lines = keys.get("lines", LINES)
    gateway, more = texts
    table = SETTINGS.format(
        port=port,
        lines=lines,
        gateway=gateway,
        calls_per_second=keys.get("calls_per_second", "50.0"),
        more=more,
    )
    settings.write_text(text + table)


async def _wait_listening(engine: Engine) -> None:
    with trio.fail_after(30):
        while "tapi.serving" not in engine.log():
            assert engine.process.poll() is None, engine.log()
            # The log is a file that another program writes: it can only be read again.
            await trio.sleep(0.05)
