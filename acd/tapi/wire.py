"""JSON lines: framing, signing, and what a message must hold; see `docs/tapi-protocol.md`."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import trio

PROTOCOL = 1
MOST_BYTES = 65536
"""Of one message to the engine with its line end."""
MOST_BYTES_BACK = 2**22
"""Of one to a client: `ready` has 999 lines and, on a return, every call that was not let go of."""
LARGEST_DWORD = 2**32 - 1
Message = Mapping[str, Any]


class WireError(Exception):
    """The other side does not speak the protocol; the connection cannot go on."""


class BadFieldError(Exception):
    """A request lacks a field, or it is of another type; `str()` is a sentence."""


def encode(message: Message) -> bytes:
    """One message as it is sent: no spaces, keys as given, ASCII."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """One received line.

    Raises:
        WireError: it is no JSON object with a `t`, or holds what is no text to anybody else.
    """
    try:
        text = line.decode()
        message = json.loads(text)
        is_text = "\\u" not in text or _is_text(message)
    except (ValueError, RecursionError):
        raise WireError("a line is not JSON") from None
    if not is_text:
        raise WireError("a line holds a lone surrogate or NUL")
    if not isinstance(message, dict) or not isinstance(message.get("t"), str):
        raise WireError("a line is no object with a t")
    return message


def _is_text(message: object) -> bool:
    """Whether SQL and SIP could write every character: JSON can escape what UTF-8 has not."""
    try:
        plain = json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    # json.dumps writes a NUL, and a NUL alone, as this.
    return b"\\u0000" not in plain.replace(rb"\\", b"")


def sign(token: str, *, nonce: str, inst: str) -> str:
    """The proof that a client knows its token: hex HMAC-SHA256 over nonce and instance."""
    return hmac.new(token.encode(), (nonce + inst).encode(), hashlib.sha256).hexdigest()


def signed_by(token: str, signature: str, *, nonce: str, inst: str) -> bool:
    """Whether the signature is the token's, in constant time."""
    expected = sign(token, nonce=nonce, inst=inst)
    return hmac.compare_digest(expected.encode(), signature.encode())


def text_of(message: Message, key: str) -> str:
    """A field that must be text and not empty.

    Raises:
        BadFieldError: it is not.
    """
    value = message.get(key)
    if not isinstance(value, str) or not value:
        raise BadFieldError(f"{key} must be text")
    return value


def whole_of(message: Message, key: str, *, default: int | None = None) -> int:
    """A field that must be a DWORD.

    Raises:
        BadFieldError: it is not.
    """
    value = message.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_DWORD:
        raise BadFieldError(f"{key} must be a whole number from 0 to {LARGEST_DWORD}")
    return value


class MessageReader:
    """Messages from a stream, one after the other."""

    def __init__(self, stream: trio.abc.ReceiveStream, *, most_bytes: int = MOST_BYTES) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._buffer = bytearray()

    async def next(self) -> dict[str, Any] | None:
        """The next message; None at the end of the stream, however it came about.

        Raises:
            WireError: a line is too long or no message.
        """
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            if len(self._buffer) >= self._most_bytes:
                raise WireError(f"a line is longer than {self._most_bytes} bytes")
            searched = len(self._buffer)
            try:
                part = await self._stream.receive_some(MOST_BYTES)
            except trio.BrokenResourceError:
                return None
            if not part:
                return None
            self._buffer += part
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if end >= self._most_bytes:
            raise WireError(f"a line is longer than {self._most_bytes} bytes")
        return decode(line)
