"""Answers a digest challenge (RFC 3261 22.4, RFC 7616, RFC 8760 for SHA-256).

Pure: the client nonce is given, so that a test can recompute the RFC's own example.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

# RFC 3261 22.4 asks for MD5; it protects a nonce here, nobody relies on collisions.
_HASHES: Mapping[str, Callable[[bytes], str]] = MappingProxyType(
    {
        "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha-256": lambda data: hashlib.sha256(data).hexdigest(),
    }
)
_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate header that we can answer."""

    realm: str
    nonce: str
    algorithm: str
    """As the server wrote it; empty: MD5."""
    opaque: str
    qop: str
    """"auth", or empty where the server offers none (RFC 2069)."""
    stale: bool


def usable_challenge(values: Sequence[str]) -> Challenge | None:
    """The first of several challenges that asks for digest with a hash that we have."""
    for value in values:
        scheme, _, rest = value.strip().partition(" ")
        found = {
            name.lower(): re.sub(r"\\(.)", r"\1", quoted) or token
            for name, quoted, token in _PARAMETER.findall(rest)
        }
        offered = [option.strip() for option in found.get("qop", "").lower().split(",")]
        known_hash = found.get("algorithm", "MD5").lower() in _HASHES
        if scheme.lower() != "digest" or not known_hash or not {"auth", ""} & set(offered):
            continue
        return Challenge(
            realm=found.get("realm", ""),
            nonce=found.get("nonce", ""),
            algorithm=found.get("algorithm", ""),
            opaque=found.get("opaque", ""),
            qop="auth" if "auth" in offered else "",
            stale=found.get("stale", "").lower() == "true",
        )
    return None


def credentials(
    challenge: Challenge, *, user: str, password: str, method: str, uri: str, client_nonce: str
) -> str:
    """The value of the Authorization or Proxy-Authorization header."""
    hashed = _HASHES[(challenge.algorithm or "MD5").lower()]

    def joined(*parts: str) -> str:
        return hashed(":".join(parts).encode())

    who = joined(user, challenge.realm, password)
    what = joined(method, uri)
    answer = {
        "username": _quoted(user),
        "realm": _quoted(challenge.realm),
        "nonce": _quoted(challenge.nonce),
        "uri": _quoted(uri),
    }
    if challenge.qop:
        count = "00000001"
        response = joined(who, challenge.nonce, count, client_nonce, challenge.qop, what)
        answer |= {"qop": challenge.qop, "nc": count, "cnonce": _quoted(client_nonce)}
    else:
        response = joined(who, challenge.nonce, what)
    answer["response"] = _quoted(response)
    if challenge.algorithm:
        answer["algorithm"] = challenge.algorithm
    if challenge.opaque:
        answer["opaque"] = _quoted(challenge.opaque)
    return "Digest " + ", ".join(f"{name}={value}" for name, value in answer.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'
