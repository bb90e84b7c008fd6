"""Asks named DNS servers where a SIP domain is: SRV first (RFC 3263 4.2), then A.

Only for what stands in `dns_servers`; whoever names none has the system's resolver. pjsip asks for
itself: this is for the doctor, and for the local address that a trunk is bound to.
"""

from __future__ import annotations

import secrets
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

_PORT = 53
_TRIES = 2
_WAIT_SECONDS = 1.0
_A, _SRV = 1, 33
_INTERNET = 1
_USUAL_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
_SERVICES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}


class UnknownHost(OSError):
    """No server knows the name; the text says so."""


@dataclass(frozen=True, slots=True)
class _Record:
    kind: int
    data: bytes
    message: bytes
    """The whole reply, which names in the data may point into."""
    at: int
    """Where the data begins in it."""


@dataclass(frozen=True, slots=True)
class Found:
    """An address and a port."""

    address: str
    port: int


def find_host(host: str, port: int | None, *, transport: str, servers: tuple[str, ...]) -> Found:
    """Where requests to a domain go first; blocks for a few seconds at most.

    Args:
        host: a name or an address.
        port: as configured; with one, RFC 3263 asks for no SRV.
        transport: udp, tcp or tls.
        servers: addresses, asked in this order.

    Raises:
        UnknownHost: there is no address for it.
    """
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return _find_name(host, port, transport, servers)
    return Found(host.strip("[]"), port or _USUAL_PORTS[transport])


def _find_name(host: str, port: int | None, transport: str, servers: tuple[str, ...]) -> Found:
    if port is None:
        for target, its_port in _services(f"{_SERVICES[transport]}.{host}", servers):
            return Found(_address(target, servers), its_port)
    return Found(_address(host, servers), port or _USUAL_PORTS[transport])


def _services(name: str, servers: tuple[str, ...]) -> list[tuple[str, int]]:
    """Targets and ports, the lowest priority first."""
    found = []
    for record in _ask(name, _SRV, servers):
        if record.kind == _SRV:
            priority, weight, port = struct.unpack_from("!HHH", record.data)
            found.append((priority, -weight, _name_at(record.message, record.at + 6)[0], port))
    return [(target, port) for _, _, target, port in sorted(found) if target]


def _address(host: str, servers: tuple[str, ...]) -> str:
    for record in _ask(host, _A, servers):
        if record.kind == _A:
            return str(IPv4Address(record.data[:4]))
    raise UnknownHost(f"{', '.join(servers)} does not know {host}")


def _ask(name: str, kind: int, servers: tuple[str, ...]) -> list[_Record]:
    """The answers of the first server that gives any reply; empty: there are none."""
    for _ in range(_TRIES):
        for server in servers:
            reply = _exchange(server, _question(name, kind))
            if reply is not None:
                return _answers(reply)
    raise UnknownHost(f"no DNS server answers at {', '.join(servers)}")


def _question(name: str, kind: int) -> bytes:
    labels = [label.encode("idna") for label in name.rstrip(".").split(".")]
    packed = b"".join(bytes([len(label)]) + label for label in labels)
    head = struct.pack("!HHHHHH", secrets.randbelow(65536), 0x0100, 1, 0, 0, 0)
    return head + packed + b"\0" + struct.pack("!HH", kind, _INTERNET)


def _exchange(server: str, question: bytes) -> bytes | None:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(_WAIT_SECONDS)
        try:
            asking.connect((server, _PORT))
            asking.send(question)
            reply = asking.recv(4096)
        except OSError:
            return None
    return reply if reply[:2] == question[:2] and len(reply) >= 12 else None


def _answers(message: bytes) -> list[_Record]:
    questions, answers = struct.unpack_from("!HH", message, 4)
    at = 12
    for _ in range(questions):
        at = _name_at(message, at)[1] + 4
    records = []
    for _ in range(answers):
        at = _name_at(message, at)[1]
        kind, _, _, length = struct.unpack_from("!HHIH", message, at)
        at += 10
        records.append(_Record(kind, message[at : at + length], message, at))
        at += length
    return records


def _name_at(message: bytes, at: int) -> tuple[str, int]:
    """A name, and where what follows it begins (RFC 1035 4.1.4: it may point backwards)."""
    labels: list[str] = []
    after = 0
    for _ in range(128):
        length = message[at]
        if length >= 0xC0:
            after = after or at + 2
            at = struct.unpack_from("!H", message, at)[0] & 0x3FFF
        elif length:
            labels.append(message[at + 1 : at + 1 + length].decode("ascii", "replace"))
            at += 1 + length
        else:
            return ".".join(labels), after or at + 1
    raise UnknownHost("a DNS server answered with a name that has no end")
