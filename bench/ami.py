"""As much of Asterisk's manager interface as starting calls takes; blocking."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType

from bench.protocol import BenchError

_TIMEOUT_SECONDS = 10.0


class Manager(AbstractContextManager["Manager"]):
    """A login; its events are off, so that every packet read answers an action."""

    def __init__(self, address: tuple[str, int], *, user: str, secret: str) -> None:
        self._socket = socket.create_connection(address, timeout=_TIMEOUT_SECONDS)
        self._lines = self._socket.makefile("rb")
        self._lines.readline()  # the greeting
        self.send("Login", {"Username": user, "Secret": secret, "Events": "off"})
        self.expect_success(1)

    def send(self, action: str, fields: Mapping[str, str]) -> None:
        """Do not wait for the answer: `expect_success` reads them all."""
        lines: Sequence[str] = [f"Action: {action}", *(f"{k}: {v}" for k, v in fields.items())]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def expect_success(self, answers: int) -> None:
        """Read this many answers.

        Raises:
            BenchError: one of them is no success.
        """
        for _ in range(answers):
            answer = self._packet()
            if answer.get("Response") != "Success":
                raise BenchError(f"Asterisk's manager said {answer.get('Message', answer)}")

    def _packet(self) -> dict[str, str]:
        packet: dict[str, str] = {}
        while line := self._lines.readline().decode().strip():
            name, _, value = line.partition(":")
            packet[name] = value.strip()
        return packet

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._socket.close()
