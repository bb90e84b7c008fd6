"""Loopback networks of our own: test runs side by side must not answer each other."""

from __future__ import annotations

import itertools
import os
import socket
from dataclasses import dataclass
from typing import Self

_PER_RUN = 64
_THIRD_OCTETS = 250
_NETWORKS = 64 * _THIRD_OCTETS
_asked = itertools.count()
_held: list[socket.socket] = []


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of one call centre live, all in one 127.x.y network."""

    network: str

    @classmethod
    def free(cls) -> Self:
        """A network of this process's own in which nobody takes SIP.

        Other runs begin to look elsewhere, and whoever found it holds it until the process ends.
        """
        while True:
            number = (os.getpid() * _PER_RUN + next(_asked)) % _NETWORKS
            second, third = divmod(number, _THIRD_OCTETS)
            found = cls(f"127.{64 + second}.{1 + third}")
            if _hold(found.network) and not taken(found.pbx, 5060):
                return found

    @property
    def pbx(self) -> str:
        return f"{self.network}.1"

    @property
    def carrier(self) -> str:
        return f"{self.network}.2"

    @property
    def agent_101(self) -> str:
        return f"{self.network}.3"

    @property
    def agent_102(self) -> str:
        return f"{self.network}.4"

    @property
    def dialer(self) -> str:
        """acd, or the SIPp that plays it."""
        return f"{self.network}.5"


def _hold(network: str) -> bool:
    """Make a network this process's own; whether nobody has it."""
    # A name in Linux's abstract namespace goes with the process, however that ends.
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0acd-test-{network}")
    except OSError:
        mark.close()
        return False
    _held.append(mark)
    return True


def taken(address: str, port: int) -> bool:
    """Whether somebody holds this UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False


def free_port(host: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of `host` that nobody has at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
