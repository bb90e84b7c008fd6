"""Start baresip, know when it answers, read what it heard, end it by pid."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from string import Template

import trio

from tests.peers.ending import terminate
from tests.peers.options import options_answered

HERE = Path(__file__).parent

USER = "agent"
PORT = 5060
TLS_PORT = 5061

_START_SECONDS = 20
_STOP_SECONDS = 5


class BaresipError(Exception):
    """baresip is missing or did not start."""


class Encryption(StrEnum):
    """`mediaenc` of its account: SRTP with keys in the SDP (RFC 4568)."""

    NONE = ""
    OPTIONAL = "srtp"
    REQUIRED = "srtp-mand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baresip:
    """A running baresip."""

    address: str
    pid: int
    folder: Path

    def log(self) -> str:
        """All that it has written so far."""
        return (self.folder / "baresip.log").read_text(errors="replace")

    def heard(self) -> list[int]:
        """Every sample of 16 bits that it decoded, of all calls; whole once a call is over."""
        samples = array("h")
        for recording in sorted(self.folder.glob("dump-*-dec.wav")):
            samples.frombytes(_samples_of(recording))
        return samples.tolist()


@asynccontextmanager
async def run_baresip(
    address: str,
    *,
    says: Path,
    encryption: Encryption = Encryption.NONE,
    certificate: Path | None = None,
    key: Path | None = None,
    user: str = USER,
    registrar: str = "",
    password: str = "",
) -> AsyncIterator[Baresip]:
    """A softphone at UDP and TCP 5060 of `address`, with a certificate at TLS 5061 too.

    Args:
        address: 127.x.y.z that nobody else uses.
        says: a WAV file of 8 kHz that callers hear from the beginning.
        encryption: of media.
        certificate: for TLS.
        key: of the certificate.
        user: whose phone it is.
        registrar: where it registers, and whom it sends the calls to that a REFER asks for.
        password: for the registrar.

    Raises:
        BaresipError: it is not installed, or did not start; with its last words.
    """
    program = shutil.which("baresip")
    modules = Path("/usr/lib/baresip/modules")
    if program is None or not modules.is_dir():
        raise BaresipError("There is no baresip: run make test-servers.")
    with tempfile.TemporaryDirectory(prefix="acd-baresip-") as name:
        folder = Path(name)
        _write_configuration(
            folder,
            address=address,
            says=str(says),
            modules=str(modules),
            pems=[path for path in (certificate, key) if path is not None],
        )
        _write_account(
            folder,
            user=user,
            domain=registrar or address,
            encryption=encryption,
            more=f";auth_pass={password};regint=60" if registrar else ";regint=0",
        )
        with (folder / "baresip.log").open("wb") as log:
            process = await trio.lowlevel.open_process(
                [program, "-4", "-f", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )
        phone = Baresip(address=address, pid=process.pid, folder=folder)
        try:
            await _wait_ready(phone, process)
            yield phone
        finally:
            # SIGTERM ends it with BYE to whoever is on.
            await terminate(process, timeout_seconds=_STOP_SECONDS)


def _write_configuration(
    folder: Path,
    *,
    address: str,
    says: str,
    modules: str,
    pems: list[Path],
) -> None:
    together = folder / "tls.pem"
    together.write_text("".join(path.read_text() for path in pems))
    config = Template((HERE / "config").read_text()).substitute(
        address=address, says=says, modules=modules, folder=folder, certificate=together
    )
    if not pems:
        config = config.replace(f"sip_certificate {together}\n", "")
    (folder / "config").write_text(config)


def _write_account(
    folder: Path, *, user: str, domain: str, encryption: Encryption, more: str
) -> None:
    account = f"<sip:{user}@{domain}>{more};answermode=auto;audio_codecs=PCMA,PCMU"
    if encryption.value:
        account += f";mediaenc={encryption.value}"
    (folder / "accounts").write_text(account + "\n")


def _samples_of(recording: Path) -> bytes:
    """libsndfile writes the header's length when it closes the file: read what is there."""
    try:
        with wave.open(str(recording), "rb") as file:
            return file.readframes(file.getnframes())
    except (wave.Error, EOFError):
        return b""


async def _wait_ready(phone: Baresip, process: trio.Process) -> None:
    if await options_answered(process, phone.address, PORT, timeout_seconds=_START_SECONDS):
        return
    raise BaresipError(
        f"baresip at {phone.address} did not start; it ends with:\n{phone.log()[-2000:]}"
    )
