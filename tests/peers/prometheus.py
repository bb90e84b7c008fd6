"""The real Prometheus on the repository's own configuration, scraping one engine, on loopback.

with running_prometheus(folder, target_port=9464) as prometheus:
    prometheus.query('acd_trunk_up')
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.peers.addresses import free_port

CONFIGURATION = Path(__file__).parents[2] / "dashboards" / "prometheus"
SCRAPE_SECONDS = 0.5
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Series:
    """One element of an instant vector."""

    labels: dict[str, str]
    value: float


@dataclass(slots=True)
class Prometheus:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    def query(self, expr: str, *, at: float | None = None) -> list[Series]:
        """The value of an expression at a moment (epoch seconds), by default now.

        Raises:
            AssertionError: Prometheus does not understand it; with its words.
        """
        moment = {} if at is None else {"time": f"{at:.3f}"}
        result = self.get("query", query=expr, **moment)
        if result["resultType"] == "scalar":
            return [Series({}, float(result["result"][1]))]
        return [Series(one["metric"], float(one["value"][1])) for one in result["result"]]

    def get(self, what: str, **parameters: str) -> Any:
        """Ask `/api/v1/WHAT`."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urlencode(parameters)}"
        try:
            with urlopen(url, timeout=10) as answer:  # our own server
                return json.load(answer)["data"]
        except HTTPError as error:
            with error:
                said = error.read().decode()
            raise AssertionError(f"{what} {parameters}: {said}") from None


@contextmanager
def running_prometheus(
    folder: Path, *, target_port: int, changes: Iterable[tuple[str, str, str]] = ()
) -> Iterator[Prometheus]:
    """Start it with `dashboards/prometheus`, faster and on this target; end it with the block.

    Args:
        folder: made here.
        target_port: the engine's.
        changes: file, what else it says, and what it shall say.
    """
    shutil.copytree(CONFIGURATION, folder)
    file = folder / "prometheus.yml"
    for name, old, new in (
        *changes,
        (file.name, "scrape_interval: 5s", f"scrape_interval: {SCRAPE_SECONDS * 1000:.0f}ms"),
        (file.name, "evaluation_interval: 15s", "evaluation_interval: 1s"),
        (file.name, "127.0.0.1:9464", f"127.0.0.1:{target_port}"),
    ):
        text = (folder / name).read_text()
        assert old in text, f"{name} no longer says {old}"
        (folder / name).write_text(text.replace(old, new))
    port = free_port()
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_ready(process, port, log)
        yield Prometheus(port, process)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5):  # our own
                return
        except OSError:
            # It can only be asked again.
            time.sleep(0.05)
    raise RuntimeError(f"Prometheus did not start:\n{log.read_text()}")
