"""A process that speaks `bench.marks`: one line of JSON at each mark, and it waits for ours."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from bench.processes import wait_ended
from bench.protocol import BenchError

Sampler = Callable[[int], None]
"""Called with the process's pid once a second."""

_SAMPLE_SECONDS = 1.0
_END_SECONDS = 30.0
_TOLD_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Child:
    """One that runs."""

    module: str
    pid: int
    _input: IO[bytes]
    _output: IO[bytes]
    _complaints: IO[bytes]

    def wait_mark(
        self, *, timeout_seconds: float, sample: Sampler | None = None
    ) -> dict[str, float]:
        """What it says at its next mark.

        Raises:
            BenchError: it ended or hung instead; with the end of what it complained of.
        """
        deadline = time.monotonic() + timeout_seconds
        while not select.select([self._output], [], [], _SAMPLE_SECONDS)[0]:
            if time.monotonic() > deadline:
                raise self.broken(f"said nothing for {timeout_seconds:.0f} s")
            if sample is not None:
                sample(self.pid)
        line = self._output.readline()
        if not line:
            raise self.broken("ended too early")
        told: dict[str, float] = json.loads(line)
        return told

    def go_on(self) -> None:
        """Let it pass its mark."""
        self._input.write(b"\n")
        self._input.flush()

    def broken(self, how: str) -> BenchError:
        self._complaints.seek(0)
        end = self._complaints.read().decode(errors="replace")[-_TOLD_CHARACTERS:]
        return BenchError(f"{self.module} {how}:\n{end}")


@contextmanager
def run_child(module: str, argument: str, *, prefix: Sequence[str] = ()) -> Iterator[Child]:
    """Run `python -m module argument`; leaving closes its stdin and waits until it has ended.

    Args:
        module: of this package.
        argument: its only one.
        prefix: a command in front, such as nsenter; it must end by exec, or the pid is not the
            Python process's.
    """
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", module, argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        with process:
            if process.stdin is None or process.stdout is None:
                raise BenchError(f"{module} has no pipes")
            child = Child(module, process.pid, process.stdin, process.stdout, complaints)
            try:
                yield child
                process.stdin.close()
                if not wait_ended(process.pid, _END_SECONDS):
                    raise child.broken(f"did not end within {_END_SECONDS:.0f} s")
            finally:
                # After its own end this does nothing; after a failure nobody waits for it.
                process.kill()
