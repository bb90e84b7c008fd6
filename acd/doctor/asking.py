"""Asks a PBX one question over the trunk's own transport and waits for the whole answer.

Why not pjsua2: its generic request does not answer a challenge and takes the To header from the
Request-URI (2.15 and 2.17), and its registration would put a contact of ours in front of the
one that a running engine has. So the doctor speaks these few lines of SIP itself, from a port of
its own: it may run while the engine does.
"""

from __future__ import annotations

import errno
import re
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import trio

from acd.dns import UnknownHost, find_host
from acd.doctor.certificate import read_certificate
from acd.doctor.digest import credentials, usable_challenge
from acd.doctor.messages import Method, NotSip, Question, Reply
from acd.settings import Transport, TrunkSettings

ANSWER_SECONDS = 5.0
"""Long enough for four UDP requests (at 0, 0.5, 1.5 and 3.5 s); the fifth would go at 7.5 s."""
_LOOK_SECONDS = 2.0
_T1_SECONDS = 0.5  # RFC 3261 17.1.2.2: timer E starts at T1 and doubles up to T2.
_T2_SECONDS = 4.0
_CHALLENGES = {401: ("WWW-Authenticate", "Authorization")} | {
    407: ("Proxy-Authenticate", "Proxy-Authorization")
}
_WORDS = {
    errno.ECONNREFUSED: "nothing listens there",
    errno.EADDRNOTAVAIL: "bind_address is no address of this machine",
    errno.ENETUNREACH: "no route there",
    errno.EHOSTUNREACH: "no route there",
}


class NoAnswer(Exception):
    """The PBX gave no answer; the text says why, after "host:port"."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A final response, and what became of the challenges before it."""

    reply: Reply
    realm: str = ""
    """Of the last challenge; empty: there was none."""
    refused: bool = False
    """Challenged again although credentials were given."""
    unanswered: str = ""
    """Why a challenge was left unanswered."""


