"""Whether a file that `acd.toml` names is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from acd.settings.wording import Finding, Loc


def check_file(at: Loc, file: Path | None, kind: str) -> Iterator[Finding]:
    """What is wrong with a file that is named; `kind` says what it should be."""
    try:
        there = file is None or file.is_file()
    except OSError as error:  # a folder above that we may not look into, a name that is too long
        yield Finding(at, f"{file} cannot be read: {error.strerror}", f"allowed: {kind}")
        return
    if not there:
        yield Finding(at, f"there is no file {file}", f"allowed: {kind}")
