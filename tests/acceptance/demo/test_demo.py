"""`acd demo` as a newcomer runs it, held against the PBX's own list of calls."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.demo.written import Written

pytestmark = pytest.mark.real

T = TypeVar("T")


class Demo(Written):
    """A running `acd demo` in a terminal's process group of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder)
        self._output = folder.with_suffix(".out")
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "acd", "demo", "--folder", str(folder), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait(self, timeout_seconds: float) -> int:
        return self.process.wait(timeout_seconds)

    def signal(self, number: int) -> None:
        """To the whole group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def wait_until(self, found: Callable[[], T], timeout_seconds: float = 40.0) -> T:
        deadline = time.monotonic() + timeout_seconds
        while not (seen := found()):
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return seen

    def wait_live_answers(self, count: int) -> None:
        """Until so many people have answered, by /metrics."""
        (address,) = self.wait_until(lambda: re.findall(r"metrics: (http\S+)", self.output))
        self.wait_until(lambda: scraped(address).get("acd_live_answers_total", 0) >= count)


def scraped(address: str) -> dict[str, float]:
    """Sums of every counter and gauge."""
    with urlopen(address, timeout=5) as page:  # noqa: S310 # our own address
        text = page.read().decode()
    sums: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not math.isnan(sample.value):  # nobody knows yet
                sums[sample.name] += int(sample.value)
    return dict(sums)


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Demo]:
    demo = Demo(folder, *options)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_small_demo_adds_up_and_the_pbx_says_the_same(tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"
    with running(
        tmp_path / "demo", "--leads", "40", "--agents", "8", "--picture", str(picture)
    ) as demo:
        assert demo.wait(150) == 0, demo.output
        assert not is_running(demo.lab_pid)

    assert demo.query("SELECT state, count(*) FROM leads GROUP BY state") == [("closed", 40)]
    demo.assert_rows_are_the_calls(leads=40)
    page = (demo.folder / "metrics.txt").read_text()
    assert sum_of(page, "acd_dispositions_total") == sum_of(page, "acd_originates_total") == 40
    for said in ("leads: closed 40", "attempts (40)", "abandoned: 0 (0.00%)", "acd.sqlite"):
        assert said in demo.output
    drawn = picture.read_text()
    assert "Dispositions" in drawn
    assert "https://" not in drawn.replace("https://www.textualize.io", ""), "it fetches nothing"


def sum_of(page: str, name: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name
    )


def test_ctrl_c_in_the_middle_ends_it_with_every_row_written(tmp_path: Path) -> None:
    with running(tmp_path / "demo", "--leads", "60", "--agents", "10") as demo:
        demo.wait_live_answers(3)
        lab_pid = demo.lab_pid
        assert is_running(lab_pid)
        demo.signal(signal.SIGINT)
        assert demo.wait(30) == 0, demo.output
        assert not is_running(lab_pid)

    assert "Traceback" not in demo.output
    assert_nothing_was_lost(demo, leads=60)
    report = subprocess.run(
        [sys.executable, "-m", "acd", "--config", str(demo.folder / "acd.toml"), "report", "demo"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert f"attempts ({len(demo.attempts())})" in report.stdout


def test_a_second_ctrl_c_ends_it_at_once_and_still_writes(tmp_path: Path) -> None:
    with running(tmp_path / "demo", "--leads", "60", "--agents", "10") as demo:
        demo.wait_live_answers(3)
        demo.signal(signal.SIGINT)
        log = demo.folder / "acd.log"
        demo.wait_until(lambda: '"demo.stopping"' in log.read_text())
        demo.signal(signal.SIGINT)
        assert demo.wait(20) == 0, demo.output

    assert_nothing_was_lost(demo, leads=60)


def assert_nothing_was_lost(demo: Demo, *, leads: int) -> None:
    """Every attempt is closed, no lead is still claimed, and the PBX saw the same calls."""
    attempts, calls = demo.attempts(), demo.lab_calls()
    assert 0 < len(attempts) < leads
    assert demo.query("SELECT state FROM campaigns") == [("stopped",)]
    assert all(disposition for disposition, _ in attempts.values())
    states = dict(demo.query("SELECT state, count(*) FROM leads GROUP BY state"))
    assert sum(states.values()) == leads
    assert "claimed" not in states
    # A row is committed before its INVITE leaves, so those of the last moment may never have left.
    unsent = attempts.keys() - calls.keys()
    assert calls.keys() <= attempts.keys()
    assert {attempts[number][0] for number in unsent} <= {"stopped", "unknown"}
    for number, call in calls.items():
        if call["agent"]:
            assert attempts[number][1] == call["agent"]


def test_the_pbx_ends_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    with running(tmp_path / "demo", "--leads", "20", "--agents", "4") as demo:
        demo.wait_live_answers(1)
        lab_pid = demo.lab_pid
        demo.process.kill()
        demo.process.wait()
        deadline = time.monotonic() + 15
        while is_running(lab_pid):
            assert time.monotonic() < deadline, "the lab outlives its demo"
            time.sleep(0.05)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    finished = subprocess.run(
        [sys.executable, "-m", "acd", "demo", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert finished.returncode == 2
    assert "is not empty" in finished.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]
