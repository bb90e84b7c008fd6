"""Reading a do-not-call list's file: which of its columns holds the numbers, and the numbers.

The column is the one that is named, else those whose headers are known, else the only one in
which any number stands. Where several might be meant nothing is guessed: an id or a date that
reads as a number would take the place of a person who must not be called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from acd.dialer.lead_files import LeadFile, inspect_file, read_rows
from acd.dialer.lead_headers import known_places, place_of
from acd.errors import BadLeadFile, Problem
from acd.numbers import PhoneNumber, read_number, split_cell


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFile:
    """What a list's file holds."""

    rows: int
    numbers: tuple[str, ...]
    """Different E.164 numbers, in the file's order."""
    unreadable: tuple[str, ...]
    """`line N: why`, for rows without a number."""


def read_list(
    path: Path, *, region: str, column: str = "", progress: Callable[[float], None]
) -> ListFile:
    """Read a file, with or without headers.

    Args:
        path: a text file of any kind that `acd leads import` reads.
        region: in which national numbers are read.
        column: the header of the numbers' column, or its place from 1; empty: found out.
        progress: called with the share of the file that was read, 0 to 1.

    Raises:
        BadLeadFile: it can't be read, holds no number, or no one can tell in which column.
    """
    file = inspect_file(path)
    places = _named(file, column) if column else _found(file, region)
    rows, numbers, unreadable = 0, dict[str, None](), list[str]()
    if first := _numbers_in(file.headers, places, region):
        # There are no headers: the first row is a number like the others.
        rows += 1
        numbers.update(dict.fromkeys(first))
    for chunk, bytes_read in read_rows(file):
        for row in chunk:
            if row.blank:
                continue
            rows += 1
            found = _numbers_in(row.cells, places, region)
            numbers.update(dict.fromkeys(found))
            if not found:
                unreadable.append(f"line {row.line}: no phone number")
        progress(min(1.0, bytes_read / file.bytes_total))
    if not numbers:
        raise _no_number(file, places)
    return ListFile(rows=rows, numbers=tuple(numbers), unreadable=tuple(unreadable))


def _named(file: LeadFile, column: str) -> list[int]:
    place = place_of(file.headers, column)
    if place is None and column.isdecimal() and 1 <= int(column) <= len(file.headers):
        place = int(column) - 1
    if place is None:
        raise BadLeadFile(
            Problem(
                f"{file.path}, --column {column}",
                "the file has no such column",
                f"allowed: {', '.join(file.headers)}, or a place from 1 to {len(file.headers)}",
            )
        )
    return [place]


def _found(file: LeadFile, region: str) -> list[int]:
    """The columns with known headers; else the only one that holds a number."""
    width = len(file.headers)
    if places := known_places(file.headers) or list(range(width) if width == 1 else ()):
        return places
    chunk, _ = next(read_rows(file), ([], 0))
    sample = [file.headers, *(row.cells for row in chunk)]
    places = [
        place for place in range(width) if any(_numbers_in(row, [place], region) for row in sample)
    ]
    if len(places) > 1:
        headless = bool(_numbers_in(file.headers, places, region))
        names = [str(place + 1) if headless else file.headers[place] for place in places]
        raise BadLeadFile(
            Problem(
                str(file.path),
                f"what reads as a phone number stands in its columns {', '.join(names)}",
                f"name the one that is meant, as with --column {names[-1]!r}",
            )
        )
    return places


def _numbers_in(cells: Sequence[str], places: Sequence[int], region: str) -> list[str]:
    answers = [
        read_number(text, default_region=region)
        for place in places
        for text in split_cell(cells[place], default_region=region)
    ]
    return [answer.e164 for answer in answers if isinstance(answer, PhoneNumber)]


def _no_number(file: LeadFile, places: Sequence[int]) -> BadLeadFile:
    if not places or len(file.headers) == 1:
        return BadLeadFile(Problem(str(file.path), "no phone number stands in it"))
    names = ", ".join(file.headers[place] for place in places)
    return BadLeadFile(
        Problem(
            str(file.path),
            f"no phone number stands in its column {names}",
            "--column names another one",
        )
    )
