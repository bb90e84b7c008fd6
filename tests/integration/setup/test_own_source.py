"""PJPROJECT_SOURCE: a pjproject of one's own becomes the same binding as Debian's.

It is compiled once for each recipe; then the wheel comes out of a cache of this test's own, so
that it takes no place among those of `make setup`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from acd.sip.binding import build
from tests.integration.setup.debian_folder import REPO, cache_folder
from tests.integration.setup.stub_machine import BASE_PYTHON

pytestmark = pytest.mark.real

BUILD_SECONDS = 900
"""Two minutes of CPU; it took 7.5 minutes on two cores with seven times as much to do."""
HOLDS = """
import pjsua2, pjsua2_limits
print(pjsua2.EpConfig().uaConfig.maxCalls, *sorted(pjsua2_limits.PATCHES))
"""


def test_ones_own_pjproject_becomes_the_same_binding(tmp_path: Path) -> None:
    source = tmp_path / "pjproject"
    source.mkdir()
    tarball = script("fetch-pjproject", ACD_CACHE_DIR=str(cache_folder()))
    unpack = ["tar", "--extract", "--strip-components=1", f"--file={tarball}"]
    subprocess.run([*unpack, f"--directory={source}"], check=True)
    store = cache_folder() / "own-source"
    wheel = Path(
        script("binding-wheel", PJPROJECT_SOURCE=str(source), ACD_CACHE_DIR=str(store)),
    )
    assert f"+acd.{build.recipe_digest(source)}-" in wheel.name
    assert build.recipe_digest(source) != build.recipe_digest(None)
    modules = tmp_path / "modules"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(modules)
    holds = subprocess.run(
        [sys.executable, "-c", HOLDS],
        env={**os.environ, "PYTHONPATH": str(modules)},
        check=True,
        capture_output=True,
        text=True,
    )
    patches = sorted(path.stem for path in build.PATCHES)
    assert holds.stdout.split() == ["4096", *patches]


def script(name: str, **environment: str) -> str:
    """What one of the scripts prints."""
    done = subprocess.run(
        [REPO / "scripts" / name],
        env={**os.environ, "PYTHON": str(BASE_PYTHON), **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.strip()
