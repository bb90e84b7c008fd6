"""Start SIPp on a loopback address, know when it listens, read what it counted, end it by pid.

    with Sipp.uas(Path("answers.xml"), Bind("127.3.0.2", 5060), calls=1) as pbx:
        ...                       # dial 127.3.0.2:5060
        assert pbx.wait(10).successful == 1

Everything here blocks for milliseconds at most, except `wait`: a trio test calls
`await trio.to_thread.run_sync(pbx.wait, 10)`.
"""

from __future__ import annotations

import csv
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.addresses import free_port


class SippError(Exception):
    """SIPp did not start, did not end, or ended with something else than success."""


@dataclass(frozen=True, slots=True)
class Bind:
    """Where SIPp listens; port 0 takes a free one (read it back from `Sipp.bind`)."""

    host: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SippCounts:
    """The last row of SIPp's statistics."""

    created: int
    successful: int
    failed: int
    retransmissions: int


@dataclass(slots=True)
class Sipp:
    """One SIPp process; a context manager."""

    scenario: Path
    bind: Bind
    remote: Bind | None = None
    """None: SIPp waits for calls (uas); set: it places them there (uac)."""
    calls: int | None = None
    """SIPp ends by itself after this many calls."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """`[name]` in the scenario is replaced by the value."""
    inf: Path | None = None
    """CSV whose columns are `[field0]`, `[field1]`, ... in the scenario."""
    rate_per_second: float = 10.0
    limit: int | None = None
    """Most calls at once (uac)."""
    transport: str = "u1"
    """SIPp's -t: u1 for UDP, t1 for TCP with one socket, tn for one a call."""
    trace_messages: bool = False
    """Write every message to `messages_file`."""
    extra: Sequence[str] = ()
    """Further SIPp arguments as they are."""
    folder: Path | None = None
    """Where its files go; None: a temporary folder that ends with it."""
    _process: subprocess.Popen[bytes] | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def uas(cls, scenario: Path, bind: Bind, **options: object) -> Self:
        """A peer that takes calls."""
        return cls(scenario, bind, **options)  # type: ignore[arg-type] # options are the fields

    @classmethod
    def uac(cls, scenario: Path, bind: Bind, remote: Bind, **options: object) -> Self:
        """A peer that places calls to `remote`."""
        return cls(scenario, bind, remote, **options)  # type: ignore[arg-type] # as above

    @property
    def messages_file(self) -> Path:
        return self._folder / "messages.log"

    @property
    def log_file(self) -> Path:
        """What `<log message="..."/>` in the scenario wrote."""
        return self._folder / "actions.log"

    @property
    def errors_file(self) -> Path:
        return self._folder / "errors.log"

    @property
    def pid(self) -> int:
        return self._running.pid

    def start(self) -> Self:
        try:
            return self._start()
        except BaseException:  # Ctrl-C too: nobody else could end what was started
            self.stop()
            self._stack.close()
            raise

    def _start(self) -> Self:
        if self.folder is None:
            self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory("-sipp")))
        if self.bind.port == 0:
            self.bind = Bind(self.bind.host, free_port(self.bind.host, self._socket_kind))
        output = self._stack.enter_context((self.folder / "screen.log").open("wb"))
        self._process = subprocess.Popen(
            self._arguments(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
        )
        self._wait_listening()
        return self

    def wait(self, timeout_seconds: float = 30.0) -> SippCounts:
        """Wait until SIPp ended by itself (its `calls` are done), and return its counts."""
        try:
            self._running.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise SippError(f"SIPp at {self.bind} still runs after {timeout_seconds} s") from None
        return self.counts()

    def counts(self) -> SippCounts:
        """What SIPp counted; complete once it has ended, else at most a second old."""
        with (self._folder / "stats.csv").open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
        if not rows:
            return SippCounts(0, 0, 0, 0)
        last = rows[-1]
        return SippCounts(
            created=int(last["TotalCallCreated"]),
            successful=int(last["SuccessfulCall(C)"]),
            failed=int(last["FailedCall(C)"]),
            retransmissions=int(last["Retransmissions(C)"]),
        )

    def stop(self, *, grace_seconds: float = 1.0) -> None:
        """End it: the calls that are left are aborted; after `grace_seconds` it is killed."""
        process = self._process
        if process is not None and process.poll() is None:
            # SIPp: one SIGUSR1 stops new calls, a second one aborts those that are left.
            for _ in range(2):
                process.send_signal(signal.SIGUSR1)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
            try:
                process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._stack.close()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise SippError("SIPp was not started")
        return self._process

    @property
    def _folder(self) -> Path:
        if self.folder is None:
            raise SippError("SIPp was not started")
        return self.folder

    @property
    def _socket_kind(self) -> socket.SocketKind:
        return socket.SOCK_DGRAM if self.transport.startswith("u") else socket.SOCK_STREAM

    def _arguments(self) -> list[str]:
        host, port = self.bind.host, str(self.bind.port)
        arguments = ["sipp", *([str(self.remote)] if self.remote else [])]
        arguments += ["-sf", str(self.scenario), "-t", self.transport]
        arguments += ["-i", host, "-p", port, "-bind_local", "-mi", host, "-ci", host]
        arguments += ["-nostdin", "-trace_stat", "-stf", str(self._folder / "stats.csv")]
        arguments += ["-fd", "1", "-trace_err", "-error_file", str(self.errors_file)]
        arguments += ["-trace_logs", "-log_file", str(self.log_file)]
        if self.trace_messages:
            arguments += ["-trace_msg", "-message_file", str(self.messages_file)]
        if self.calls is not None:
            arguments += ["-m", str(self.calls)]
        if self.remote is not None:
            arguments += ["-r", str(self.rate_per_second)]
            arguments += ["-l", str(self.limit)] if self.limit is not None else []
        if self.inf is not None:
            arguments += ["-inf", str(self.inf)]
        for name, value in self.keys.items():
            arguments += ["-key", name, value]
        return [*arguments, *self.extra]

    def _wait_listening(self, timeout_seconds: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not _bound(self.bind, self._socket_kind):
            # A uac with few calls may be done before we looked.
            if self._running.poll() is not None:
                if self._running.returncode == 0 and self.remote is not None:
                    return
                raise SippError(f"SIPp at {self.bind} ended at once: {self._screen()}")
            if time.monotonic() > deadline:
                raise SippError(f"SIPp does not listen at {self.bind}: {self._screen()}")
            time.sleep(0.005)

    def _screen(self) -> str:
        files = (self._folder / "screen.log", self.errors_file)
        return "\n".join(f.read_text(errors="replace")[-800:] for f in files if f.exists())


def _bound(bind: Bind, kind: socket.SocketKind) -> bool:
    """Whether some process holds this address, read from the kernel's socket tables."""
    table = "udp" if kind is socket.SOCK_DGRAM else "tcp"
    packed = socket.inet_aton(bind.host)[::-1].hex().upper()
    local = f"{packed}:{bind.port:04X}"
    lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    return any(line.split()[1] == local for line in lines)
