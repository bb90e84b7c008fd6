"""Start a real Kamailio, know when it answers, end it by pid.

with pbx_behind("127.64.1.2") as pbx:
    async with run_kamailio(
        address="127.64.1.1", pbx=str(pbx.bind), certificate=certificate, key=key
    ) as proxy:
        ...                               # dial proxy.address by UDP or TCP 5060, TLS 5061
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template

import trio

from tests.peers.options import options_answered
from tests.peers.sipp.runner import Bind, Sipp

HERE = Path(__file__).parent

DIALER = "dialer"
DIALER_PASSWORD = "change-me"
"""As in `peer/kamailio.cfg`; any user has it."""
PORT = 5060
TLS_PORT = 5061

_START_SECONDS = 20
_STOP_SECONDS = 5


class KamailioError(Exception):
    """Kamailio is missing or did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kamailio:
    """A running Kamailio."""

    address: str
    pid: int
    log_path: Path

    def log(self) -> str:
        """All that it has written so far."""
        return self.log_path.read_text(errors="replace")

    async def rpc(self, command: str) -> str:
        """What `kamcmd` prints.

        Raises:
            KamailioError: it does not run, or does not know the command.
        """
        control = f"unix:{self.log_path.parent}/ctl"
        done = await trio.run_process(
            ["kamcmd", "-s", control, command],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        if done.returncode:
            raise KamailioError(f"Kamailio did not take {command!r}: {done.stderr.decode()}")
        return done.stdout.decode()

    async def contacts(self, user: str) -> list[str]:
        """The addresses that a user has registered; `ul.dump` knows them all."""
        addresses: dict[str, list[str]] = {}
        for line in (await self.rpc("ul.dump")).splitlines():
            name, _, value = line.strip().partition(": ")
            if name == "AoR":
                known = addresses.setdefault(value, [])
            elif name == "Address":
                known.append(value)
        return addresses.get(user, [])


def pbx_behind(address: str, *, port: int = PORT, echoes: bool = False) -> Sipp:
    """The PBX that the proxy sends acd's calls to: it answers and takes a REFER.

    Where it `echoes`, each RTP packet goes back to where it came from.
    """
    extra = ("-rtp_echo",) if echoes else ()
    return Sipp.uas(HERE / "peer" / "pbx.xml", Bind(address, port), extra=extra)


@asynccontextmanager
async def run_kamailio(
    *,
    address: str,
    pbx: str,
    certificate: Path,
    key: Path,
    realm: str = "",
    tls_method: str = "TLSv1.2+",
    client_authority: Path | None = None,
    users: bool = False,
) -> AsyncIterator[Kamailio]:
    """A real Kamailio with the documented routing: registrar and proxy over UDP, TCP and TLS.

    Args:
        address: 127.x.y.z that nobody else uses.
        pbx: host:port behind it.
        certificate: for TLS.
        key: of the certificate.
        realm: of the digest challenge; the address by default.
        tls_method: the versions it takes, in Kamailio's words.
        client_authority: whom the certificate must be from that it then asks callers for.
        users: phones register here and are called, and what is no user goes to `pbx`.

    Raises:
        KamailioError: it is not installed, or did not start; with its last words.
    """
    program = _program()
    with tempfile.TemporaryDirectory(prefix="acd-kamailio-") as name:
        folder = Path(name)
        _write_configuration(
            folder,
            address=address,
            pbx=pbx,
            pbx_host=pbx.partition(":")[0],
            realm=realm or address,
            certificate=certificate,
            key=key,
            tls_method=tls_method,
            tls_clients=_clients_from(client_authority),
            users="#!define ACD_USERS" if users else "",
        )
        process = await _start(program, folder)
        kamailio = Kamailio(address=address, pid=process.pid, log_path=folder / "kamailio.log")
        try:
            await _wait_ready(kamailio, process)
            yield kamailio
        finally:
            await _stop(process)


def _program() -> str:
    program = shutil.which("kamailio", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        raise KamailioError("There is no kamailio: run make test-servers.")
    return program


def _write_configuration(folder: Path, **values: object) -> None:
    """The documented routing, and what `peer/kamailio.cfg` puts round it with these values."""
    shutil.copy(HERE / "documented" / "acd.cfg", folder)
    template = Template((HERE / "peer" / "kamailio.cfg").read_text())
    text = template.substitute(values, modules=_modules(), folder=folder)
    (folder / "kamailio.cfg").write_text(text)


async def _start(program: str, folder: Path) -> trio.Process:
    with (folder / "kamailio.log").open("wb") as log:
        return await trio.lowlevel.open_process(
            [
                *(program, "-f", str(folder / "kamailio.cfg"), "-DD", "-E"),
                *("-m", "32", "-M", "4", "-Y", str(folder)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            # Its children hold its ports: whoever outlives it must be found again.
            start_new_session=True,
        )


def _clients_from(authority: Path | None) -> str:
    if authority is None:
        return ""
    parameters = {"verify_certificate": 1, "require_certificate": 1, "ca_list": f'"{authority}"'}
    return "\n".join(f'modparam("tls", "{name}", {value})' for name, value in parameters.items())


def _modules() -> str:
    """Debian keeps the modules in a folder named by the machine's architecture."""
    found = sorted(Path("/usr/lib").glob("*/kamailio/modules"))
    if not found:
        raise KamailioError("Kamailio has no modules in /usr/lib: run make test-servers.")
    return f"{found[0]}/"


async def _wait_ready(kamailio: Kamailio, process: trio.Process) -> None:
    if await options_answered(process, kamailio.address, PORT, timeout_seconds=_START_SECONDS):
        return
    raise KamailioError(
        f"Kamailio at {kamailio.address} did not start; it ends with:\n{kamailio.log()[-2000:]}"
    )


async def _stop(process: trio.Process) -> None:
    """SIGTERM ends it with all its children; whatever hangs is killed."""
    with trio.CancelScope(shield=True):
        if process.poll() is None:
            process.terminate()
        with trio.move_on_after(_STOP_SECONDS):
            await process.wait()
        # A child that came up while the signal went round does not hear of it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
