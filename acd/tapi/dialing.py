"""Addresses as TAPI writes them, canonical (`+43 (1) 505641`) or dialable (`0T1,505641`).

Pure: what a client wrote goes in, a number or a name for the door comes out, or the LINEERR that
says which sign cannot be dialed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from acd.tapi.constants import LineErr

WAITING_SIGNS = {
    # Microsoft, "Dialable Addresses": what a provider without the ability must refuse.
    "$": LineErr.DIALBILLING,
    "W": LineErr.DIALDIALTONE,
    "w": LineErr.DIALDIALTONE,
    "@": LineErr.DIALQUIET,
    "?": LineErr.DIALPROMPT,
}
_PASSED_OVER = frozenset("TtPp,! ().-/")
"""Tone, pulse, pause, hook flash and what makes numbers readable: SIP dials all at once."""
_DIALED = frozenset("0123456789*#+ABCDabcd")
_SUBADDRESS = re.compile(r"[|^].*", re.DOTALL)
"""TAPI: `|` begins an ISDN subaddress, `^` a name; neither is dialed."""
_COMMANDS = frozenset("TtPpWwABCDabcd")
"""The letters of a dialable address."""
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9._-]*$")
_SIP_URI = re.compile(r"^sips?:", re.IGNORECASE)
MOST_CHARACTERS = 128


def dialed_number(address: str) -> str | LineErr:
    """What to dial for a `lineMakeCall` address: digits, `*`, `#` and a leading `+`.

    A name (`queue`) or a `sip:` URI is kept as it is; the door judges those.
    """
    text = _without_tail(address)
    if isinstance(text, LineErr) or is_name(text):
        return text
    for sign in text:
        if sign in WAITING_SIGNS:
            return WAITING_SIGNS[sign]
        if sign not in _DIALED | _PASSED_OVER:
            return LineErr.INVALADDRESS
    dialed = "".join(sign for sign in text if sign in _DIALED)
    if not any(sign.isdigit() or sign in "*#" for sign in dialed) or "+" in dialed[1:]:
        return LineErr.INVALADDRESS
    return dialed


def transfer_target(address: str, *, listed: Sequence[str] = ()) -> str | LineErr:
    """What to hand a person to: an extension, a queue's name, a number or a `sip:` URI.

    Args:
        address: as the application wrote it.
        listed: patterns of the client's targets; one that begins with a letter makes a name of
            what fits it, where it could be dialed as well: `t1`, `pt12`.
    """
    text = _without_tail(address)
    if isinstance(text, str) and _NAME.match(text):
        names = (pattern for pattern in listed if pattern[0].isalpha())
        if any(fnmatchcase(text, pattern) for pattern in names):
            return text
    return dialed_number(address)


def is_name(text: str) -> bool:
    """Whether it is a name or URI, in which letters are letters: `agent7`, `hr`, `sip:…`."""
    if _SIP_URI.match(text):
        return True
    if not _NAME.match(text):
        return False
    # A dialable address has few letters, and each is a command of its own.
    foreign = any(sign.isalpha() and sign not in _COMMANDS for sign in text)
    return foreign or bool(re.search(r"[A-Za-z]{3}", text))


def _without_tail(address: str) -> str | LineErr:
    text = _SUBADDRESS.sub("", address.partition("\r")[0]).strip()
    if not text or len(text) > MOST_CHARACTERS:
        return LineErr.INVALADDRESS
    return text
