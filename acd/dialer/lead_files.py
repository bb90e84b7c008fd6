"""Reading a lead file: which encoding, which delimiter, which headers, and its rows in chunks.

How it works: one pass over the bytes decides the encoding and takes the hash; a sample decides
the delimiter; pandas then reads all cells as text. Each row keeps the line on which it starts
in the file: one line a record, plus the line breaks inside the quoted cells before it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from acd.dialer.lead_encodings import broken, find_encoding
from acd.errors import BadLeadFile

if TYPE_CHECKING:
    # Importing pandas takes half a second, and most commands read no file.
    import pandas as pd

CHUNK_ROWS = 10_000
DELIMITERS = (";", ",", "\t", "|")
EXTRA_CELLS = 8
"""Cells past the last header that are still read: rows that have them are refused one by one."""
MAX_LINES_A_ROW = 100
"""A row of more lines is a quote that was opened and not closed, swallowing others."""
LONGEST_CELL = 1 << 24
"""Signs; a longer cell is such a quote as well. Python's own limit is 131,072, pandas has none."""
csv.field_size_limit(LONGEST_CELL)
_SAMPLE_CHARACTERS = 1 << 16
_SAMPLE_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFile:
    """What was found out about a file before its first row is read."""

    path: Path
    encoding: str
    delimiter: str
    headers: tuple[str, ...]
    first_line: int
    """Physical line of the first row after the headers."""
    bytes_total: int
    sha256: str


class Row(NamedTuple):
    """One record: where it starts, its cells, and whether it has more cells than headers.

    A tuple, because a million of them are made and sent to other processes.
    """

    line: int
    cells: tuple[str, ...]
    surplus: int

    @property
    def blank(self) -> bool:
        """Nothing stands in it."""
        return not any(cell.strip() for cell in self.cells) and not self.surplus


def inspect_file(path: Path) -> LeadFile:
    """Find out how to read a file.

    Raises:
        BadLeadFile: it can't be read, is no text, is empty, or has no usable header row.
    """
    try:
        with path.open("rb") as handle:
            encoding, sha256, size = find_encoding(path, handle)
    except OSError as exc:
        raise broken(path, f"it cannot be read: {exc.strerror}") from exc
    with _text(path, encoding) as handle:
        delimiter, preamble = _delimiter_of(handle.read(_SAMPLE_CHARACTERS))
    with _text(path, encoding) as handle:
        for _ in range(preamble):
            handle.readline()
        lines = _Lines(handle)
        reader = csv.reader(lines, delimiter=delimiter)
        try:
            headers = next(reader, [])
        except csv.Error as exc:
            raise _never_closed(path, preamble + 1) from exc
        if reader.line_num > MAX_LINES_A_ROW or (headers and lines.asked_past_the_end):
            raise _never_closed(path, preamble + 1)
        first_line = preamble + reader.line_num + 1
    return LeadFile(
        path=path,
        encoding=encoding,
        delimiter=delimiter,
        headers=_checked_headers(path, headers, preamble + 1),
        first_line=first_line,
        bytes_total=size,
        sha256=sha256,
    )


@dataclass(slots=True)
class _Lines:
    """The lines of a file; a CSV reader wants one more only while it stands inside a quote."""

    handle: TextIO
    asked_past_the_end: bool = False

    def __iter__(self) -> Iterator[str]:
        yield from self.handle
        self.asked_past_the_end = True


def read_rows(file: LeadFile, *, chunk_rows: int = CHUNK_ROWS) -> Iterator[tuple[list[Row], int]]:
    """The rows in chunks, each with how many bytes of the file were read so far.

    Raises:
        BadLeadFile: a quote is never closed, or a row has far more cells than headers.
    """
    width = len(file.headers)
    line = file.first_line
    with _text(file.path, file.encoding) as handle:
        for _ in range(file.first_line - 1):
            handle.readline()
        try:
            for frame in _frames(handle, file, chunk_rows):
                rows = []
                for cells in frame.to_numpy(dtype=object).tolist():
                    lines = 1 + "".join(cells).count("\n")
                    if lines > MAX_LINES_A_ROW:
                        raise _never_closed(file.path, line)
                    rows.append(_row(line, cells, width))
                    line += lines
                yield rows, handle.buffer.tell()
        except ValueError as exc:
            # pandas' ParserError is one.
            raise _explain(file, exc) from exc


