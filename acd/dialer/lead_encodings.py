"""In which encoding a file of leads or numbers is written.

How it works: the bytes are decoded in each encoding that the file's beginning allows, and the
first one that takes all of them is it. A file that is UTF-8 but for a few bytes is refused: in
Windows-1252, which takes nearly any byte, all its other signs would come in garbled.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from acd.errors import BadLeadFile, Problem

_ANY_BYTES = "cp1252"
_BLOCK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, ""),
    (codecs.BOM_UTF32_BE, ""),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = {
    b"PK\x03\x04": "a zipped file or a spreadsheet (.xlsx, .ods)",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (.xls)",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF file",
}
_NO_UTF8 = re.compile("[\udc80-\udcff]")
"""What the error handler `surrogateescape` makes of a byte that is no UTF-8 (PEP 383)."""


def find_encoding(path: Path, handle: BinaryIO) -> tuple[str, str, int]:
    """Encoding, SHA-256 and size; reads the file to its end.

    Raises:
        BadLeadFile: it is empty, no text, or UTF-8 with a damaged place in it.
    """
    head = handle.read(4096)
    if not head:
        raise broken(path, "it is empty")
    for magic, what in _NOT_TEXT.items():
        if head.startswith(magic):
            raise broken(path, f"it is {what}", "save it as CSV")
    marked = [encoding for bom, encoding in _BOMS if head.startswith(bom)]
    candidates = marked[:1] or [*_utf16_without_mark(head), "utf-8", _ANY_BYTES]
    digest, size, survivors = hashlib.sha256(), 0, _decoders(candidates)
    handle.seek(0)
    while block := handle.read(_BLOCK):
        digest.update(block)
        size += len(block)
        survivors = [pair for pair in survivors if _decodes(pair[1], block)]
    survivors = [pair for pair in survivors if _decodes(pair[1], b"", final=True)]
    # Every byte but five is a sign of Windows-1252, so nearly any damaged file reads as one.
    doubtful = not survivors or survivors[0][0] == _ANY_BYTES
    if doubtful and (line := _damaged_line(handle)):
        raise broken(
            path,
            "a byte of it is no UTF-8, which the rest of the file is",
            "save the file as UTF-8 again, or put the sign right",
            where=f"line {line}",
        )
    if not survivors:
        raise broken(
            path, "its bytes are no text that we know", "allowed: UTF-8, UTF-16, Windows-1252"
        )
    return survivors[0][0], digest.hexdigest(), size


def _utf16_without_mark(head: bytes) -> list[str]:
    """UTF-16 of mostly Latin text has a NUL as every second byte."""
    if head[1::2].count(0) > len(head) // 4:
        return ["utf-16-le"]
    if head[0::2].count(0) > len(head) // 4:
        return ["utf-16-be"]
    return []


def _decoders(names: Sequence[str]) -> list[tuple[str, codecs.IncrementalDecoder]]:
    return [(name, codecs.getincrementaldecoder(name)()) for name in names if name]


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    try:
        return "\0" not in decoder.decode(block, final)
    except UnicodeDecodeError:
        return False


def _damaged_line(handle: BinaryIO) -> int:
    """Line of the first byte that is no UTF-8 in a file of which most other signs are; else 0."""
    utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
    signs, strays, lines, first = 0, 0, 0, 0
    handle.seek(0)
    while True:
        block = handle.read(_BLOCK)
        text = decoder.decode(block, final=not block)
        found = [stray.start() for stray in _NO_UTF8.finditer(text)]
        if found and not first:
            first = lines + text.count("\n", 0, found[0]) + 1
        strays += len(found)
        signs += len(text) - len(text.encode("ascii", "ignore")) - len(found)
        lines += text.count("\n")
        if not block:
            return first if signs > strays else 0


def broken(path: Path, what: str, allowed: str = "", *, where: str = "") -> BadLeadFile:
    """What is wrong with a file, as the error that says so."""
    place = f"{path}, {where}" if where else str(path)
    return BadLeadFile(Problem(place, what, allowed))
