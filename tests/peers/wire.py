"""What really went over the loopback interface: tcpdump, parsed into SIP and RTP.

    with Wire("127.3.0.2") as wire:
        ...
        messages = wire.sip()         # everything sent up to now, in order
        refer = first(messages, "REFER")

Timestamps are the kernel's (epoch seconds); only differences between them mean anything here.
"""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import dpkt  # type: ignore[import-untyped] # dpkt ships no types

_BARRIER_PORT = 9  # discard: nobody of ours listens there


class WireError(Exception):
    """tcpdump did not start or does not keep up."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One UDP datagram or TCP segment."""

    at_seconds: float
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes
    tcp_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One SIP message; retransmissions are messages of their own."""

    at_seconds: float
    source: tuple[str, int]
    destination: tuple[str, int]
    first_line: str
    headers: tuple[tuple[str, str], ...]
    """(name as sent, value); folded lines joined."""
    body: bytes

    @property
    def method(self) -> str:
        """The request's method; empty for a response."""
        return "" if self.status is not None else self.first_line.split(" ", 1)[0]

    @property
    def status(self) -> int | None:
        """The response's status; None for a request."""
        if not self.first_line.startswith("SIP/2.0 "):
            return None
        return int(self.first_line.split(" ", 2)[1])

    @property
    def request_uri(self) -> str:
        return self.first_line.split(" ")[1] if self.method else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a header; compact forms count as their long name."""
        wanted = name.lower()
        return tuple(v for n, v in self.headers if _COMPACT.get(n.lower(), n.lower()) == wanted)

    def get(self, name: str) -> str:
        """A header's first value; empty where there is none."""
        values = self.all(name)
        return values[0] if values else ""

    @property
    def call_id(self) -> str:
        return self.get("call-id")

    @property
    def cseq_method(self) -> str:
        return self.get("cseq").split()[-1]

    @property
    def branch(self) -> str:
        for part in self.get("via").split(";"):
            if part.strip().startswith("branch="):
                return part.strip().removeprefix("branch=")
        return ""

    def __str__(self) -> str:
        where = f"{self.source[0]}:{self.source[1]} > {self.destination[0]}:{self.destination[1]}"
        return f"{self.at_seconds:.6f} {where} {self.first_line} [{self.get('cseq')}]"


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet (RFC 3550 5.1)."""

    at_seconds: float
    source: tuple[str, int]
    destination: tuple[str, int]
    ssrc: int
    sequence: int
    timestamp: int
    payload: bytes


_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "c": "content-type",
    "l": "content-length",
    "r": "refer-to",
    "b": "referred-by",
    "o": "event",
    "u": "allow-events",
    "k": "supported",
    "x": "session-expires",
}


class Wire:
    """A running capture of everything from or to `hosts` (all 127.x) on the loopback interface.

    With few `snap_bytes` only `packets` and `rtp` are of use: SIP that was cut is left out. With
    many the buffer holds few packets, since each has as much room as the longest might need:
    while tcpdump stands still, 2,000 at 16,384 bytes and 500 at 65,535.
    With a `port` only what goes from or to it: the sound of a hundred calls takes long to read.
    """

    def __init__(self, *hosts: str, snap_bytes: int = 16384, port: int | None = None) -> None:
        self.hosts = hosts
        self.snap_bytes = snap_bytes
        self.port = port
        self.lost_packets = 0
        """Known once it has stopped: those for which tcpdump came too late."""
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = ExitStack()
        self._file = Path()

    @property
    def pid(self) -> int:
        """tcpdump's, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory("-wire")))
        self._file = folder / "capture.pcap"
        # tcpdump writes to our descriptor: it gives up root before it would open a file itself.
        output = self._stack.enter_context(self._file.open("wb"))
        expression = " or ".join(f"host {host}" for host in self.hosts)
        if self.port is not None:
            expression = f"({expression}) and (port {self.port} or port {_BARRIER_PORT})"
        self._process = subprocess.Popen(
            [
                *("tcpdump", "-i", "lo", "-n", "-U", "--immediate-mode", "-B", "131072"),
                *("-s", str(self.snap_bytes), "-w", "-", expression),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
        )
        self._wait_started()
        return self

    def packets(self) -> list[Packet]:
        """Every UDP datagram and TCP segment up to this moment."""
        marker = self._barrier()
        return [p for p in self._read() if p.payload != marker and not _is_barrier(p)]

    def sip(self) -> list[SipMessage]:
        """Every SIP message up to this moment, in the order of the wire."""
        packets = self.packets()
        found = [m for p in packets if p.tcp_sequence is None for m in _sip_of_datagram(p)]
        found += _sip_of_streams(p for p in packets if p.tcp_sequence is not None)
        return sorted(found, key=lambda message: message.at_seconds)

    def rtp(self) -> list[RtpPacket]:
        """Every RTP packet up to this moment; group by `ssrc` or `destination` as needed."""
        return [r for p in self.packets() if (r := _rtp_of(p)) is not None]

    def stop(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            _, told = process.communicate()
            if lost := re.search(rb"(\d+) packets? dropped by kernel", told):
                self.lost_packets = int(lost[1])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
            if error is not None and self.lost_packets:
                # What a test then misses may have been on the wire all the same.
                error.add_note(f"tcpdump lost {self.lost_packets} packets")
        finally:
            self._stack.close()

    def _wait_started(self) -> None:
        process = self._process
        assert process is not None
        assert process.stderr is not None
        seen = b""
        while b"listening on" not in seen:
            line = process.stderr.readline()
            if not line:
                raise WireError(f"tcpdump ended at once: {seen.decode(errors='replace')}")
            seen += line

    def _barrier(self, timeout_seconds: float = 10.0) -> bytes:
        """Send a marker through the capture and wait until it is in the file.

        The kernel hands packets to tcpdump in order: what was sent before is then there too.
        """
        marker = b"barrier " + uuid4().hex.encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(marker, (self.hosts[0], _BARRIER_PORT))
        deadline = time.monotonic() + timeout_seconds
        while not self._tail_has(marker):
            if time.monotonic() > deadline:
                raise WireError("the capture does not keep up")
            time.sleep(0.005)
        return marker

    def _tail_has(self, marker: bytes, tail_bytes: int = 4_000_000) -> bool:
        with self._file.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - tail_bytes))
            return marker in file.read()

    def _read(self) -> Iterator[Packet]:
        with self._file.open("rb") as file:
            try:
                for at, frame in dpkt.pcap.Reader(file):
                    packet = _packet_of(float(at), frame)
                    if packet is not None:
                        yield packet
            except dpkt.NeedData:
                return  # the last record is still being written


