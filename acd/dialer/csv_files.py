"""Writing CSV files for people: whole or not at all, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from acd.errors import BadInput, Problem

_FORMULA = re.compile(r"(^|[;,|\t\r\n])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|\A[\t\r])")
_SIGNS = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20\t\r]")
"""Without one of them no cell is a formula: asked first, it halves the time of a million rows."""


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula; `read_number` strips the sign again.

    OWASP, CSV Injection: cells that begin with = + - @, their full-width twins, tab or carriage
    return. A spreadsheet that splits at another separator than we write begins a cell in the
    middle of ours, so what follows any separator or line end is a beginning as well.
    """
    cell = "" if value is None else str(value)
    return _FORMULA.sub(r"\1'", cell) if _SIGNS.search(cell) else cell


class CsvPart:
    """A file on its way: written beside its target, which `publish` puts it in the place of."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._part: Path | None = None

    def write(self, rows: Iterable[Iterable[object]]) -> None:
        """Write rows, in place of those that were written before; only the owner may read them.

        Raises:
            BadInput: the target can't be written.
        """
        with _one_sentence(self._target):
            if self._target.is_dir():
                raise IsADirectoryError(None, "a folder has its name")
            self.discard()
            handle, name = tempfile.mkstemp(
                dir=self._target.parent, prefix=f".{self._target.stem}.", suffix=".part"
            )
            self._part = Path(name)
            with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as out:
                csv.writer(out).writerows(map(safe_cell, row) for row in rows)

    def publish(self) -> None:
        """Put what was written in the target's place; nothing, where nothing was."""
        if self._part is not None:
            with _one_sentence(self._target):
                self._part.replace(self._target)
            self._part = None

    def discard(self) -> None:
        """Forget what was written and not published."""
        if self._part is not None:
            self._part.unlink(missing_ok=True)
            self._part = None


@contextmanager
def csv_part(target: Path) -> Iterator[CsvPart]:
    """A file that stands in its place once it is published, and leaves nothing behind if not."""
    part = CsvPart(target)
    try:
        yield part
    finally:
        part.discard()


def write_csv(target: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write rows to a file that only its owner may read; an older file is replaced at the end.

    Raises:
        BadInput: the file cannot be written there.
    """
    with csv_part(target) as part:
        part.write(rows)
        part.publish()


@contextmanager
def _one_sentence(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise BadInput(Problem(str(target), f"it cannot be written: {exc.strerror}")) from exc
