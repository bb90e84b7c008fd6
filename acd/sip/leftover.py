"""Dialogs of a process that died: what identifies one, and the BYE that ends it.

pjsua2 cannot adopt a dialog, nor send a request with a Call-ID and tags of ours, so this sends
its own BYE from a port of its own; the answer comes back by the Via (RFC 3261 18.2.2, RFC 3581).
No credentials: a PBX that challenges inside a dialog has its leg until its own timer ends it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from secrets import token_hex

import trio

from acd.lines import DialogId
from acd.settings import Transport
from acd.sip.headers import header_lines, values_of
from acd.sip.plan import TrunkPlan
from acd.sip.uris import host_and_port

ANSWER_SECONDS = 4.0
"""On loopback and in a LAN an answer takes milliseconds; a dead PBX must not hold up the start."""
_FIRST_RETRANSMISSION_SECONDS = 0.5
"""RFC 3261 17.1.2.2: timer E, doubled each time."""
_CSEQ_AHEAD = 1000
"""What the dead process may have sent after its INVITE; gaps are allowed (RFC 3261 12.2.2)."""
_ENDED = frozenset({200, 481})
_MAX_BYTES = 65535

_IDENTIFYING = ("call-id", "from", "to", "contact", "cseq", "record-route")

_TAG = re.compile(r";\s*tag\s*=", re.IGNORECASE)
_BRACKETED = re.compile(r"<([^>]+)>")
_URI_HOST = re.compile(r"^sips?:(?:[^@]*@)?((?:\[[^\]]+\]|[^:;?\s]+)(?::\d+)?)", re.IGNORECASE)
_STATUS_LINE = re.compile(r"^SIP/2\.0 (\d{3})", re.IGNORECASE)


def dialog_of(message: str) -> DialogId | None:
    """The dialog that a response to our INVITE made (RFC 3261 12.1.2); None where it made none."""
    return _dialog_of(tuple(header_lines(message.partition("\r\n\r\n")[0], *_IDENTIFYING)))


@lru_cache(maxsize=2048)
def _dialog_of(lines: tuple[tuple[str, str], ...]) -> DialogId | None:
    """The 200 mostly says what the 180 has said, some seconds later."""
    headers = values_of(lines)
    target = _uri_of(headers.get("contact", [""])[0])
    remote = headers.get("to", [""])[0]
    number = headers.get("cseq", [""])[0].partition(" ")[0]
    if not target or not _TAG.search(remote) or not number.isdigit():
        return None
    return DialogId(
        call_id=headers["call-id"][0],
        local=headers["from"][0],
        remote=remote,
        target=target,
        routes=tuple(reversed(headers.get("record-route", []))),
        cseq=int(number),
    )


def _uri_of(value: str) -> str:
    bracketed = _BRACKETED.search(value)
    return bracketed[1] if bracketed else value.partition(";")[0].strip()


@dataclass(frozen=True, slots=True)
class _Bye:
    dialog: DialogId
    plan: TrunkPlan
    branch: str

    def from_address(self, host: str, port: int) -> bytes:
        """The request, as sent from this address."""
        dialog = self.dialog
        lines = [
            f"BYE {dialog.target} SIP/2.0",
            f"Via: SIP/2.0/{self.plan.transport.value.upper()} {host}:{port};rport"
            f";branch={self.branch}",
            "Max-Forwards: 70",
            *(f"Route: {route}" for route in dialog.routes),
            f"From: {dialog.local}",
            f"To: {dialog.remote}",
            f"Call-ID: {dialog.call_id}",
            f"CSeq: {dialog.cseq + _CSEQ_AHEAD} BYE",
            f"User-Agent: {self.plan.user_agent}",
            "Content-Length: 0",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def status_of(self, data: bytes) -> int | None:
        """The final status, where this is the answer to us."""
        message = data.decode("utf-8", "replace")
        status = _STATUS_LINE.match(message)
        if status is None or self.branch not in message or int(status[1]) < 200:
            return None
        return int(status[1])


async def hang_up_leftover(dialog: DialogId, plan: TrunkPlan) -> bool:
    """Send BYE; whether the other side says that the dialog is over."""
    hop = _uri_of(dialog.routes[0]) if dialog.routes else dialog.target
    found = _URI_HOST.match(hop)
    if found is None:
        return False
    host, port = host_and_port(found[1], plan.transport)
    bye = _Bye(dialog, plan, f"z9hG4bK{token_hex(8)}")
    status: int | None = None
    with trio.move_on_after(ANSWER_SECONDS):
        try:
            send = _by_datagram if plan.transport is Transport.UDP else _by_stream
            status = await send(bye, host.strip("[]"), port)
        except OSError:
            return False
    return status in _ENDED


async def _by_datagram(bye: _Bye, host: str, port: int) -> int:
    family, kind, protocol, _, there = (
        await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_DGRAM)
    )[0]
    with trio.socket.socket(family, kind, protocol) as sock:
        if bye.plan.bind_address:
            await sock.bind((bye.plan.bind_address, 0))
        await sock.connect(there)
        request = bye.from_address(*sock.getsockname()[:2])

        async def receive() -> bytes:
            return await sock.recv(_MAX_BYTES)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_again, sock.send, request)
            status = await _answer(bye, receive)
            nursery.cancel_scope.cancel()
        return status


async def _send_again(send: Callable[[bytes], Awaitable[int]], request: bytes) -> None:
    wait_seconds = _FIRST_RETRANSMISSION_SECONDS
    while True:
        await send(request)
        await trio.sleep(wait_seconds)
        wait_seconds *= 2


async def _by_stream(bye: _Bye, host: str, port: int) -> int:
    stream = await trio.open_tcp_stream(host, port, local_address=bye.plan.bind_address or None)
    sent_from = stream.socket.getsockname()[:2]
    secured: trio.abc.Stream = stream
    if bye.plan.transport is Transport.TLS:
        secured = trio.SSLStream(stream, _tls(bye.plan), server_hostname=host)
    async with secured:
        try:
            await secured.send_all(bye.from_address(*sent_from))
            return await _answer(bye, secured.receive_some)
        except trio.BrokenResourceError as exc:
            raise OSError(str(exc)) from exc


async def _answer(bye: _Bye, receive: Callable[[], Awaitable[bytes | bytearray]]) -> int:
    """Read until the final answer; on a stream, parts of it come one by one."""
    seen = b""
    while True:
        part = bytes(await receive())
        if not part:
            raise OSError("closed without an answer")
        seen = part if bye.plan.transport is Transport.UDP else (seen + part)[-_MAX_BYTES:]
        complete = b"\r\n\r\n" in seen
        status = bye.status_of(seen) if complete else None
        if status is not None:
            return status


def _tls(plan: TrunkPlan) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=plan.tls_ca_file or None)
    if not plan.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if plan.tls_certificate_file:
        context.load_cert_chain(plan.tls_certificate_file, plan.tls_key_file)
    return context