@dataclass(frozen=True, slots=True)
class Hop:
    """Where requests go first."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def first_hop(trunk: TrunkSettings) -> Hop:
    """The outbound proxy, or else the domain, as it was configured."""
    usual = 5061 if trunk.transport is Transport.TLS else 5060
    host, port = _configured(trunk)
    return Hop(host, port or usual)


def _configured(trunk: TrunkSettings) -> tuple[str, int | None]:
    found = re.fullmatch(r"\[?(.+?)\]?(?::(\d+))?", trunk.outbound_proxy or trunk.domain)
    if found is None:
        raise AssertionError("the settings let no other form through")
    return found[1], int(found[2]) if found[2] else None


async def _found_hop(trunk: TrunkSettings) -> Hop:
    """The same, where its `dns_servers` say that it is.

    Raises:
        UnknownHost: those servers do not know it.
    """
    if not trunk.dns_servers:
        return first_hop(trunk)
    ask_dns = partial(
        find_host,
        *_configured(trunk),
        transport=trunk.transport.value,
        servers=trunk.dns_servers,
    )
    there = await trio.to_thread.run_sync(ask_dns, abandon_on_cancel=True)
    return Hop(there.address, there.port)


async def ask(trunk: TrunkSettings, method: Method, *, extension: str = "") -> Answer:
    """Send one request, answer challenges, return the final response within ANSWER_SECONDS.

    Raises:
        NoAnswer: nothing came back, or nothing that can be understood.
    """
    try:
        hop = await _found_hop(trunk)
    except UnknownHost as error:
        raise NoAnswer(str(error)) from error
    try:
        with trio.fail_after(ANSWER_SECONDS):
            async with _connected(trunk, hop) as path:
                question = Question(trunk, method, path.local, extension)
                return await _ask_until_final(path, question)
    except trio.TooSlowError:
        raise NoAnswer(f"{hop} gave no answer in {ANSWER_SECONDS:g} s") from None
    except NotSip as error:
        raise NoAnswer(f"{hop}: {error}") from None
    except OSError as error:
        raise NoAnswer(f"{hop}: {_os_words(error)}") from error
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            words = await _certificate_words(trunk, hop, cause.verify_message)
        else:
            words = _broken_words(cause)
        raise NoAnswer(f"{hop}: {words}") from error


async def _certificate_words(trunk: TrunkSettings, hop: Hop, complaint: str) -> str:
    """Which certificate it was: asked for again, since OpenSSL shows none that it refuses."""
    words = "its TLS certificate is not trusted"
    shown = b""
    with suppress(OSError, trio.BrokenResourceError), trio.move_on_after(_LOOK_SECONDS):
        async with _tls_stream(trunk.model_copy(update={"tls_verify": False}), hop) as (stream, _):
            await stream.do_handshake()
            shown = stream.getpeercert(binary_form=True) or b""
    with suppress(ValueError):
        words += f": {read_certificate(shown)}"
    return f"{words}; {complaint.rstrip('.')}"


async def _ask_until_final(path: _Path, question: Question) -> Answer:
    trunk = question.trunk
    given: dict[str, str] = {}
    realm = ""
    while True:
        reply = await path.exchange(question, question.next_request(given))
        if reply.status not in _CHALLENGES:
            return Answer(reply, realm)
        asks, answers = _CHALLENGES[reply.status]
        challenge = usable_challenge(reply.all(asks))
        if challenge is None:
            return Answer(reply, unanswered="it asks for a kind of digest that acd does not know")
        realm = challenge.realm
        if answers in given and not challenge.stale:
            return Answer(reply, realm, refused=True)
        password = trunk.password.get_secret_value()
        if not password:
            return Answer(reply, realm, unanswered="no password is set")
        if trunk.realm_check and realm.lower() != re.sub(r":\d+$", "", trunk.domain).lower():
            return Answer(reply, realm, unanswered=f'its realm is "{realm}" and realm_check is on')
        given[answers] = credentials(
            challenge,
            user=trunk.auth_user or trunk.user,
            password=password,
            method=question.method,
            uri=question.uri,
            client_nonce=secrets.token_hex(8),
        )


class _Path(Protocol):
    """A way to the PBX that is open."""

    local: str

    async def exchange(self, question: Question, request: bytes) -> Reply:
        """Send one request and wait for its final response."""
        ...


@asynccontextmanager
async def _connected(trunk: TrunkSettings, hop: Hop) -> AsyncIterator[_Path]:
    if trunk.transport is Transport.UDP:
        with await _udp_socket(trunk, hop) as sock:
            yield _Datagrams(sock)
        return
    if trunk.transport is Transport.TLS:
        async with _tls_stream(trunk, hop) as (encrypted, local):
            yield _Stream(encrypted, local)
        return
    async with await _tcp_stream(trunk, hop) as stream:
        yield _Stream(stream, _text(stream.socket.getsockname()))


async def _tcp_stream(trunk: TrunkSettings, hop: Hop) -> trio.SocketStream:
    return await trio.open_tcp_stream(hop.host, hop.port, local_address=trunk.bind_address or None)


@asynccontextmanager
async def _tls_stream(
    trunk: TrunkSettings, hop: Hop
) -> AsyncIterator[tuple[trio.SSLStream[trio.SocketStream], str]]:
    """Before its handshake, which the first byte brings about; with our own address."""
    inner = await _tcp_stream(trunk, hop)
    stream = trio.SSLStream(
        inner, _tls_context(trunk), server_hostname=_configured(trunk)[0], https_compatible=True
    )
    async with stream:
        yield stream, _text(inner.socket.getsockname())


async def _udp_socket(trunk: TrunkSettings, hop: Hop) -> trio.socket.SocketType:
    found = await trio.socket.getaddrinfo(hop.host, hop.port, type=trio.socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[0]
    sock = trio.socket.socket(family, kind, protocol)
    try:
        if trunk.bind_address:
            await sock.bind((trunk.bind_address, 0))
        await sock.connect(address)
    except BaseException:  # cancelled or failed, the socket is nobody's yet; raised again below
        sock.close()
        raise
    return sock


def _tls_context(trunk: TrunkSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=trunk.tls_ca_file)
    if not trunk.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if trunk.tls_certificate_file is not None:
        context.load_cert_chain(trunk.tls_certificate_file, trunk.tls_key_file)
    return context


class _Datagrams:
    """UDP, with the repetitions that RFC 3261 17.1.2.2 asks for."""

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._sock = sock
        self.local = _text(sock.getsockname())

    async def exchange(self, question: Question, request: bytes) -> Reply:
        wait_seconds = _T1_SECONDS
        while True:
            await self._sock.send(request)
            with trio.move_on_after(wait_seconds):
                while True:
                    reply = question.reply(await self._sock.recv(65535))
                    if reply is not None:
                        return reply
            wait_seconds = min(2 * wait_seconds, _T2_SECONDS)


class _Stream:
    """TCP or TLS: messages end where Content-Length says (RFC 3261 18.3)."""

    def __init__(self, stream: trio.abc.Stream, local: str) -> None:
        self._stream = stream
        self._received = b""
        self.local = local

    async def exchange(self, question: Question, request: bytes) -> Reply:
        await self._stream.send_all(request)
        while True:
            reply = question.reply(await self._next_message())
            if reply is not None:
                return reply

    async def _next_message(self) -> bytes:
        while b"\r\n\r\n" not in self._received.lstrip(b"\r\n"):
            await self._receive()
        head, _, rest = self._received.lstrip(b"\r\n").partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d+)", head)
        body_bytes = int(length[1]) if length else 0
        while len(rest) < body_bytes:
            already = len(self._received)
            await self._receive()
            rest += self._received[already:]
        self._received = rest[body_bytes:]
        return head + b"\r\n\r\n"

    async def _receive(self) -> None:
        more = await self._stream.receive_some(65536)
        if not more or len(self._received) > 1_000_000:
            raise NotSip("the connection was closed without an answer")
        self._received += bytes(more)


def _text(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _os_words(error: OSError) -> str:
    """Why a connection failed; trio wraps the attempts at each of a host's addresses."""
    causes = [error, error.__cause__, *getattr(error.__cause__, "exceptions", ())]
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in _WORDS:
            return _WORDS[cause.errno]
    if isinstance(error, trio.socket.gaierror):
        return "there is no such host name"
    return error.strerror or str(error)


def _broken_words(cause: BaseException | None) -> str:
    if isinstance(cause, ssl.SSLError):
        return f"no TLS there ({cause.reason})"
    return "it closed the connection"
