"""The gateway: a TCP server of JSON lines beside the scheduler, on its own share of the lines.

    connection ─ hello, auth ─▶ Session (new, or the one that waits for this client) ─ messages

A connection that breaks leaves its session waiting for `grace_seconds`; then the session ends.
`docs/tapi-protocol.md` has every message.
"""

from __future__ import annotations

import secrets
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
import trio

from acd.lines import Trunk
from acd.metrics import TapiCounts
from acd.settings import TapiClientSettings, TapiSettings
from acd.tapi.books import Desk
from acd.tapi.caps import caps_fields, caps_name
from acd.tapi.listener import listen, tls_of
from acd.tapi.reception import Reception
from acd.tapi.session import Session
from acd.tapi.wire import (
    PROTOCOL,
    BadFieldError,
    Message,
    MessageReader,
    WireError,
    encode,
    signed_by,
    text_of,
    whole_of,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger()

AUTH_SECONDS = 5.0
MOST_CONNECTIONS = 200
MISSED_HEARTBEATS = 3
SEND_SECONDS = 30.0
"""A client that takes nothing for so long is gone."""
NONCE_BYTES = 16
SESSION_BYTES = 8
Secret = Callable[[int], str]
"""So many random bytes as hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class _RefusalError(Exception):
    why: str


class TapiGateway:
    """Sessions and lines; `serve` is one connection."""

    def __init__(
        self,
        settings: TapiSettings,
        desks: Mapping[str, Desk],
        links: trio.Nursery,
        calls: trio.Nursery,
        *,
        secret: Secret = secrets.token_hex,
        trunks: Iterable[Trunk] = (),
    ) -> None:
        self._trunks = tuple({trunk.name: trunk for trunk in trunks}.values())
        self._settings = settings
        self._desks = desks
        self._links = links
        self._calls = calls
        self._secret = secret
        self._sessions: dict[str, Session] = {}
        self._owners: dict[int, Session] = {}
        self._connections: dict[str, trio.CancelScope] = {}
        self._room = trio.CapacityLimiter(MOST_CONNECTIONS)
        self._line_count = settings.lines
        self._reception = Reception(self._owner_of)
        self.stopping = False

    # What sessions ask

    def enabled(self, line: int) -> bool | None:
        """Whether a line is enabled; None: there is no such line."""
        if not 1 <= line <= self._line_count:
            return None
        return line not in self._settings.disabled_lines

    def take_line(self, line: int, session: Session) -> bool:
        """Make the session the line's owner; False: another session is."""
        return self._owners.setdefault(line, session) is session

    def leave_line(self, line: int, session: Session) -> None:
        """Give the line up."""
        if self._owners.get(line) is session:
            del self._owners[line]

    def line(self, number: int) -> dict[str, Any]:
        """A line device as clients see it."""
        enabled = bool(self.enabled(number))
        desk = next(iter(self._desks.values())).of_line(number)
        health = desk.trunk.health
        account = f"sip:{desk.trunk_settings.user}@{desk.trunk_settings.domain}"
        return {
            "n": number,
            "name": f"acd {number:03}: {account if enabled else 'deactivated'}",
            "addr": f"{number:03}",
            "enabled": enabled,
            "reg": enabled and health.registered,
            "insvc": enabled and health.may_dial,
            "caps": caps_name(desk.profile.mode, incoming=desk.profile.incoming),
        }

    def _owner_of(self, line: int) -> Session | None:
        """Who has this line open, as long as there is such a line."""
        return self._owners.get(line) if self.enabled(line) else None

    def owned(self, line: int) -> bool:
        """Whether some session has the line open."""
        return line in self._owners

    # What people ask

    def resize(self, lines: int) -> None:
        """Have so many line devices from now on; calls on those that go end by themselves."""
        before = self.shown_lines()
        self.become(self._settings.model_copy(update={"lines": lines}), before)

    def shown_lines(self) -> dict[int, dict[str, Any]]:
        """Every line device as clients see it."""
        return {number: self.line(number) for number in range(1, self._line_count + 1)}

    def become(
        self, settings: TapiSettings, before: Mapping[int, Mapping[str, Any]]
    ) -> Mapping[str, int]:
        """Tell every client which lines are new, other than `before`, or gone."""
        log.info("lines changed", action="tapi.lines", before=len(before), now=settings.lines)
        self._settings, self._line_count = settings, settings.lines
        now = self.shown_lines()
        added = [line for number, line in now.items() if line != before.get(number)]
        removed = sorted(before.keys() - now.keys())
        for session in self._sessions.values():
            session.tell_changed(added, removed)
        self.take_calls()
        new = len(now.keys() - before.keys())
        return {"new": new, "changed": len(added) - new, "gone": len(removed)}

    def status(self) -> dict[str, Any]:
        """Lines and clients at this moment, for `acd tapi status`."""
        return {
            "lines": self._line_count,
            "disabled": [n for n in self._settings.disabled_lines if n <= self._line_count],
            "clients": [
                {
                    "client": session.desk.name,
                    "connected": session.lost_at is None,
                    "open_lines": session.open_lines,
                    "calls": session.live_calls,
                }
                for session in self._sessions.values()
            ],
        }

    def counts(self) -> dict[str, TapiCounts]:
        """Each client with a session, for `/metrics`."""
        found: dict[str, list[Session]] = {}
        for session in self._sessions.values():
            found.setdefault(session.desk.name, []).append(session)
        return {client: _counted(sessions) for client, sessions in found.items()}

    async def watch_trunks(self) -> None:
        """Tell who has lines open when their trunk comes and goes (LINE_LINEDEVSTATE)."""
        async with trio.open_nursery() as nursery:
            for trunk in self._trunks:
                nursery.start_soon(self._watch_trunk, trunk)

    async def _watch_trunk(self, trunk: Trunk) -> None:
        seen = trunk.health
        while True:
            now = await trunk.wait_health_change(seen)
            if (now.may_dial, now.registered) != (seen.may_dial, seen.registered):
                for session in self._sessions.values():
                    session.tell_lines(of=trunk.name)
            seen = now

    # Connections

    async def serve(self, stream: trio.abc.Stream) -> None:
        """One connection from its greeting to its end; never raises for what a client does."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with stream:
                try:
                    async with self._room:
                        await self._serve(stream)
                except _RefusalError as refusal:
                    log.warning("client refused", action="tapi.denied", why=refusal.why)
                    with trio.move_on_after(AUTH_SECONDS):
                        await stream.send_all(encode({"t": "denied", "why": refusal.why}))
                except WireError as error:
                    log.warning("connection cut", action="tapi.cut", why=str(error))
                except Exception:  # whatever it is, calls and campaigns must go on
                    log.exception("connection cut by a fault of ours", action="tapi.fault")

    async def _serve(self, stream: trio.abc.Stream) -> None:
        reader = MessageReader(stream)
        nonce = self._secret(NONCE_BYTES)
        auth: Message | None = None
        with trio.move_on_after(AUTH_SECONDS):
            await stream.send_all(encode({"t": "hello", "proto": PROTOCOL, "nonce": nonce}))
            auth = await reader.next()
        if auth is None:
            return
        desk = self._admit(auth, nonce)
        session, last_seq = self._session_for(desk, auth)
        await self._attend(stream, reader, session, last_seq)

    def _admit(self, auth: Message, nonce: str) -> Desk:
        try:
            name, inst, signature = (text_of(auth, key) for key in ("client", "inst", "hmac"))
            proto = whole_of(auth, "proto")
        except BadFieldError as error:
            raise _RefusalError(str(error)) from None
        if auth["t"] != "auth":
            raise _RefusalError("auth must come first")
        if proto != PROTOCOL:
            raise _RefusalError(f"protocol {proto} is not spoken here; this is {PROTOCOL}")
        desk = self._desks.get(name)
        # A stand-in for a client that does not exist: both answers take the same time.
        token = desk.settings.token.get_secret_value() if desk else nonce
        right = signed_by(token, signature, nonce=nonce, inst=inst)
        if desk is None or not right:
            raise _RefusalError("unknown client or wrong token")
        return desk

    def _session_for(self, desk: Desk, auth: Message) -> tuple[Session, int | None]:
        """The session to go on with, and the last message its client has; None: a new one."""
        inst = text_of(auth, "inst")
        resume = auth.get("resume")
        if isinstance(resume, dict):
            session = self._sessions.get(str(resume.get("session")))
            last_seq = resume.get("last_seq")
            if (
                session is not None
                and session.desk is desk
                and session.inst == inst
                and isinstance(last_seq, int)
                and session.outbox.holds(last_seq)
            ):
                self._cut(session)
                return session, last_seq
        for old in [each for each in self._sessions.values() if each.inst == inst]:
            if old.desk is desk:
                self._end(old)
        name = self._secret(SESSION_BYTES)
        session = Session(name, desk, self, self._calls, inst=inst)
        self._sessions[name] = session
        return session, None

    def _cut(self, session: Session) -> None:
        """A session has one connection: a client that comes back has lost the old one."""
        scope = self._connections.pop(session.name, None)
        if scope is not None:
            scope.cancel()

    def _end(self, session: Session) -> None:
        self._cut(session)
        self._sessions.pop(session.name, None)
        session.end()

    async def _attend(
        self,
        stream: trio.abc.Stream,
        reader: MessageReader,
        session: Session,
        last_seq: int | None,
    ) -> None:
        scope = trio.CancelScope()
        self._connections[session.name] = scope
        session.outbox.forget_aside()
        session.resumed()
        log.info("client connected", action="tapi.connected", tapi_client=session.desk.name)
        said_bye = False
        try:
            with scope:
                ready = encode(self._ready(session, last_seq))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, stream, session, ready, last_seq or 0, scope)
                    said_bye = await self._read(reader, session, scope)
                    nursery.cancel_scope.cancel()
        finally:
            # Unless another connection of the same session has taken over.
            if self._connections.get(session.name) is scope:
                del self._connections[session.name]
                self._lost(session, for_good=said_bye)

    def _lost(self, session: Session, *, for_good: bool) -> None:
        log.info("client gone", action="tapi.gone", tapi_client=session.desk.name, bye=for_good)
        session.lost()
        if for_good:
            self._end(session)
        else:
            self._links.start_soon(self._wait_grace, session)

    async def _wait_grace(self, session: Session) -> None:
        lost_at = session.lost_at
        await trio.sleep(self._settings.grace_seconds)
        if session.lost_at == lost_at and session.name in self._sessions:
            name = session.desk.name
            log.warning("client not back", action="tapi.grace_over", tapi_client=name)
            self._end(session)

    def _ready(self, session: Session, last_seq: int | None) -> dict[str, Any]:
        ready: dict[str, Any] = {
            "t": "ready",
            "session": session.name,
            "resumed": last_seq is not None,
            "hb": self._settings.heartbeat_seconds,
            "grace": self._settings.grace_seconds,
            "caps": caps_fields(),
            "lines": self._lines_of(session.desk.settings),
        }
        session.line_states.shown(ready["lines"])
        if last_seq is not None:
            ready["snapshot"] = {"seq": session.outbox.last_seq, **session.snapshot()}
        return ready

    def _lines_of(self, client: TapiClientSettings) -> list[dict[str, Any]]:
        last = min(client.last_line, self._line_count)
        return [self.line(number) for number in range(client.first_line, last + 1)]

    async def _read(self, reader: MessageReader, session: Session, scope: trio.CancelScope) -> bool:
        """Obey messages until the connection ends; True: the client said goodbye."""
        patience = MISSED_HEARTBEATS * self._settings.heartbeat_seconds
        while True:
            with trio.move_on_after(patience) as silence:
                try:
                    message = await reader.next()
                except WireError as error:
                    log.warning("connection cut", action="tapi.cut", why=str(error))
                    return False
            if silence.cancelled_caught or message is None:
                return False
            if scope.cancel_called:
                # Another connection has the session, and was told which requests are open.
                return False
            if message["t"] == "bye":
                return True
            if message["t"] == "ping":
                session.outbox.put_aside({"t": "pong"})
            else:
                session.handle(message)

    async def _write(
        self,
        stream: trio.abc.Stream,
        session: Session,
        ready: bytes,
        last_seq: int,
        scope: trio.CancelScope,
    ) -> None:
        data = ready
        try:
            while True:
                with trio.fail_after(SEND_SECONDS):
                    await stream.send_all(data)
                await session.outbox.wait_after(last_seq)
                if not session.outbox.holds(last_seq):
                    break
                data, last_seq = session.outbox.after(last_seq), session.outbox.last_seq
        except (trio.BrokenResourceError, trio.TooSlowError):
            pass
        scope.cancel()

    # Life

    def stop(self) -> None:
        """Start no more calls."""
        self.stopping = True

    def take_calls(self) -> None:
        """Show applications who calls their lines' accounts."""
        self._reception.attend(next(iter(self._desks.values())).by_line)

    def end_all(self) -> None:
        """End every session: phones stop ringing, people are let go."""
        for session in list(self._sessions.values()):
            self._end(session)
        self._reception.attend({})


def _counted(sessions: list[Session]) -> TapiCounts:
    connected = sum(session.lost_at is None for session in sessions)
    return TapiCounts(
        connected=connected,
        lost=len(sessions) - connected,
        open_lines=sum(session.open_lines for session in sessions),
        calls=sum((session.call_states() for session in sessions), Counter()),
        waiting_persons=sum(session.waiting_persons for session in sessions),
    )


async def _serve_stream(
    gateway: TapiGateway, tls: ssl.SSLContext | None, stream: trio.SocketStream
) -> None:
    if tls is None:
        await gateway.serve(stream)
    else:
        await gateway.serve(trio.SSLStream(stream, tls, server_side=True))


@asynccontextmanager
async def open_gateway(
    settings: TapiSettings,
    desks: Mapping[str, Desk],
    *,
    trunks: Iterable[Trunk],
    secret: Secret = secrets.token_hex,
) -> AsyncIterator[tuple[TapiGateway, str]]:
    """Serve TAPI clients while the block lasts; then their calls are ended, not cut.

    Args:
        settings: of the gateway, `disabled_lines` with those of profiles.
        desks: each client's, by its name.
        trunks: all that lines are on, or may come to be on.
        secret: makes names of sessions.

    Yields:
        The gateway, and where it listens as `host:port`.

    Raises:
        AddressInUse: another program holds the port.
        BadSettings: the certificate cannot be used.
    """
    tls = tls_of(settings)
    listener = listen(settings)
    host, port = listener.socket.getsockname()[:2]
    async with trio.open_nursery() as calls, trio.open_nursery() as links:
        gateway = TapiGateway(settings, desks, links, calls, secret=secret, trunks=trunks)
        gateway.take_calls()
        links.start_soon(gateway.watch_trunks)
        links.start_soon(trio.serve_listeners, partial(_serve_stream, gateway, tls), [listener])
        try:
            yield gateway, f"{host}:{port}"
        finally:
            gateway.stop()
            gateway.end_all()
            links.cancel_scope.cancel()
