"""Writing CSV files for people: whole or not at all, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from acd.errors import BadInput, Problem


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula; `read_number` strips the sign again.

    OWASP, CSV Injection: cells that begin with = + - @ tab or carriage return.
    """
    cell = "" if value is None else str(value)
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def write_csv(target: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write rows to a file that only its owner may read; an older file is replaced at the end.

    Raises:
        BadInput: the file cannot be written there.
    """
    try:
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.stem}.", suffix=".part"
        )
    except OSError as exc:
        raise BadInput(Problem(str(target), f"it cannot be written: {exc.strerror}")) from exc
    try:
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as out:
            csv.writer(out).writerows(map(safe_cell, row) for row in rows)
        Path(name).replace(target)
    except BaseException as exc:
        Path(name).unlink(missing_ok=True)
        if isinstance(exc, OSError):
            raise BadInput(Problem(str(target), f"it cannot be written: {exc.strerror}")) from exc
        raise
