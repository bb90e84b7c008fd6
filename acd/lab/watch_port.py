"""The UDP port at which the lab tells what its agents' phones do; read by the lab's own loop."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Self

from acd.errors import AddressInUse
from acd.lab.agents import AgentDesk
from acd.lab.datagrams import Address
from acd.lab.digest import DigestDoor
from acd.lab.notifier import Notifier
from acd.lab.timetable import Timetable

_MOST_BYTES = 65_535


class WatchPort:
    """A socket that never waits, and the notifier behind it; the clock is `time.monotonic`."""

    def __init__(self, sock: socket.socket, notifier: Notifier) -> None:
        self._sock = sock
        self._notifier = notifier

    @classmethod
    def open(
        cls, address: Address, *, desk: AgentDesk, door: DigestDoor, timetable: Timetable
    ) -> Self:
        """Listen.

        Args:
            address: port 0 takes any free one.
            desk: whose phones are told of.
            door: who may subscribe.
            timetable: whoever has it runs what is due.

        Raises:
            AddressInUse: the port is somebody else's.
        """
        host, port = address
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.bind((host, port))
        except OSError as error:
            sock.close()
            raise AddressInUse(
                f"the lab cannot tell of its agents on {host}:{port}: {error.strerror}; "
                "choose another --watch-port"
            ) from error

        def send(data: bytes, there: Address) -> None:
            # A full buffer or a subscriber who is gone: what matters is sent again.
            with suppress(OSError):
                sock.sendto(data, there)

        notifier = Notifier(
            desk=desk,
            door=door,
            timetable=timetable,
            clock=time.monotonic,
            send=send,
            address=sock.getsockname(),
        )
        return cls(sock, notifier)

    @property
    def address(self) -> str:
        """host:port that it listens on."""
        host, port = self._sock.getsockname()
        return f"{host}:{port}"

    def read(self) -> None:
        """Take whatever has come."""
        while True:
            try:
                data, source = self._sock.recvfrom(_MOST_BYTES)
            except BlockingIOError:
                return
            self._notifier.received(data, source)

    def close(self) -> None:
        """Tell the subscribers, and stop listening."""
        self._notifier.close()
        self._sock.close()
