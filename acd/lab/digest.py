"""The lab's one account: a digest challenge and its check (RFC 7616 3.4, MD5, qop=auth).

pjsua2 answers challenges and cannot make them, so the lab writes the header by itself.
A nonce is its own birth time under a keyed hash: nothing is remembered between calls.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import md5, sha256

NONCE_SECONDS = 60.0
"""How long a nonce may be used again; after that a challenge says stale=true."""

_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class Verdict(StrEnum):
    """What an Authorization header was worth."""

    ACCEPTED = "accepted"
    MISSING = "missing"
    STALE = "stale"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who may call."""

    realm: str
    user: str
    password: str

    def hashed(self) -> str:
        """HA1."""
        return _md5(f"{self.user}:{self.realm}:{self.password}")


class DigestDoor:
    """Challenges and checks one account; times are seconds of a clock that never goes back."""

    def __init__(self, account: Account, secret: bytes) -> None:
        self._account = account
        self._secret = secret

    def challenge(self, verdict: Verdict, *, now_seconds: float) -> str:
        """The value of a WWW-Authenticate header."""
        stale = ", stale=true" if verdict is Verdict.STALE else ""
        return (
            f'Digest realm="{self._account.realm}", nonce="{self._nonce(now_seconds)}", '
            f'algorithm=MD5, qop="auth"{stale}'
        )

    def check(self, authorization: str, *, method: str, now_seconds: float) -> Verdict:
        """Judge the value of an Authorization header; empty where the request had none."""
        given = read_parameters(authorization)
        if not given:
            return Verdict.MISSING
        if not self._is_correct(given, method):
            return Verdict.WRONG
        born_text, _, _ = given["nonce"].partition(".")
        if not hmac.compare_digest(given["nonce"], self._signed(born_text)):
            return Verdict.STALE
        age_seconds = now_seconds - int(born_text, 16) / 1000
        return Verdict.ACCEPTED if age_seconds < NONCE_SECONDS else Verdict.STALE

    def _is_correct(self, given: Mapping[str, str], method: str) -> bool:
        account = self._account
        if (given.get("username"), given.get("realm")) != (account.user, account.realm):
            return False
        # The digest's own uri is taken: a proxy on the way may have rewritten the Request-URI.
        expected = response_of(account.hashed(), given, method)
        return hmac.compare_digest(expected.encode(), given.get("response", "").encode())

    def _nonce(self, now_seconds: float) -> str:
        return self._signed(f"{int(now_seconds * 1000):x}")

    def _signed(self, born_text: str) -> str:
        mark = hmac.new(self._secret, born_text.encode(), sha256).hexdigest()[:24]
        return f"{born_text}.{mark}"


def response_of(ha1: str, given: Mapping[str, str], method: str) -> str:
    """The response that belongs to the parameters of an Authorization header."""
    parts = [given.get(name, "") for name in ("nonce", "nc", "cnonce", "qop")]
    return _md5(":".join([ha1, *parts, _md5(f"{method}:{given.get('uri', '')}")]))


def read_parameters(header: str) -> dict[str, str]:
    """The parameters of a Digest header; empty for another scheme."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        return {}
    return {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}


def _md5(text: str) -> str:
    # RFC 7616 still allows MD5, and it is what SIP accounts use.
    return md5(text.encode(), usedforsecurity=False).hexdigest()
