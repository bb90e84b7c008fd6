"""`acd lab` as a process of the demo's: started, waited for, ended with it.

Its stdin is ours, so it also ends when the demo is killed. It has a session of its own: Ctrl-C
in the terminal must reach the engine alone, which still needs its PBX while it stops.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from acd.errors import AcdError

START_SECONDS = 30.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabAddresses:
    """Where a lab listens, as host:port."""

    domain: str
    """For calls."""
    watch: str
    """For those who want to know what its agents' phones do."""


class LabFailed(AcdError):
    """The demo's PBX did not start, or ended by itself."""


@asynccontextmanager
async def open_lab(options: Sequence[str], *, log: Path) -> AsyncIterator[LabAddresses]:
    """Run a lab while the block lasts.

    Args:
        options: of `acd lab`.
        log: gets its log lines.

    Raises:
        LabFailed: with its last words.
    """
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "acd", "lab", "--follow-stdin", *options],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    async with trio.open_nursery() as nursery:
        reader = _LogReader(process, log)
        nursery.start_soon(reader.read)
        try:
            yield await reader.wait_ready()
        finally:
            with trio.CancelScope(shield=True):
                reader.ending = True
                await _end(process)
            nursery.cancel_scope.cancel()


async def _end(process: trio.Process) -> None:
    if process.stdin is not None:
        await process.stdin.aclose()
    with trio.move_on_after(STOP_SECONDS):
        await process.wait()
        return
    process.kill()
    await process.wait()


class _LogReader:
    """Copies the lab's log into a file, and knows when it is ready."""

    def __init__(self, process: trio.Process, log: Path) -> None:
        self.ending = False
        self._process = process
        self._log = log
        self._addresses: LabAddresses | None = None
        self._known = trio.Event()

    async def read(self) -> None:
        """Until the lab ends.

        Raises:
            LabFailed: nobody had asked it to.
        """
        stderr = self._process.stderr
        if stderr is None:
            raise AssertionError("the lab was started without a pipe")
        with self._log.open("wb") as file:
            rest = b""
            async for chunk in stderr:
                file.write(chunk)
                file.flush()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._look(line)
        if not self.ending:
            lines = self._log.read_bytes().splitlines()
            last = lines[-1].decode(errors="replace") if lines else "it said nothing"
            raise LabFailed(f"the demo's PBX (acd lab) ended: {last}; see {self._log}")

    async def wait_ready(self) -> LabAddresses:
        """Where it listens, once it does."""
        with trio.move_on_after(START_SECONDS):
            await self._known.wait()
        if self._addresses is not None:
            return self._addresses
        raise LabFailed(f"the demo's PBX (acd lab) did not start within {START_SECONDS:.0f} s")

    def _look(self, line: bytes) -> None:
        if b'"lab.ready"' in line:
            ready = json.loads(line)
            self._addresses = LabAddresses(domain=ready["domain"], watch=ready["watch"])
            self._known.set()
