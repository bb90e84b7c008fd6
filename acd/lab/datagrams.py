"""Whole SIP messages as the lab's notifier reads and answers them, without a SIP stack."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

Address = tuple[str, int]
"""Host and port of a UDP socket."""

_LONG = {
    "i": "call-id",
    "f": "from",
    "t": "to",
    "v": "via",
    "m": "contact",
    "o": "event",
    "l": "content-length",
}
_REQUEST = re.compile(r"^([A-Z]+) (sips?:\S+) SIP/2\.0$")
_STATUS = re.compile(r"^SIP/2\.0 (\d{3})(?: |$)")
_USER = re.compile(r"^sips?:([^@;?]+)@", re.IGNORECASE)
_URI = re.compile(r"<([^>]+)>")
_TAG = re.compile(r";\s*tag\s*=\s*([^\s;,>]+)", re.IGNORECASE)
_RPORT = re.compile(r";\s*rport(?=\s*(?:;|,|$))", re.IGNORECASE)
_NEEDED = frozenset({"via", "from", "to", "call-id", "cseq"})


@dataclass(frozen=True, slots=True)
class Datagram:
    """One message: a request has a method, a response a status."""

    method: str
    uri: str
    status: int
    headers: Mapping[str, Sequence[str]]
    """By lower-case long name, in their order."""

    def get(self, name: str) -> str:
        """A header's first value; empty where it is missing."""
        return next(iter(self.headers.get(name, ())), "")

    @property
    def user(self) -> str:
        """User part of the Request-URI; empty where it has none."""
        found = _USER.match(self.uri)
        return unquote(found[1]) if found else ""

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method; (0, "") where it is none."""
        number, _, method = self.get("cseq").partition(" ")
        return (int(number), method.strip()) if _is_number(number) else (0, "")

    @property
    def expires_seconds(self) -> int | None:
        """None where the header is missing or no number."""
        text = self.get("expires")
        return int(text) if _is_number(text) else None

    def tag(self, name: str) -> str:
        """The tag of `from` or `to`; empty where it has none."""
        return tag_of(self.get(name))

    @property
    def contact_uri(self) -> str:
        """Where the other side wants requests; empty where it does not say."""
        value = self.get("contact")
        found = _URI.search(value)
        return found[1] if found else value.partition(";")[0].strip()


def tag_of(value: str) -> str:
    """The tag in a From or To; empty where it has none."""
    found = _TAG.search(value.rpartition(">")[2])
    return found[1] if found else ""


def read_datagram(data: bytes) -> Datagram | None:
    """What came; None where it is no SIP message with the headers that each must have."""
    head = data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    start, *lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.setdefault(_LONG.get(name, name), []).append(value.strip())
    if not headers.keys() >= _NEEDED:
        return None
    if request := _REQUEST.match(start):
        return Datagram(request[1], request[2], 0, headers)
    if response := _STATUS.match(start):
        return Datagram("", "", int(response[1]), headers)
    return None


def response_to(
    request: Datagram, status: str, *, source: Address, tag: str, headers: Sequence[str] = ()
) -> bytes:
    """A response, e.g. `200 OK`, for where the request came from (RFC 3261 8.2.6, RFC 3581 4).

    Args:
        request: what is answered.
        status: with its reason.
        source: where it came from.
        tag: ours, for To, where the request's has none.
        headers: whole lines.
    """
    host, port = source
    first, *others = request.headers["via"]
    first = _RPORT.sub(f";received={host};rport={port}", first, count=1)
    to = request.get("to")
    lines = [
        f"SIP/2.0 {status}",
        *(f"Via: {via}" for via in (first, *others)),
        f"From: {request.get('from')}",
        f"To: {to}" if request.tag("to") else f"To: {to};tag={tag}",
        f"Call-ID: {request.get('call-id')}",
        f"CSeq: {request.get('cseq')}",
        *headers,
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10
