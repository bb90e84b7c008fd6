"""Texts as pjsua2 hands them out, made fit to be written down."""

from __future__ import annotations

import re

_CSEQ = re.compile(r"^CSeq[ \t]*:[ \t]*(\d+)", re.IGNORECASE | re.MULTILINE)


def plain_text(text: str) -> str:
    """With U+FFFD for bytes that are no UTF-8.

    SWIG makes lone surrogates of them, which no file, terminal or database takes.
    """
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def cseq_of(message: str) -> int:
    """The number in a whole message's CSeq; 0 where there is none."""
    found = _CSEQ.search(message)
    return int(found[1]) if found else 0
