"""Start a real Asterisk by chroot, know when it answers, ask it things, end it by pid.

    async with run_asterisk(
        address="127.40.1.1", carrier="127.40.1.2:5060", agents={"101": "127.40.1.3:5060"}
    ) as pbx:
        ...                                   # dial pbx.address
        print(await pbx.cli("core show channels"))

Each one lives in a folder of its own below the Asterisk folder's /tmp (configuration, sockets,
database, logs), so several run at once; nothing is mounted, and the folder goes with it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import trio

from tests.peers.addresses import taken
from tests.peers.asterisk.configuration import Layout, write_configuration
from tests.peers.ending import terminate
from tests.peers.options import wait_options_answered

REPOSITORY = Path(__file__).parents[3]

DIALER = "dialer"
DIALER_PASSWORD = "change-me"
"""As in `documented/pjsip-acd.conf`."""
MANAGER = "acd"
MANAGER_SECRET = "change-me-too"
"""As in `documented/manager-acd.conf`."""

START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 5


class AsteriskError(Exception):
    """Asterisk is missing, did not start, or did not take a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asterisk:
    """A running Asterisk."""

    address: str
    port: int
    manager_port: int
    """AMI, read only; user and secret as in `documented/manager-acd.conf`."""
    pid: int
    log_path: Path
    root: Path
    """The chroot."""
    configuration: Path
    """asterisk.conf inside the chroot."""

    async def cli(self, command: str) -> str:
        """What `asterisk -rx` prints.

        Raises:
            AsteriskError: it does not run, does not know the command, or the command failed.
        """
        done = await trio.run_process(
            ["chroot", self.root, "asterisk", "-C", self.configuration, "-rx", command],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        # A command that it knows and that failed still exits with 0.
        refused = output.startswith("No such command") or output.rstrip().endswith("' failed.")
        if done.returncode or refused:
            raise AsteriskError(f"Asterisk did not take {command!r}: {output.strip()}")
        return output

    def log(self) -> str:
        """All that it has written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


@asynccontextmanager
async def run_asterisk(
    *,
    address: str,
    carrier: str,
    agents: Mapping[str, str] = MappingProxyType({}),
    users: Mapping[str, str] = MappingProxyType({}),
    port: int = 5060,
    manager_port: int = 5038,
    packet_ms: int = 20,
    dialer: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Asterisk]:
    """A real Asterisk with the documented account, dialplan and queue, on a loopback address.

    Args:
        address: 127.x.y.z that nobody else uses; SIP, RTP and AMI listen there.
        carrier: host:port that the endpoint `carrier` sends calls to.
        agents: extension → host:port of a phone that needs no REGISTER; empty: of one that does.
        users: extension → host:port of a phone whose user may register something else, too.
        port: SIP, over UDP and TCP.
        manager_port: AMI.
        packet_ms: how much sound one RTP packet carries, both ways.
        dialer: more keys of the dialer's endpoint, as `rtp_timeout`.

    Raises:
        AsteriskError: the address is taken, there is no Asterisk folder, no root, or it did not
            start; with the log's end.
    """
    layout = Layout(
        address=address,
        port=port,
        manager_port=manager_port,
        carrier=carrier,
        agents=agents,
        users=users,
        packet_ms=packet_ms,
        dialer=dialer,
    )
    if taken(address, port):
        # Asterisk itself would start, and the other one would answer for it.
        raise AsteriskError(f"Something already listens at {address}:{port}, as another test run.")
    root = asterisk_folder()
    modules = _modules_in(root)
    with tempfile.TemporaryDirectory(prefix="acd-asterisk-", dir=root / "tmp") as name:
        pbx, process = await _start(layout, root=root, folder=Path(name), modules=modules)
        try:
            await _wait_ready(pbx, process)
            yield pbx
        finally:
            # SIGTERM ends its calls at once.
            await terminate(process, timeout_seconds=STOP_TIMEOUT_SECONDS)


async def _start(
    layout: Layout, *, root: Path, folder: Path, modules: str
) -> tuple[Asterisk, trio.Process]:
    """Its process, and what a test knows it by; it does not answer yet."""
    inside = Path("/") / folder.relative_to(root)
    configuration = write_configuration(
        layout, seen_by_us=folder, seen_by_it=inside, modules=modules
    )
    with (folder / "screen.log").open("wb") as screen:
        process = await trio.lowlevel.open_process(
            ["chroot", root, "asterisk", "-f", "-C", configuration],
            stdin=subprocess.DEVNULL,
            stdout=screen,
            stderr=subprocess.STDOUT,
        )
    pbx = Asterisk(
        address=layout.address,
        port=layout.port,
        manager_port=layout.manager_port,
        pid=process.pid,
        log_path=folder / "log" / "full",
        root=root,
        configuration=configuration,
    )
    return pbx, process


def asterisk_folder() -> Path:
    """The folder that holds Asterisk: `ACD_ASTERISK_FOLDER`, else what `make test-servers` made.

    Raises:
        AsteriskError: there is none, or this user may not chroot into it.
    """
    if os.geteuid() != 0:
        raise AsteriskError(
            "The tests' Asterisk runs by chroot, which needs root: run them as root."
        )
    named = os.environ.get("ACD_ASTERISK_FOLDER")
    if named:
        return Path(named).resolve()
    found = subprocess.run(
        [REPOSITORY / "scripts" / "asterisk-folder"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise AsteriskError(found.stderr.strip())
    return Path(found.stdout.strip())


def _modules_in(root: Path) -> str:
    """Debian keeps the modules in a folder named by the machine's architecture."""
    found = sorted(root.glob("usr/lib/*/asterisk/modules")) or sorted(
        root.glob("usr/lib/asterisk/modules")
    )
    if not found:
        raise AsteriskError(f"{root} holds no Asterisk modules: run make test-servers again.")
    return f"/{found[0].relative_to(root)}"


async def _wait_ready(pbx: Asterisk, process: trio.Process) -> None:
    folder = pbx.log_path.parents[1]
    with trio.move_on_after(START_TIMEOUT_SECONDS):
        control = folder / "run" / "asterisk.ctl"
        # Another process makes the socket: there is nothing to wait on but its name.
        while not control.exists() and process.poll() is None:  # noqa: ASYNC110
            await trio.sleep(0.01)
        if process.poll() is None:
            await pbx.cli("core waitfullybooted")
            await wait_options_answered(pbx.address, pbx.port)
            return
    screen = (folder / "screen.log").read_text(errors="replace")
    end = screen[-2000:] + pbx.log()[-2000:]
    raise AsteriskError(f"Asterisk at {pbx.address} did not start; it ends with:\n{end}")
