"""An engine whose gateway's lines have profiles, and the wire to whatever it calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from acd.tapi.client import GatewayAddress, LineApp, LineError
from tests.acceptance.support.installation import Engine, Installation
from tests.acceptance.tapi.call_centre import TOKEN
from tests.peers.addresses import free_port
from tests.peers.watching import wait_on_wire
from tests.peers.wire import SipMessage, Wire, select

SETTINGS = """
[destinations]
default_region = "{region}"
allow = {allow}
[metrics]
port = {metrics_port}
[tapi]
enabled = true
port = {port}
lines = {lines}
grace_seconds = 2.0
[[tapi_client]]
name = "office"
token_env = "TAPI_TOKEN"
calls_per_second = 100.0
keep_calling_hours = false
{client}
"""


@dataclass(frozen=True, slots=True)
class Office:
    """What runs, and what the wire saw."""

    installation: Installation
    engine: Engine
    wire: Wire
    gateway: GatewayAddress

    def to(self, address: str, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """What came to one address so far."""
        found = select(self.wire.sip(), what, cseq=cseq)
        return [each for each in found if each.destination[0] == address]

    async def seen(self, what: Callable[[], object]) -> list[SipMessage]:
        """Wait until the wire has shown it, however busy the machine is; all that it showed."""
        return await wait_on_wire(self.wire, lambda _: what(), timeout_seconds=30)


def trunk_toml(name: str, address: str, *, user: str, password: str = "", **more: object) -> str:
    """One `[[trunk]]`; its password in a variable of its own."""
    lines = [
        "[[trunk]]",
        f'name = "{name}"',
        f'domain = "{address}"',
        f'user = "{user}"',
        "calls_per_second = 100.0",
        "ring_timeout_seconds = 15.0",
        *(f"{key} = {value}" for key, value in more.items()),
    ]
    if password:
        lines.append(f'password_env = "{password_variable(name)}"')
    return "\n".join(lines) + "\n"


def password_variable(trunk: str) -> str:
    """Where `trunk_toml` looks for the password."""
    return "PASSWORD_" + trunk.replace("-", "_").upper()


@asynccontextmanager
async def open_office(
    folder: Path,
    *,
    trunks: str,
    profiles: str,
    wire: Wire,
    passwords: dict[str, str] | None = None,
    lines: int = 4,
    up: tuple[str, ...] = (),
    log_file: str = "",
    region: str = "DE",
    client: str = "",
    allow: str = "[]",
) -> AsyncIterator[Office]:
    """Start the engine; `up` are trunks to wait for, `log_file` is that of `[log]`.

    `client` goes into the client's table, `allow` is that of `[destinations]`.
    """
    async with open_engine_at(
        folder,
        port=free_port(),
        trunks=trunks,
        profiles=profiles,
        passwords=passwords,
        lines=lines,
        up=up,
        log_file=log_file,
        region=region,
        client=client,
        allow=allow,
    ) as (installation, engine, gateway):
        yield Office(installation, engine, wire, gateway)
        await engine.end()


@asynccontextmanager
async def open_engine_at(
    folder: Path,
    *,
    port: int,
    trunks: str,
    profiles: str,
    passwords: dict[str, str] | None = None,
    lines: int = 4,
    up: tuple[str, ...] = (),
    log_file: str = "",
    region: str = "DE",
    client: str = "",
    allow: str = "[]",
) -> AsyncIterator[tuple[Installation, Engine, GatewayAddress]]:
    """Start the engine with its gateway at `port`; whoever uses it ends it."""
    installation = Installation.fresh(folder)
    text = SETTINGS.format(
        metrics_port=installation.metrics_port,
        port=port,
        lines=lines,
        client=client,
        allow=allow,
        region=region,
    )
    (installation.folder / "acd.toml").write_text(trunks + text + profiles)
    variables = {password_variable(name): value for name, value in (passwords or {}).items()}
    words = " ".join(f"{key}={value}" for key, value in {**variables, "TAPI_TOKEN": TOKEN}.items())
    async with installation.engine(f"env {words} acd run") as engine:
        if log_file:
            engine.log_path = installation.folder / log_file
        for trunk in up:
            await engine.wait_metric("acd_trunk_up", 1, trunk=trunk)
        await wait_said(engine, "tapi.serving")
        gateway = GatewayAddress(host="127.0.0.1", port=port, client="office", token=TOKEN)
        yield installation, engine, gateway


async def wait_said(engine: Engine, words: str) -> None:
    """Wait until the engine's log has these words."""
    with trio.fail_after(30):
        while words not in engine.log():
            assert engine.process.poll() is None, engine.log()
            # The log is a file that another program writes: it can only be read again.
            await trio.sleep(0.05)


async def shown(app: LineApp) -> bool:
    """Whether any call was shown by now: a request that is answered came after it."""
    with pytest.raises(LineError):
        await app.line_open(1000)
    with trio.move_on_after(0):
        await app.wait_new_call()
        return True
    return False
