"""`make setup` takes a fresh Debian 13 to a working .venv.

ACD_TEST_DEBIAN names other suites to try: ACD_TEST_DEBIAN="bookworm trixie".
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.integration.setup.debian_folder import (
    DebianFolder,
    DebianUnavailable,
    open_debian_folder,
)

pytestmark = pytest.mark.real

SUITES = os.environ.get("ACD_TEST_DEBIAN", "trixie").split()
MAX_CALLS = "import pjsua2; print(pjsua2.EpConfig().uaConfig.maxCalls)"


@dataclass(frozen=True)
class Debian(DebianFolder):
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
            yield Debian(folder.folder, folder.binds, took_seconds, compiled)
    except DebianUnavailable as exc:
        pytest.fail(str(exc))


def test_first_setup_needs_10_minutes_at_most(
    debian: Debian, record_property: Callable[[str, object], None]
) -> None:
    record_property("setup_seconds", debian.setup_seconds)
    record_property("pjsua2_compiled", debian.compiled)

    assert debian.setup_seconds < 600


def test_pjsua2_holds_a_thousand_calls(debian: Debian) -> None:
    done = debian.run(f".venv/bin/python -c '{MAX_CALLS}'", network=False)

    assert int(done.stdout) >= 1000


def test_acd_runs(debian: Debian) -> None:
    done = debian.run(".venv/bin/acd --version", network=False)

    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("acd")


def test_second_setup_needs_20_seconds_at_most_and_no_network(
    debian: Debian, record_property: Callable[[str, object], None]
) -> None:
    began = time.monotonic()
    done = debian.run("make setup", network=False)
    took_seconds = time.monotonic() - began
    record_property("second_setup_seconds", took_seconds)

    assert done.returncode == 0, done.stdout
    assert took_seconds < 20
