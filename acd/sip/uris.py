"""SIP URIs and header values out of our own words, escaped as RFC 3261 25.1 wants them."""

from __future__ import annotations

import re
import socket
from urllib.parse import quote

from acd.errors import BadInput
from acd.lines import CallerId, Destination
from acd.settings import Transport

_USER_UNRESERVED = "-_.!~*'()&=+$,;?/"
_DEFAULT_PORTS = {Transport.UDP: 5060, Transport.TCP: 5060, Transport.TLS: 5061}
_TOKEN = re.compile(r"^[A-Za-z0-9\-.!%*_+`'~]+$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST_PORT = re.compile(r"^(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:@;<>]+)(?::(?P<port>\d{1,5}))?$")


def host_and_port(text: str, transport: Transport) -> tuple[str, int]:
    """Split `host` or `host:port`.

    Raises:
        BadInput: it is neither.
    """
    found = _HOST_PORT.match(text)
    if found is None:
        raise BadInput(f"{text!r} is no host and no host:port")
    return found["host"], int(found["port"] or _DEFAULT_PORTS[transport])


def destination_uri(destination: Destination, *, domain: str, transport: Transport) -> str:
    """The Request-URI of a destination."""
    if destination.uri:
        return _checked(destination.uri)
    return f"{user_uri(destination.user, domain=domain)}{transport_parameter(transport)}"


def refer_target(destination: Destination, *, domain: str) -> str:
    """The Refer-To of a destination: the PBX finds its own way, so no transport is named.

    pjsip sends the text as it is; without the brackets a URI's parameters would be the header's.
    """
    uri = destination.uri or user_uri(destination.user, domain=domain)
    return f"<{_checked(uri)}>"


def user_uri(user: str, *, domain: str) -> str:
    """`sip:user@domain` with the user part escaped."""
    # Most are digits, and quoting takes as long as all the rest of an order.
    plain = user.isascii() and user.isalnum()
    return f"sip:{user if plain else quote(user, safe=_USER_UNRESERVED)}@{domain}"


def transport_parameter(transport: Transport) -> str:
    """`;transport=` for what is not UDP."""
    return "" if transport is Transport.UDP else f";transport={transport.value}"


def from_header(caller_id: CallerId, *, domain: str) -> str:
    """A From (or P-Asserted-Identity, RFC 3325 9.1) value that shows this caller."""
    uri = f"<{user_uri(caller_id.number, domain=domain)}>"
    if not caller_id.display_name:
        return uri
    shown = _checked(caller_id.display_name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{shown}" {uri}'


def checked_headers(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The headers, once it is sure that none smuggles in another.

    Raises:
        BadInput: a name is no token, or a value has a line break.
    """
    for name, value in headers:
        if not _TOKEN.match(name):
            raise BadInput(f"{name!r} is no name of a SIP header")
        _checked(value)
    return headers


def route_uri(proxy: str, transport: Transport) -> str:
    """An outbound proxy as a loose route (RFC 3261 16.12)."""
    return f"<sip:{proxy};lr{transport_parameter(transport)}>"


def local_address_towards(host: str, port: int) -> str:
    """The address from which this machine would reach `host`; empty where it cannot be told.

    Connecting a UDP socket sends nothing: it asks the routing table.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def _checked(text: str) -> str:
    if _CONTROL.search(text):
        raise BadInput(f"{text!r} has a control character, which no SIP header may carry")
    return text
