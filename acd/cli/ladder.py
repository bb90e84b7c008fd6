"""A call's SIP messages as a ladder, the way that people draw it on paper.

0.000  acd ── INVITE ────────────────────▶ UDP 192.0.2.1:5060
0.012  acd ◀──────────────── 100 Trying ── UDP 192.0.2.1:5060
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from acd.logs.sip_trace import TracedMessage

WIDTH = 44
"""Of an arrow with its words."""
_SAYS = {
    "REFER": re.compile(r"(?im)^(?:Refer-To|r)[ \t]*:[ \t]*<?(?:sips?:)?([^>\r\n]+)"),
    "NOTIFY": re.compile(r"(?m)^(SIP/2\.0 \d{3}[^\r\n]*)\r?$"),
}
"""What a request is about, where its name does not tell; a NOTIFY's is in its body."""


def ladder(messages: Sequence[TracedMessage]) -> Iterator[str]:
    """One line a message; seconds count from the first."""
    for message in messages:
        seconds = (message.at - messages[0].at).total_seconds()
        yield f"{seconds:8.3f}  acd {_arrow(message)} {message.peer}"


def harmless(text: str) -> str:
    """The same for a terminal: what a PBX or a carrier wrote must not move its cursor."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def in_short(message: str) -> str:
    """`INVITE`, `200 OK (INVITE)`, `REFER 101@pbx`, `NOTIFY SIP/2.0 200 OK`."""
    start = message.split("\n", 1)[0].strip()
    if start.startswith("SIP/2.0 "):
        method = re.search(r"(?im)^CSeq[ \t]*:[ \t]*\d+[ \t]+(\S+)", message)
        return f"{start[8:]} ({method[1]})" if method else start[8:]
    name = start.partition(" ")[0]
    about = _SAYS[name].search(message) if name in _SAYS else None
    return f"{name} {about[1]}" if about else name


def _arrow(message: TracedMessage) -> str:
    words = in_short(message.message)
    if len(words) > WIDTH - 8:
        words = words[: WIDTH - 9] + "…"
    rest = "─" * (WIDTH - len(words) - 5)
    return f"── {words} {rest}▶" if message.sent else f"◀{rest} {words} ──"
