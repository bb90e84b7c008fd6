"""`python -m acd doctor` as a subprocess, and the PBXs that it looks at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from acd.store import open_store_sync
from tests.peers.addresses import Addresses
from tests.peers.sipp.runner import Bind, Sipp

HERE = Path(__file__).parent
PASSWORD = "not-to-be-printed"
NETWORK = Addresses.free().network
"""127.x.y, of this run alone."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one run of the doctor said."""

    exit_code: int
    seconds: float
    report: dict[str, Any]
    errors: str

    def row(self, name: str) -> dict[str, Any]:
        (row,) = (check for check in self.report["checks"] if check["name"] == name)
        return dict(row)

    def failed(self) -> set[str]:
        return {check["name"] for check in self.report["checks"] if not check["ok"]}


@dataclass(frozen=True, slots=True)
class Office:
    """A folder with acd.toml and a database, in which the doctor is run."""

    folder: Path

    def write(self, toml: str) -> Path:
        path = self.folder / "acd.toml"
        path.write_text(toml, encoding="utf-8")
        return path

    def run(
        self, *arguments: str, environ: dict[str, str] | None = None, limits: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """`limits` are shell commands that come first, such as `ulimit -n 300`."""
        command = [sys.executable, "-m", "acd", "doctor", *arguments]
        shell = ["sh", "-c", f'{limits or "true"} && exec "$@"', "sh"]
        return subprocess.run(
            [*shell, *command],
            cwd=self.folder,
            env={**os.environ, "ACD_PASSWORD": PASSWORD, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def visit(self, *arguments: str, **options: Any) -> Visit:
        start = time.monotonic()
        done = self.run("--json", *arguments, **options)
        seconds = time.monotonic() - start
        assert done.returncode in {0, 1}, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return Visit(done.returncode, seconds, json.loads(done.stdout), done.stderr)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A database that is up to date; acd.toml is the test's own."""
    with open_store_sync(f"sqlite:///{tmp_path}/acd.sqlite", create=True):
        pass
    return Office(tmp_path)


def trunk(domain: str, more: str = "") -> str:
    """A `[[trunk]]` with the password that every PBX here knows, and few lines for any binding."""
    keys = f'domain = "{domain}"\nuser = "dialer"\npassword_env = "ACD_PASSWORD"\nlines = 4\n'
    return f"[[trunk]]\n{keys}{more}\n"


ROWS_SECONDS = 8.0 + 22.0
"""In which every row is there, and what a process may need to start on a busy machine: 13 s was
seen there. That nothing is waited for longer than 5 s, the rows say themselves."""

PbxMaker = Callable[..., AbstractContextManager[Sipp]]


@contextmanager
def running(scenario: Path, keys: dict[str, str], **options: Any) -> Iterator[Sipp]:
    """SIPp with a scenario in which `[key]` is replaced, in header names too."""
    text = scenario.read_text(encoding="utf-8")
    for key, value in keys.items():
        text = text.replace(f"[{key}]", value)
    folder = options.pop("folder")
    (folder / scenario.name).write_text(text, encoding="utf-8")
    with Sipp.uas(folder / scenario.name, Bind(f"{NETWORK}.1"), **options) as sipp:
        yield sipp
        # It would wait for requests that a doctor who has left does not send.
        sipp.stop(grace_seconds=0.2)


@pytest.fixture
def pbx(tmp_path: Path) -> PbxMaker:
    """Makes SIPp a PBX; `with pbx(...) as peer:` and dial `peer.bind`."""

    def make(
        *,
        options_line: str = "200 OK",
        options_header: str = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY",
        realm: str = "pbx",
        password: str = PASSWORD,
        **options: Any,
    ) -> AbstractContextManager[Sipp]:
        keys = {
            "options_line": options_line,
            "options_header": options_header,
            "realm": realm,
            "user": "dialer",
            "password": password,
        }
        return running(HERE / "pbx.xml", keys, folder=tmp_path, **options)

    return make


@pytest.fixture
def limited_pbx(tmp_path: Path) -> PbxMaker:
    """Makes SIPp a PBX that carries so many calls at once and refuses the next one."""

    def make(*, carries: int) -> AbstractContextManager[Sipp]:
        keys = {"carries": str(carries)}
        return running(HERE / "limited.xml", keys, folder=tmp_path, trace_messages=True)

    return make
