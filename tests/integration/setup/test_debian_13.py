"""`make setup` takes a fresh Debian 13 to a working .venv, in which the README's lines dial.

ACD_TEST_DEBIAN names other suites to try: ACD_TEST_DEBIAN="bookworm trixie".
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.acceptance.support.installation import Installation, edit, uncomment
from tests.acceptance.support.readme import TAKEN_AS_DONE, your_pbx_lines
from tests.integration.setup.debian_folder import (
    DebianFolder,
    DebianUnavailable,
    open_debian_folder,
)
from tests.peers.addresses import Addresses, free_port

pytestmark = pytest.mark.real

SUITES = os.environ.get("ACD_TEST_DEBIAN", "trixie").split()
MAX_CALLS = "import pjsua2; print(pjsua2.EpConfig().uaConfig.maxCalls)"

PASSWORD = "lab-only"
LAB = """
.venv/bin/acd lab --address {address} --port 5060 --user dialer --password {password} \\
    --agents 3 --first-extension 201 --ring 0.1-0.2 --agent-answer 0.1-0.2 --talk 0.2-0.4 \\
    >lab.log 2>&1 &
until grep -q lab.ready lab.log; do sleep 0.1; done
"""
"""A PBX; it ends with the namespace that it runs in."""
ANNA = """
set -eu
apt-get -qq install --yes --no-install-recommends sudo >/dev/null
useradd --create-home --shell /bin/bash anna
echo 'anna ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/anna
mkdir /home/anna/acd /home/anna/cache
tar --create --exclude=.venv -C /root/acd . | tar --extract -C /home/anna/acd
cp -r /root/.cache/acd/wheels /home/anna/cache
chown -R anna: /home/anna
dpkg --force-depends --remove swig
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts /dev/pts
ln -sf pts/ptmx /dev/ptmx
script -qec "su anna -c 'cd /home/anna/acd && ACD_CACHE_DIR=/home/anna/cache make setup'" /dev/null
command -v swig
su anna -c '/home/anna/acd/.venv/bin/acd --version'
"""


@dataclass(frozen=True)
class Debian(DebianFolder):
    output: str
    """Of the first `make setup`."""
    setup_seconds: float
    compiled: bool
    """False: the wheel of an earlier test was still in the folder's cache."""


@pytest.fixture(scope="module", params=SUITES)
def debian(request: pytest.FixtureRequest) -> Iterator[Debian]:
    """Lay out a Debian where `make setup` has run once."""
    try:
        with open_debian_folder(request.param) as folder:
            wheels = "ls -t /root/.cache/acd/wheels/*.whl | head -n 1"
            before = folder.run(wheels).stdout
            began = time.monotonic()
            done = folder.run("make setup", timeout_seconds=1200)
            took_seconds = time.monotonic() - began
            assert done.returncode == 0, done.stdout
            compiled = folder.run(wheels).stdout != before
            yield Debian(folder.folder, folder.binds, done.stdout, took_seconds, compiled)
    except DebianUnavailable as exc:
        pytest.fail(str(exc))


def test_first_setup_needs_10_minutes_at_most(
    debian: Debian, record_property: Callable[[str, object], None]
) -> None:
    record_property("setup_seconds", debian.setup_seconds)
    record_property("pjsua2_compiled", debian.compiled)

    assert debian.setup_seconds < 600


def test_first_setup_tells_its_steps_and_how_far_they_are(debian: Debian) -> None:
    for number in range(1, 5):
        assert re.search(rf"(?m)^\[{number}/4\] .* \.\.\.$", debian.output), debian.output
        assert re.search(rf"(?m)^\[{number}/4\] .*: done, \d+ s$", debian.output), debian.output
    assert re.search(r"(?m)^\[\d/4\] .*: \d+ s so far$", debian.output), debian.output


def test_pjsua2_holds_a_thousand_calls(debian: Debian) -> None:
    done = debian.run(f".venv/bin/python -c '{MAX_CALLS}'", network=False)

    assert int(done.stdout) >= 1000


def test_acd_runs(debian: Debian) -> None:
    done = debian.run(".venv/bin/acd --version", network=False)

    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("acd")


def test_the_demo_hands_people_over(debian: Debian) -> None:
    done = debian.run(
        ".venv/bin/acd demo --leads 20 --agents 5 --folder /root/demo >demo.log 2>&1;"
        " cat demo.log >&2; .venv/bin/acd --config /root/demo/acd.toml report demo --json",
        timeout_seconds=240,
    )

    assert handed_over(done.stdout) > 0


def test_the_readmes_lines_hand_a_lead_over(debian: Debian) -> None:
    clone = Installation(debian.folder / "root/acd", free_port())
    address = Addresses.free().pbx
    copy, *others = your_pbx_lines()
    assert debian.run(copy).returncode == 0
    clone.settle(pbx=f"{address}:5060", password=PASSWORD)
    # The lab, unlike a PBX, has no registrar.
    uncomment(clone.folder / "acd.toml", "register = false")
    clone.prepare_sample(agent="201", number="030/23125 000")
    edit(clone.folder / "campaigns/sample/campaign.toml", {"handle_seconds": "1"})
    lines = [*TAKEN_AS_DONE, LAB.format(address=address, password=PASSWORD), *others]
    script = "\n".join(["set -e", *lines, "acd report sample --json"])
    done = debian.run(script, timeout_seconds=240)

    assert done.returncode == 0, done.stdout
    assert handed_over(done.stdout) == 1


def handed_over(output: str) -> int:
    """By the report in JSON at the end of what was printed."""
    report = json.loads(output[output.rindex("\n{") :])
    return int(report["dispositions"].get("handed_over", 0))


def test_second_setup_needs_20_seconds_at_most_and_no_network(
    debian: Debian, record_property: Callable[[str, object], None]
) -> None:
    began = time.monotonic()
    done = debian.run("make setup", network=False)
    took_seconds = time.monotonic() - began
    record_property("second_setup_seconds", took_seconds)

    assert done.returncode == 0, done.stdout
    assert took_seconds < 20


def test_a_user_with_sudo_sets_up_too(debian: Debian) -> None:
    done = debian.run(ANNA, timeout_seconds=600)

    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("acd"), done.stdout
