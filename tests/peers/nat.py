"""A network behind a NAT, made of two TUN devices and the translation between them.

    with run_nat() as nat:
        ...                               # bind servers to nat.server
        nat.inside("python", "-m", ...)   # a command whose process lives behind the NAT

The outer device belongs to the network that this process is in, the inner one to a namespace that
goes with the NAT's process. Only UDP passes. As in a router at home, a stranger's packet reaches
nobody: the way in is open for whoever was written to (a port-restricted cone, RFC 4787 5), and what
leaves has other ports than inside. No packet filter of the kernel is needed, only /dev/net/tun and
the right to make a network namespace.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dpkt  # type: ignore[import-untyped] # dpkt ships no types

from tests.peers.tunnels import LARGEST_PACKET, enter_new_network, ip, open_tunnel

INSIDE = "192.168.77.2"
_ROUTER = "192.168.77.1"
_FIRST_PORT = 40_000
_STDIN = 0


Place = tuple[bytes, int]
"""Packed address and port."""


@dataclass(frozen=True, slots=True)
class Nat:
    """A running NAT."""

    pid: int
    server: str
    """An address outside, for servers."""
    public: str
    """Where everybody inside seems to be."""

    def inside(self, *command: str) -> list[str]:
        """The command, so that it runs behind the NAT, where its own address is `INSIDE`."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *command]


@contextmanager
def run_nat() -> Iterator[Nat]:
    """A NAT with an inside of its own; both end with the block, or with this process."""
    third = os.getpid() % 250
    server, public = f"10.98.{third}.1", f"10.98.{third}.2"
    arguments = json.dumps({"server": server, "public": public, "device": f"acdnat{os.getpid()}"})
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.peers.nat", arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", "the NAT did not start"
        yield Nat(process.pid, server, public)
    finally:
        process.communicate()


class Translation:
    """Which place inside is which port outside, and whom it has written to."""

    def __init__(self, public: str) -> None:
        self._public = _packed(public)
        self._ports: dict[Place, int] = {}
        self._inside: dict[int, Place] = {}
        self._written: set[tuple[int, Place]] = set()

    def outwards(self, packet: bytes) -> bytes | None:
        """What leaves instead of it; None: nothing."""
        ip = _udp(packet)
        if ip is None:
            return None
        place = (bytes(ip.src), int(ip.data.sport))
        port = self._ports.setdefault(place, _FIRST_PORT + len(self._ports))
        self._inside[port] = place
        self._written.add((port, (bytes(ip.dst), int(ip.data.dport))))
        ip.src, ip.data.sport = self._public, port
        return _written_again(ip)

    def inwards(self, packet: bytes) -> bytes | None:
        """What arrives inside instead of it; None: nothing."""
        ip = _udp(packet)
        if ip is None:
            return None
        port = int(ip.data.dport)
        if (port, (bytes(ip.src), int(ip.data.sport))) not in self._written:
            return None
        ip.dst, ip.data.dport = self._inside[port]
        return _written_again(ip)


def _udp(packet: bytes) -> dpkt.ip.IP | None:
    """The kernel also looks for IPv6 routers there."""
    if packet[0] >> 4 != 4:
        return None
    ip = dpkt.ip.IP(packet)
    return ip if isinstance(ip.data, dpkt.udp.UDP) else None


def _written_again(ip: dpkt.ip.IP) -> bytes:
    """With checksums that fit; dpkt makes them where they are 0."""
    ip.sum = ip.data.sum = 0
    return bytes(ip)


def _packed(address: str) -> bytes:
    return bytes(int(part) for part in address.split("."))


def main(server: str, public: str, device: str) -> None:
    """Translate until stdin ends."""
    outer = open_tunnel(device, own=server, other=public)
    enter_new_network()
    inner = open_tunnel("inner", own=INSIDE, other=_ROUTER)
    ip("route", "add", "default", "via", _ROUTER)
    translation = Translation(public)
    print("ready", flush=True)
    while True:
        readable = select.select([inner, outer, _STDIN], [], [])[0]
        if _STDIN in readable and not os.read(_STDIN, 1):
            return
        if inner in readable:
            _pass_on(translation.outwards(os.read(inner, LARGEST_PACKET)), outer)
        if outer in readable:
            _pass_on(translation.inwards(os.read(outer, LARGEST_PACKET)), inner)


def _pass_on(packet: bytes | None, device: int) -> None:
    if packet is not None:
        os.write(device, packet)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
