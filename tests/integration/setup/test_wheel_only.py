"""With only PyPI's ready-made pjsua2 the engine runs, and says what it holds and how to get 999.

The engine starts with .venv's packages but for our pjsua2, in whose place stands the wheel that
constraints.txt names, downloaded once into the cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.support.carrier import Carrier, dialing_installation, handed_over
from tests.integration.setup.debian_folder import REPO, cache_folder
from tests.peers.addresses import Addresses

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="PyPI has pjsua2-python for Python 3.8 to 3.12 only"
)

SETTINGS = """\
[[trunk]]
domain = "127.42.1.1:5060"
user = "dialer"
password_env = "ACD_TEST_PASSWORD"
register = false
lines = {lines}
bind_address = "127.42.1.2"

[metrics]
enabled = false
"""


@dataclass(frozen=True)
class Installation:
    folder: Path
    python_path: str

    def script(self) -> str:
        """`acd` with PyPI's wheel."""
        interpreter = Path(sys.base_prefix) / f"bin/python3.{sys.version_info.minor}"
        return f'#!/bin/sh\nPYTHONPATH="{self.python_path}" exec {interpreter} -s -m acd "$@"\n'

    def acd(self, *arguments: str, lines: int) -> subprocess.CompletedProcess[str]:
        (self.folder / "acd.toml").write_text(SETTINGS.format(lines=lines))
        (self.folder / "acd").write_text(self.script())
        return subprocess.run(
            ["sh", "acd", *arguments],
            env={**os.environ, "ACD_TEST_PASSWORD": "secret"},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def pinned_wheel() -> Path:
    """Return the folder with the wheel's modules; pip fills it once."""
    pins = (REPO / "constraints.txt").read_text().splitlines()
    (pin,) = [line for line in pins if line.startswith("pjsua2-python==")]
    store = cache_folder() / "wheel-only"
    folder = store / f"{pin}-cp3{sys.version_info.minor}"
    if folder.is_dir():
        return folder
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=store) as new:
        target = Path(new) / "modules"
        options = ["--no-deps", "--only-binary", ":all:", "--target", str(target)]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, pin],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1]
            pytest.fail(f"pip could not download {pin}: check the network ({last}).")
        target.rename(folder)
    return folder


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    others = tmp_path / "site-packages"
    others.mkdir()
    for entry in Path(sysconfig.get_path("platlib")).iterdir():
        if "pjsua2" not in entry.name:
            (others / entry.name).symlink_to(entry)
    folder = tmp_path / "installation"
    shutil.copytree(REPO / "campaigns", folder / "campaigns")
    made = Installation(folder, f"{pinned_wheel()}{os.pathsep}{others}{os.pathsep}{REPO}")
    done = made.acd("db", "upgrade", lines=4)
    assert done.returncode == 0, done.stderr
    return made


def test_doctor_names_the_calls_it_holds_and_how_to_get_more(installation: Installation) -> None:
    done = installation.acd("doctor", "--json", lines=30)

    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["pjsua2"]["max_calls"] == 4
    (row,) = [check for check in told["checks"] if check["name"] == "binding"]
    assert not row["ok"]
    assert "holds 4 calls" in row["detail"]
    assert "30 lines are configured" in row["detail"]
    assert "make setup builds a pjsua2 that holds 999 calls" in row["remedy"]


def test_more_lines_than_it_holds_end_the_engine_in_one_sentence(
    installation: Installation,
) -> None:
    done = installation.acd("run", "--until-finished", lines=30)

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "acd: 30 lines are configured, but this pjsua2 holds 4 calls at once; "
        "make setup builds one that holds 999"
    ]


def test_engine_runs_with_as_many_lines_as_it_holds(installation: Installation) -> None:
    done = installation.acd("run", "--until-finished", lines=4)

    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stderr.splitlines())
    (warning,) = [line for line in lines if line["action"] == "sip.small_binding"]
    assert warning["calls"] == 4
    assert warning["event"].endswith("few calls at once; make setup builds one that holds 999")


@pytest.mark.real
async def test_with_it_two_leads_are_dialed_and_handed_over(
    installation: Installation, tmp_path: Path
) -> None:
    with Carrier(tmp_path / "carrier", Addresses.free().carrier, handed_over()) as carrier:
        dialing = await dialing_installation(tmp_path, carrier, leads=2, lines=4)
        (dialing.folder / "bin" / "acd").write_text(installation.script())
        async with dialing.engine("acd run --until-finished") as engine:
            assert await engine.wait(timeout_seconds=60) == 0, engine.log()
        assert carrier.calls == 2
        assert len(carrier.received("REFER")) == 2
    assert "sip.small_binding" in engine.log()
    closed = [(row["disposition"], row["transfer_result"]) for row in dialing.rows("attempts")]
    assert closed == [("handed_over", "answered")] * 2


def test_the_lab_says_how_few_calls_it_holds(installation: Installation) -> None:
    # It ends with whoever holds its standard input, and nobody does.
    done = installation.acd("lab", "--port", "0", "--follow-stdin", lines=4)

    assert done.returncode == 0, done.stderr
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    (told,) = [line for line in logged if line["action"] == "lab.small_binding"]
    assert told["calls"] == 4
    assert "make setup builds one that holds 4096" in told["event"]
    assert logged[-1]["action"] == "lab.closed"
