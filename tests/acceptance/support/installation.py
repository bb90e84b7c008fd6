"""A fresh installation in a temporary folder, and the program in it as a subprocess.

    installation = await Installation.ready(tmp_path, pbx="127.41.1.1")
    async with installation.engine("acd run") as engine:
        await engine.wait_metric("acd_originates_total", 1, campaign="sample")
        await engine.end()

People edit `acd.toml` and the campaign in an editor; here `edit` does, key by key, and a key
that the example does not have is an error, so that an example that lost one is noticed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import trio
from prometheus_client.parser import text_string_to_metric_families

from tests.peers import phones
from tests.peers.addresses import free_port
from tests.peers.asterisk import DIALER, DIALER_PASSWORD

REPOSITORY = Path(__file__).parents[3]
START_SECONDS = 120
"""Longest that the program takes to start: loading its modules alone is more than a second of CPU,
for which it waited half a minute on a machine with ten times as much to do as it has cores."""
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended."""

    line: str
    exit_code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"$ {self.line}\n{self.stdout}{self.stderr}exit code {self.exit_code}"


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder with what a clone has, and a shell whose `acd` is this repository's."""

    folder: Path
    metrics_port: int

    @classmethod
    def fresh(cls, folder: Path) -> Installation:
        """What stands there before anybody has edited anything."""
        shutil.copy(REPOSITORY / "acd.example.toml", folder)
        shutil.copytree(REPOSITORY / "campaigns", folder / "campaigns")
        command = folder / "bin" / "acd"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m acd "$@"\n')
        command.chmod(0o755)
        return cls(folder, free_port())

    @classmethod
    async def ready(
        cls,
        folder: Path,
        *,
        pbx: str,
        password: str = DIALER_PASSWORD,
        agent: str = "101",
        number: str = phones.ANSWERS,
    ) -> Installation:
        """A settled installation whose sample campaign is started, its one lead imported."""
        installation = cls.fresh(folder)
        shutil.copy(folder / "acd.example.toml", folder / "acd.toml")
        installation.settle(pbx=pbx, password=password)
        installation.prepare_sample(agent=agent, number=number)
        await installation.succeed(
            "acd leads import sample campaigns/sample/leads.csv", "acd campaign start sample"
        )
        return installation

    def settle(self, *, pbx: str, password: str = DIALER_PASSWORD) -> None:
        """Edit the six keys that the README names, and /metrics' port, for others run beside us."""
        (self.folder / "dialer.password").write_text(password + "\n")
        (self.folder / "dialer.password").chmod(0o600)
        six = {
            "domain": f'"{pbx}"',
            "user": f'"{DIALER}"',
            "password_file": '"dialer.password"',
            "lines": "2",
            "calls_per_second": "5.0",
            "default_region": '"DE"',
        }
        edit(self.folder / "acd.toml", six)
        with (self.folder / "acd.toml").open("a") as settings:
            settings.write(f"\n[metrics]\nport = {self.metrics_port}\n")

    def prepare_sample(self, *, agent: str = "101", number: str = phones.ANSWERS) -> None:
        """Give the sample campaign one agent, one lead, a caller ID and round-the-clock hours."""
        sample = self.folder / "campaigns" / "sample"
        always = dict.fromkeys(DAYS, '["00:00-24:00"]')
        edit(sample / "campaign.toml", {"extensions": f'["{agent}"]', "holidays": "[]", **always})
        uncomment(sample / "campaign.toml", "[caller_id]", f'number = "{phones.CALLER}"')
        header, first = (sample / "leads.csv").read_text(encoding="utf-8").splitlines()[:2]
        lead = first.replace("030/23125 001", number)
        assert number == phones.ANSWERS or lead != first, "the sample's first lead has changed"
        (sample / "leads.csv").write_text(f"{header}\n{lead}\n", encoding="utf-8")

    async def command(self, line: str, *, timeout_seconds: float = 60) -> Finished:
        """Run one line in a shell, as a person would type it."""
        with trio.fail_after(timeout_seconds):
            done = await trio.run_process(
                ["bash", "-c", line],
                cwd=self.folder,
                env=self.environment,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        return Finished(line, done.returncode, done.stdout.decode(), done.stderr.decode())

    async def succeed(self, *lines: str) -> list[Finished]:
        """Run lines one after another; each must exit with 0."""
        finished = []
        for line in lines:
            finished.append(await self.command(line))
            assert finished[-1].exit_code == 0, str(finished[-1])
        return finished

    @asynccontextmanager
    async def engine(self, line: str = "acd run") -> AsyncIterator[Engine]:
        """The engine in the background; ended by its pid if the block leaves it running."""
        log_path = self.folder / "engine.log"
        with log_path.open("wb") as log:
            process = await trio.lowlevel.open_process(
                # exec: the pid is the engine's own, not a shell's.
                ["bash", "-c", f"exec {line}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Engine(process, log_path, self.metrics_port)
        finally:
            with trio.CancelScope(shield=True):
                if process.poll() is None:
                    process.kill()
                await process.wait()

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(
                [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        }

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Everything in one table of the installation's database."""
        with sqlite3.connect(self.folder / "acd.sqlite") as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(f"SELECT * FROM {table}")]  # noqa: S608 # ours


@dataclass(slots=True)
class Engine:
    """`acd run` as a process."""

    process: trio.Process
    log_path: Path
    metrics_port: int
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)
    """What /metrics said when it was last read."""

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def logged(self, action: str) -> list[dict[str, Any]]:
        """The log's lines of one `action`; the last line may still be half written."""
        return [
            json.loads(line)
            for line in self.log().splitlines()
            if f'"action": "{action}"' in line and line.endswith("}")
        ]

    def metric(self, name: str, **labels: str) -> float:
        """One series as it was last read."""
        return self.samples[name, frozenset(labels.items())]

    async def read_metrics(self) -> None:
        """Read /metrics now."""
        text = await trio.to_thread.run_sync(self._scrape)
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def wait_serving(self) -> None:
        """Wait until the program itself has started, whatever else it still waits for."""
        with trio.move_on_after(START_SECONDS):
            while self.process.poll() is None:
                try:
                    await self.read_metrics()
                except OSError:
                    await trio.sleep(0.1)  # nobody tells when a port will be there
                else:
                    return
        raise AssertionError(f"the engine never served /metrics; it says:\n{self.log()}")

    async def wait_metric(
        self, name: str, value: float, *, timeout_seconds: float = 30, **labels: str
    ) -> None:
        """Wait until a series has a value, as Prometheus would see it.

        The time counts from when the program has started.
        """
        if not self.samples:
            await self.wait_serving()
        with trio.move_on_after(timeout_seconds):
            while self.process.poll() is None:
                try:
                    await self.read_metrics()
                except OSError:
                    pass  # not serving any more
                else:
                    if self.samples.get((name, frozenset(labels.items()))) == value:
                        return
                # Prometheus can only ask again, and so can we.
                await trio.sleep(0.1)
        raise AssertionError(f"{name}{labels} never was {value}; the engine says:\n{self.log()}")

    async def end(self, *, timeout_seconds: float = 60) -> int:
        """SIGTERM, as systemd would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.wait(timeout_seconds=timeout_seconds)

    async def wait(self, *, timeout_seconds: float = 60) -> int:
        """Wait until it has ended by itself; its exit code."""
        with trio.move_on_after(timeout_seconds):
            return await self.process.wait()
        raise AssertionError(f"the engine still runs after {timeout_seconds} s:\n{self.log()}")

    def _scrape(self) -> str:
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())


def edit(path: Path, keys: Mapping[str, str]) -> None:
    """Give keys of a TOML file other values; comments behind them stay."""
    text = path.read_text(encoding="utf-8")
    for key, value in keys.items():
        pattern = rf'(?m)^{key} = (\[[^\]]*\]|"[^"]*"|[^\s#]+)'
        text, count = re.subn(pattern, lambda _: f"{key} = {value}", text)  # noqa: B023 # called at once
        assert count == 1, f"{path.name} sets {key} {count} times"
    path.write_text(text, encoding="utf-8")


def uncomment(path: Path, *lines: str) -> None:
    """Bring commented lines of a TOML file to life; each replaces the one with the same start."""
    text = path.read_text(encoding="utf-8")
    for line in lines:
        start = re.escape(line.split("=")[0])
        text, count = re.subn(rf"(?m)^# {start}.*$", lambda _: line, text)  # noqa: B023 # as above
        assert count == 1, f"{path.name} has {count} commented lines like {line}"
    path.write_text(text, encoding="utf-8")
