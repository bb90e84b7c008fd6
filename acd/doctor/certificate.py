"""Whom a TLS certificate names: read from DER (X.690), since Python decodes only what it trusts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

_EXPLICIT_0, _UTC_TIME = 0xA0, 0x17
_COMMON_NAME = b"\x55\x04\x03"  # RFC 5280 A.1: id-at-commonName, 2.5.4.3


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a person needs to recognise it."""

    subject: str
    """Its common name; empty where it has none."""
    issuer: str
    valid_until: str
    """YYYY-MM-DD, UTC."""

    def __str__(self) -> str:
        return (
            f"it names {self.subject or 'nobody'}, issued by {self.issuer or 'nobody'}, "
            f"valid until {self.valid_until}"
        )


def read_certificate(der: bytes) -> Certificate:
    """Read the few fields (RFC 5280 4.1).

    Raises:
        ValueError: it is no certificate.
    """
    try:
        ((_, whole),) = _elements(der)
        (_, signed), *_ = _elements(whole)
        fields = [content for tag, content in _elements(signed) if tag != _EXPLICIT_0]
        _serial, _algorithm, issuer, validity, subject, *_ = fields
        _, (kind, until) = _elements(validity)
        form = "%y%m%d" if kind == _UTC_TIME else "%Y%m%d"
        day = datetime.strptime(until.decode("ascii")[: 6 if kind == _UTC_TIME else 8], form)
        return Certificate(_common_name(subject), _common_name(issuer), f"{day:%Y-%m-%d}")
    except (ValueError, IndexError) as error:
        raise ValueError("this is no X.509 certificate") from error


def _common_name(name: bytes) -> str:
    for _, relative in _elements(name):
        for _, pair in _elements(relative):
            (_, kind), (_, value) = _elements(pair)
            if kind == _COMMON_NAME:
                return "".join(c for c in value.decode("utf-8", "replace") if c.isprintable())
    return ""


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of each element that `data` is made of."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            digits = size & 0x7F
            size = int.from_bytes(data[at : at + digits], "big")
            at += digits
        if at + size > len(data):
            raise ValueError("it ends too early")
        yield tag, data[at : at + size]
        at += size
