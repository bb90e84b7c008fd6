"""A text file of bounded size that only its owner may read: logs, and the SIP trace.

`acd.log` is written; when it is full it becomes `acd.log.1`, that one `acd.log.2`, and so on; the
oldest is deleted.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from acd.errors import BadSettings

_OWNER_ONLY = 0o600


def megabytes(number: float) -> int:
    """Bytes of so many megabytes (10^6)."""
    return int(number * 1_000_000)


class RotatingFile:
    """Open from construction to `close`; any thread may write."""

    def __init__(self, path: Path, *, most_bytes: int, old_files: int) -> None:
        """Open the file, behind whatever stands in it.

        Args:
            path: of the newest file.
            most_bytes: of one file; a single longer line has a file to itself.
            old_files: how many full ones are kept besides.

        Raises:
            BadSettings: it cannot be written.
        """
        self.path = path
        self._most_bytes = most_bytes
        self._old_files = old_files
        self._lock = threading.Lock()
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise BadSettings(
                f"{path} cannot be written: {error.strerror}; name another file"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, line: str) -> None:
        """Add one line.

        Raises:
            OSError: the disk is full, or the file is closed.
        """
        data = line.encode(errors="replace") + b"\n"
        with self._lock:
            size = os.fstat(self._descriptor).st_size
            if size and size + len(data) > self._most_bytes:
                self._rotate()
            os.write(self._descriptor, data)

    def close(self) -> None:
        """Write no more; twice is as good as once."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)

    def _rotate(self) -> None:
        for number in range(self._old_files, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        if not self._old_files:
            self.path.unlink()
        fresh = self._open()
        os.close(self._descriptor)
        self._descriptor = fresh

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, _OWNER_ONLY)
        os.fchmod(descriptor, _OWNER_ONLY)
        return descriptor

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path
