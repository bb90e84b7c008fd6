"""What a single value of `acd.toml` may be: words, ranges, shapes of text and their checks."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Literal

import phonenumbers
from pydantic import AfterValidator, Field

MAX_LINES = 999
MOST_REDIRECTS = 3
"""How often one call goes on to another number, where its trunk follows redirects."""
SHORTEST_RING_SECONDS = 15
"""16 CFR 310.4(b)(4)(ii) and Ofcom ask for 15 seconds or four rings."""
RTP_PORTS_PER_LINE = 2.5
"""Two a call, and room: with a range that is nearly full pjsua gives up after 100 busy pairs."""


class Transport(StrEnum):
    """How SIP reaches the PBX."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Srtp(StrEnum):
    """Whether the media is encrypted."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Codec(StrEnum):
    """G.711, the two laws."""

    PCMA = "PCMA"
    PCMU = "PCMU"


class NumberFormat(StrEnum):
    """How a phone number is written for the PBX."""

    PLUS = "+"
    """+431505641"""
    DOUBLE_ZERO = "00"
    """00431505641"""
    DIGITS = "digits"
    """431505641, behind `number_prefix`"""


class TransferReply(StrEnum):
    """When a TAPI application is told that its transfer succeeded."""

    ANSWERED = "answered"
    """At the final NOTIFY: the agent has the person."""
    ACCEPTED = "accepted"
    """At the REFER's 2xx, as SIPTAPI does: the PBX will try."""


class AfterFailedTransfer(StrEnum):
    """Who has the answered person once a final NOTIFY says that the target did not take them."""

    PBX = "pbx"
    """A PBX that takes them out of our call before it dials the target, as Asterisk does."""
    OURS = "ours"
    """Our leg lives on: a gateway, a session border controller or a phone took the REFER."""


def _known_region(region: str) -> str:
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("is no region that has phone numbers")
    return region


def _an_address(address: str) -> str:
    try:
        ip_address(address)
    except ValueError:
        raise ValueError("is no IP address") from None
    return address


def _address_or_nothing(address: str) -> str:
    return address and _an_address(address)


def _listen_address(address: str) -> str:
    return address if address == "localhost" else _an_address(address)


def _each_once(codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
    if len(set(codecs)) < len(codecs):
        raise ValueError("names a codec twice")
    return codecs


_SQLITE_URL = re.compile(r"sqlite:///[^?\x00-\x1f\x7f]+")
_PART = r"[^@/?\x00-\x20\x7f]"
_POSTGRES_URL = re.compile(
    rf"postgresql://(?:{_PART}*@)?(?:\[[0-9A-Fa-f:.]+\]|[^]\[@/?:\x00-\x20\x7f]*)"
    rf"(?::(?P<port>{_PART}*))?/{_PART}+(?:\?[^@\x00-\x20\x7f]*)?"
)


def _database_url(url: str) -> str:
    if _SQLITE_URL.fullmatch(url):
        return url
    found = _POSTGRES_URL.fullmatch(url)
    # libpq reads what it is given up to the first zero byte.
    if found is None or "%00" in url:
        raise ValueError(_no_database(url))
    if found["port"] is not None:
        _port(found["port"])
    return url


def _no_database(url: str) -> str:
    # Whoever reads the URL leniently takes the rest of such a password for the host, and shows it.
    account, at, _ = url.removeprefix("postgresql://").rpartition("@")
    if at and re.search(r"[@/?\x00-\x20\x7f]", account):
        return "has a bare @, /, ? or space before its last @: write %40, %2F, %3F or %20"
    return "is no database that acd can use"


def _host_and_port(text: str) -> str:
    """`host`, `host:port` or `user@host:port`."""
    _, colon, port = text.rpartition("]")[2].partition(":")
    if colon:
        _port(port)
    return text


def _port(digits: str) -> None:
    if not re.fullmatch("[0-9]{1,5}", digits) or not 1 <= int(digits) <= 65535:
        raise ValueError("has a port that is no number from 1 to 65535")


# Strict: `lines = true` is 1 and `register = "no"` is False to a lenient reader.
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Port = Annotated[Whole, Field(ge=1, le=65535)]
PortOrAny = Annotated[Whole, Field(ge=0, le=65535)]
Region = Annotated[
    str,
    AfterValidator(_known_region),
    Field(description='a two-letter ISO 3166 region in capitals, e.g. "AT", "DE" or "GB"'),
]
HostAndPort = Annotated[str, AfterValidator(_host_and_port)]
Address = Annotated[str, AfterValidator(_an_address)]
AddressOrNothing = Annotated[str, AfterValidator(_address_or_nothing)]
ListenAddress = Annotated[
    str,
    AfterValidator(_listen_address),
    Field(description='an IP address of this machine, or "localhost"'),
]
Codecs = Annotated[
    tuple[Codec, ...],
    AfterValidator(_each_once),
    Field(min_length=1, description='a list in order of preference, of "PCMA" and "PCMU"'),
]
SomeNumber = Annotated[str, Field(pattern=r"^[+]?[A-Za-z0-9*#._-]+$")]
SOME_NUMBERS = 'a list of numbers or extensions, e.g. ["+431505641", "600"]'
HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?"
EXTENSION = r"[A-Za-z0-9+][A-Za-z0-9._+-]{0,31}"
PRINTABLE = r"[^\x00-\x1f\x7f]*"
"""No line breaks: the value goes into a SIP header."""
HIDDEN = {"hidden": True}
"""A wrong value of this key is not shown: somebody may have written the password itself."""

DatabaseUrl = Annotated[
    str,
    AfterValidator(_database_url),
    Field(
        description='"sqlite:///FILE" or "postgresql://USER@HOST/DATABASE"',
        json_schema_extra=HIDDEN,
        repr=False,
    ),
]
CauseStatus = Literal["403", "480", "603"]
"""A TOML key is always text."""
EnvironmentName = Annotated[
    str,
    Field(
        pattern=r"^([A-Z_][A-Z0-9_]*)?$",
        description="the name of an environment variable: capitals, digits and _",
        json_schema_extra=HIDDEN,
    ),
]