def first(messages: Iterable[SipMessage], what: str | int, *, cseq: str = "") -> SipMessage:
    """The first request with this method, or the first response with this status.

    Args:
        messages: as `Wire.sip` returned them.
        what: a method or a status.
        cseq: for a status: the method it answers.
    """
    found = select(messages, what, cseq=cseq)
    assert found, f"no {what} {cseq} on the wire"
    return found[0]


def select(messages: Iterable[SipMessage], what: str | int, *, cseq: str = "") -> list[SipMessage]:
    """Every message that `first` would take."""
    return [
        m
        for m in messages
        if (m.status == what if isinstance(what, int) else m.method == what)
        and (not cseq or m.cseq_method == cseq)
    ]


def first_of_each(messages: Iterable[SipMessage], header: str) -> list[SipMessage]:
    """The first message with each value of a header, in the order of the wire.

    Retransmissions are left out by `cseq` within a call, by `call-id` where one a call is wanted.
    """
    found: dict[str, SipMessage] = {}
    for message in messages:
        found.setdefault(message.get(header), message)
    return list(found.values())


def first_of_each_call(messages: Iterable[SipMessage]) -> list[SipMessage]:
    """`first_of_each` by Call-ID."""
    return first_of_each(messages, "call-id")


def _packet_of(at_seconds: float, frame: bytes) -> Packet | None:
    ip = dpkt.ethernet.Ethernet(frame).data
    if not isinstance(ip, dpkt.ip.IP):
        return None
    segment = ip.data
    if isinstance(segment, dpkt.udp.UDP):
        sequence = None
    elif isinstance(segment, dpkt.tcp.TCP):
        sequence = int(segment.seq)
    else:
        return None
    return Packet(
        at_seconds,
        (socket.inet_ntoa(ip.src), int(segment.sport)),
        (socket.inet_ntoa(ip.dst), int(segment.dport)),
        bytes(segment.data),
        sequence,
    )


