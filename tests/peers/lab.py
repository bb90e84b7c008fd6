"""Start `acd lab`, know when it listens, read its records, end it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers.sipp.runner import Bind


class LabError(Exception):
    """The lab did not start or did not end."""


@dataclass(slots=True)
class Lab:
    """One lab process; a context manager."""

    host: str
    folder: Path
    options: Sequence[str] = ()
    program: Sequence[str | Path] = (sys.executable, "-m", "acd")
    environment: Mapping[str, str] = field(default_factory=dict)
    bind: Bind = field(init=False)
    watch: Bind = field(init=False)
    """Where it tells what its agents' phones do."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def records_file(self) -> Path:
        return self.folder / "records.jsonl"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def records(self, kind: str) -> list[dict[str, Any]]:
        """What it wrote up to now: `call` or `talk`."""
        lines = self.records_file.read_text().splitlines()
        return [record for line in lines if (record := json.loads(line))["kind"] == kind]

    def stop(self) -> list[dict[str, Any]]:
        """End it by closing its stdin; the lines that it logged."""
        process = self._process
        assert process is not None
        try:
            _, logged = process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise LabError("the lab did not end within 15 s") from None
        self._process = None
        if process.returncode != 0:
            raise LabError(f"the lab ended with {process.returncode}: {logged.decode()[-3000:]}")
        return [json.loads(line) for line in logged.decode().splitlines()]

    def __enter__(self) -> Self:
        command = [*self.program, "lab", "--address", self.host, "--port", "0"]
        command += ["--record", str(self.records_file), "--follow-stdin", *self.options]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
        )
        try:
            ready = self._wait_ready()
        except BaseException:  # Ctrl-C too: without __enter__ there is no __exit__ to end it
            self._process.kill()
            self._process.communicate()
            raise
        self.bind, self.watch = _bind(ready["domain"]), _bind(ready["watch"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.stop()

    def _wait_ready(self, timeout_seconds: float = 20.0) -> dict[str, str]:
        assert self._process is not None
        stderr = self._process.stderr
        assert stderr is not None
        seen = b""
        while select.select([stderr], [], [], timeout_seconds)[0]:
            line = stderr.readline()
            seen += line
            if not line:
                break
            if b'"lab.ready"' in line:
                ready: dict[str, str] = json.loads(line)
                return ready
        raise LabError(f"the lab did not start: {seen.decode()[-3000:]}")


def _bind(text: str) -> Bind:
    host, _, port = text.partition(":")
    return Bind(host, int(port))