def _frames(handle: TextIO, file: LeadFile, chunk_rows: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    yield from pd.read_csv(
        handle,
        sep=file.delimiter,
        header=None,
        names=list(range(len(file.headers) + EXTRA_CELLS)),
        index_col=False,
        # A person called "NA" and a leading zero survive.
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        skip_blank_lines=False,
        chunksize=chunk_rows,
    )


def _row(line: int, cells: Sequence[str], width: int) -> Row:
    tail = cells[width:]
    surplus = sum(1 for cell in tail if cell.strip()) if any(tail) else 0
    return Row(line=line, cells=tuple(cells[:width]), surplus=surplus)


def _delimiter_of(sample: str) -> tuple[str, int]:
    """The delimiter, and how many lines stand before the headers (`sep=;`)."""
    first = sample.partition("\n")[0]
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        return first.strip()[4], 1
    whole = len(sample) < _SAMPLE_CHARACTERS
    best, best_score = "\t", (0.0, 1)
    for delimiter in DELIMITERS:
        widths = _widths(sample, delimiter, whole=whole)
        if not widths or widths[0] < 2:
            continue
        agreeing = sum(1 for width in widths if width == widths[0]) / len(widths)
        if (score := (round(agreeing, 1), widths[0])) > best_score:
            best, best_score = delimiter, score
    return best, 0


def _widths(sample: str, delimiter: str, *, whole: bool) -> list[int]:
    """Cells a row, for the first rows of the sample."""
    lines = [f"{line}\n" for line in sample.split("\n")]
    reader = csv.reader(lines if whole else lines[:-1], delimiter=delimiter)
    widths = []
    try:
        for cells in reader:
            if cells:
                widths.append(len(cells))
            if len(widths) == _SAMPLE_ROWS:
                break
    except csv.Error:
        return []
    return widths


def _checked_headers(path: Path, headers: Sequence[str], line: int) -> tuple[str, ...]:
    names = [header.strip() for header in headers]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise broken(path, "no headers stand in it", where=f"line {line}")
    seen: set[str] = set()
    for name in names:
        folded = name.casefold()
        if name and folded in seen:
            raise broken(path, f"the header {name!r} stands there twice", where=f"line {line}")
        seen.add(folded)
    return tuple(name or f"column {place}" for place, name in enumerate(names, start=1))


def _explain(file: LeadFile, exc: ValueError) -> BadLeadFile:
    """Read once more, slowly, for the line that pandas does not tell."""
    most = len(file.headers) + EXTRA_CELLS
    last = line = file.first_line
    try:
        for line_after, cells in _slowly(file):
            if len(cells) > most:
                return broken(
                    file.path,
                    f"the row has {len(cells)} cells",
                    f"the header row has {len(file.headers)}",
                    where=f"line {line}",
                )
            if any(cell.count("\n") >= MAX_LINES_A_ROW for cell in cells):
                return _never_closed(file.path, line)
            last, line = line, line_after
    except csv.Error:
        return _never_closed(file.path, line)
    if "EOF inside string" in str(exc):
        return _never_closed(file.path, last)
    return broken(file.path, f"it cannot be read as CSV: {exc}")


def _slowly(file: LeadFile) -> Iterator[tuple[int, list[str]]]:
    """The rows by Python's own reader, each with the line on which the next one starts."""
    with _text(file.path, file.encoding) as handle:
        for _ in range(file.first_line - 1):
            handle.readline()
        reader = csv.reader(handle, delimiter=file.delimiter, strict=False)
        for cells in reader:
            yield file.first_line + reader.line_num, cells


def _never_closed(path: Path, line: int) -> BadLeadFile:
    return broken(
        path,
        "a quote is opened in this row and not closed where the cell ends",
        'a quote inside a quoted cell is written ""',
        where=f"line {line}",
    )


@contextmanager
def _text(path: Path, encoding: str) -> Iterator[TextIO]:
    """The file as text with every line end as a line feed."""
    with path.open(encoding=encoding, newline=None) as handle:
        yield handle
