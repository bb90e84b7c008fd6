"""A PostgreSQL server of our own: a temporary folder, a free port on loopback, stopped by pid.

A missing server is a failure, never a skip: the program promises to work on it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.peers.addresses import free_port

START_SECONDS = 60.0


@dataclass(slots=True)
class PostgresServer:
    """A running server; every test takes a database of its own."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    command: list[str]
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"acd_{next(self._numbers)}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        return f"postgresql://acd@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """A fast shutdown (SIGINT): open connections are closed."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=30)

    def start_again(self) -> None:
        """The same data on the same port."""
        self.process = _process(self.command, self.port, self.log)

    def sql(self, database: str, statement: str) -> str:
        """Run one statement with psql."""
        address = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "acd", "-d", database)
        done = subprocess.run(
            ["psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", *address, "-c", statement],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server, stop it at the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="acd-postgres-"))
    try:
        as_user = _unprivileged(folder)
        data = folder / "data"
        _run([*as_user, _program("initdb"), "-D", str(data), "-U", "acd", "-A", "trust",
              "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])  # fmt: skip
        server = _start(as_user, data, folder)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(as_user: list[str], data: Path, folder: Path) -> PostgresServer:
    port = free_port()
    log = folder / "server.log"
    command = [
        *as_user, _program("postgres"), "-D", str(data), "-p", str(port),
        "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}",
        # Nothing here has to survive a power cut.
        "-c", "fsync=off", "-c", "max_connections=50",
    ]  # fmt: skip
    return PostgresServer(port=port, process=_process(command, port, log), log=log, command=command)


def _process(command: list[str], port: int, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + START_SECONDS
    ready = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
        time.sleep(0.05)
    return process


def _unprivileged(folder: Path) -> list[str]:
    """How to start a program that refuses to run as root; the folder becomes its own."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _program(name: str) -> str:
    """A server program: on the path, or where Debian keeps it."""
    found = shutil.which(name)
    if found:
        return found
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / name).exists():
            return str(folder / name)
    raise RuntimeError(f"{name} is missing: apt-get install postgresql")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[-1]} failed:\n{done.stdout}\n{done.stderr}")
