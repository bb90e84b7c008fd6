"""The two SIP requests that the doctor sends, as text, and the answers to them.

Neither can ring anyone: OPTIONS asks what the other side can do (RFC 3261 11), a REGISTER
without Contact reads the account's bindings and changes none (RFC 3261 10.2.3).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from acd.settings import TrunkSettings


class Method(StrEnum):
    """What is asked."""

    OPTIONS = "OPTIONS"
    REGISTER = "REGISTER"


class NotSip(Exception):
    """What came back is no SIP response."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A final response."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()

    def all(self, name: str) -> list[str]:
        """Every value of a header, by its long name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def line(self) -> str:
        """`503 Service Unavailable`."""
        return f"{self.status} {self.reason}".strip()

    @property
    def element(self) -> str:
        """What answered, by its own words; empty where it does not say."""
        return " ".join((self.all("Server") or self.all("User-Agent"))[:1])

    @property
    def methods(self) -> frozenset[str] | None:
        """What the Allow header lists; None where there is no such header."""
        values = self.all("Allow")
        words = (word.strip().upper() for value in values for word in value.split(","))
        return frozenset(words) if values else None


@dataclass(slots=True)
class Question:
    """One request and its repetitions with credentials: one Call-ID, a growing CSeq."""

    trunk: TrunkSettings
    method: Method
    local: str
    """host:port of our end, for Via."""
    extension: str = ""
    """Whom OPTIONS is addressed to; empty: the domain itself."""
    call_id: str = field(default_factory=lambda: secrets.token_hex(16))
    tag: str = field(default_factory=lambda: secrets.token_hex(5))
    sequence: int = 0

    @property
    def uri(self) -> str:
        """The Request-URI."""
        # RFC 3261 10.2: no user part in a REGISTER's Request-URI.
        who = f"{self.extension}@" if self.extension and self.method is Method.OPTIONS else ""
        return f"sip:{who}{self.trunk.domain}"

    def next_request(self, authorization: dict[str, str]) -> bytes:
        """The request with the next CSeq and a branch of its own."""
        self.sequence += 1
        host = re.sub(r":\d+$", "", self.trunk.domain)
        account = f"<sip:{self.trunk.user}@{host}>"
        lines = [
            f"{self.method} {self.uri} SIP/2.0",
            f"Via: SIP/2.0/{self.trunk.transport.upper()} {self.local};rport"
            f";branch=z9hG4bK{secrets.token_hex(12)}",
            "Max-Forwards: 70",
            f"From: {account};tag={self.tag}",
            f"To: {account if self.method is Method.REGISTER else f'<{self.uri}>'}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.sequence} {self.method}",
            *(f"{name}: {value}" for name, value in authorization.items()),
            "Accept: application/sdp",
            f"User-Agent: {self.trunk.user_agent}",
            "Content-Length: 0",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def reply(self, message: bytes) -> Reply | None:
        """The final response that `message` is to the latest request; None: something else.

        Raises:
            NotSip: it is no SIP message at all.
        """
        head, *lines = _unfolded(message)
        first = re.match(r"SIP/2\.0 (\d{3}) ?(.*)", head)
        if first is None:
            if re.match(r"[A-Z]+ \S+ SIP/2\.0", head):
                return None
            raise NotSip("an answer came that is not SIP")
        headers = tuple(
            (_LONG.get(name.strip().lower(), name.strip()), value.strip())
            for name, _, value in (line.partition(":") for line in lines)
        )
        reply = Reply(int(first[1]), first[2].strip(), headers)
        ours = reply.all("Call-ID") == [self.call_id]
        latest = reply.all("CSeq") == [f"{self.sequence} {self.method}"]
        return reply if ours and latest and reply.status >= 200 else None


_LONG = {"i": "Call-ID", "v": "Via", "f": "From", "t": "To", "l": "Content-Length"}


def _unfolded(message: bytes) -> list[str]:
    """First line and headers, folded lines joined (RFC 3261 7.3.1)."""
    text = message.partition(b"\r\n\r\n")[0].decode(errors="replace")
    return re.sub(r"\r\n[ \t]+", " ", text).split("\r\n")