def _is_barrier(packet: Packet) -> bool:
    return packet.destination[1] == _BARRIER_PORT and packet.payload.startswith(b"barrier ")


def _sip_of_datagram(packet: Packet) -> list[SipMessage]:
    head, separator, body = packet.payload.partition(b"\r\n\r\n")
    if not separator or b"SIP/2.0" not in head.split(b"\r\n", 1)[0]:
        return []
    return [_sip_of(packet, head, body)]


def _sip_of_streams(packets: Iterable[Packet]) -> list[SipMessage]:
    """Cut TCP streams into messages by Content-Length; segments already seen are dropped."""
    buffers: dict[tuple[tuple[str, int], tuple[str, int]], bytes] = {}
    expected: dict[tuple[tuple[str, int], tuple[str, int]], int] = {}
    found: list[SipMessage] = []
    for packet in packets:
        if not packet.payload:
            continue
        way = (packet.source, packet.destination)
        assert packet.tcp_sequence is not None
        if packet.tcp_sequence < expected.get(way, 0):
            continue
        expected[way] = packet.tcp_sequence + len(packet.payload)
        buffer = buffers.get(way, b"") + packet.payload
        while (cut := _message_end(buffer)) is not None:
            head, _, body = buffer[:cut].lstrip(b"\r\n").partition(b"\r\n\r\n")
            found.append(_sip_of(packet, head, body))
            buffer = buffer[cut:]
        buffers[way] = buffer
    return found


def _message_end(buffer: bytes) -> int | None:
    start = len(buffer) - len(buffer.lstrip(b"\r\n"))
    end = buffer.find(b"\r\n\r\n", start)
    if end < 0 or b"SIP/2.0" not in buffer[start:end].split(b"\r\n", 1)[0]:
        return None
    length = 0
    for line in buffer[start:end].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() in {b"content-length", b"l"}:
            length = int(value)
    total = end + 4 + length
    return total if len(buffer) >= total else None


def _sip_of(packet: Packet, head: bytes, body: bytes) -> SipMessage:
    first_line, *lines = head.decode("utf-8", "replace").split("\r\n")
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in {" ", "\t"} and headers:
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {line.strip()}")
            continue
        name, _, value = line.partition(":")
        headers.append((name.strip(), value.strip()))
    return SipMessage(
        packet.at_seconds, packet.source, packet.destination, first_line, tuple(headers), body
    )


def _rtp_of(packet: Packet) -> RtpPacket | None:
    """RTP version 2, and no RTCP (packet types 200 to 204, RFC 5761 4)."""
    data = packet.payload
    if packet.tcp_sequence is not None or len(data) < 12 or data[0] >> 6 != 2:
        return None
    if 200 <= data[1] <= 204:
        return None
    start = 12 + 4 * (data[0] & 0x0F)
    return RtpPacket(
        packet.at_seconds,
        packet.source,
        packet.destination,
        ssrc=int.from_bytes(data[8:12], "big"),
        sequence=int.from_bytes(data[2:4], "big"),
        timestamp=int.from_bytes(data[4:8], "big"),
        payload=data[start:],
    )
