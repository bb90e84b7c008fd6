"""A real DNS server for tests, dnsmasq, that knows what it is told and nothing else.

with run_dns("127.64.1.9", "--host-record=one.pbx.test,127.64.1.1"):
    ...                               # ask 127.64.1.9
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

_START_SECONDS = 10
_ANYTHING = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04test\x00\x00\x01\x00\x01"


@contextmanager
def run_dns(address: str, *records: str) -> Iterator[None]:
    """Answers at port 53 of a loopback address; `records` are dnsmasq's own options."""
    program = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert program is not None, "There is no dnsmasq: run make test-servers."
    process = subprocess.Popen(
        [
            *(program, "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file"),
            *("--no-resolv", "--no-hosts", "--local=/test/", "--user=root"),
            *("--bind-interfaces", f"--listen-address={address}", *records),
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        _wait_answers(address, process)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_answers(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.1)
            try:
                asking.connect((address, 53))
                asking.send(_ANYTHING)
                asking.recv(512)
            except OSError:
                continue
            return
    raise AssertionError(f"dnsmasq does not answer at {address}")
