"""Asterisk's manager interface as a feed: `run_ami_feed`.

    connect ─ challenge, login ─ FullyBooted ─ ask devices and queues ─ up ─ events … ─┐
       ▲                                           ▲            └ Reload, FullyBooted ─┤
       └───────────── wait, longer each time ◀─────┴── silence, error, Shutdown ◀──────┘

Devices and queues are asked anew whenever Asterisk says that it has started or reloaded. While
the answer comes, what was known stays; then it is replaced as a whole.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import structlog
import trio

from acd.agents import FeedName
from acd.agents_feed.ami_frames import Frames, GarbledError, Packet, challenge_key, encode
from acd.agents_feed.ami_queues import QueueView
from acd.agents_feed.ami_view import (
    AmiView,
    Fact,
    ListEnded,
    ListRefused,
    MemberDone,
    PersonFact,
    PersonHungUp,
    QueueWaiting,
    Reloaded,
    ShuttingDown,
    decode,
    person_of,
)
from acd.agents_feed.sightings import Listener
from acd.settings import AmiSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CONNECT_SECONDS = 5.0
LOGIN_SECONDS = 5.0
PING_SECONDS = 2.0
SILENCE_SECONDS = 6.0
"""Every ping is answered: a connection that says nothing for this long is dead."""
SYNC_SECONDS = 10.0
FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 5.0
_LISTS: Mapping[str, str] = {"DeviceStateList": "devices", "QueueStatus": "queues"}
"""Action → ActionID of what is asked to know everybody."""


class LostError(Exception):
    """The connection is of no use any more; the message is why."""


async def run_ami_feed(settings: AmiSettings, listener: Listener) -> None:
    """Keep `listener` told for ever, over as many connections as it takes."""
    retry_seconds, told = FIRST_RETRY_SECONDS, ""
    while True:
        connection = Connection(settings, listener)
        why = await connection.run()
        if connection.was_up or why != told:
            # The same reason again every few seconds would bury everything else.
            log.warning("manager interface lost", action="ami.lost", host=settings.host, why=why)
            told = why
        listener.feed_down(FeedName.AMI, why)
        if connection.was_up:
            retry_seconds = FIRST_RETRY_SECONDS
        await trio.sleep(retry_seconds)
        retry_seconds = min(2 * retry_seconds, LAST_RETRY_SECONDS)


class Connection:
    """One login, from the connection to its loss."""

    def __init__(self, settings: AmiSettings, listener: Listener) -> None:
        self._settings = settings
        self._listener = listener
        self._stream: trio.abc.Stream
        self._sending = trio.Lock()
        self._frames = Frames()
        self._packets: deque[Packet] = deque()
        self._view = self._empty_view()
        self._queues = self._empty_queues()
        self._fresh: tuple[AmiView, QueueView] | None = None
        self._nursery: trio.Nursery
        self._asked: set[str] = set()
        self._sync_until = trio.current_time() + SYNC_SECONDS
        self.was_up = False

    def _empty_view(self) -> AmiView:
        return AmiView(device=self._settings.device, queues=self._settings.queues)

    def _empty_queues(self) -> QueueView:
        return QueueView(wrap_up_seconds=self._settings.queue_wrap_up_seconds)

    async def run(self) -> str:
        """Tell the listener until the connection is lost; why it was."""
        try:
            self._stream = await self._connect()
            async with self._stream, trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._ping)
                why = await self._read()
                nursery.cancel_scope.cancel()
        except LostError as error:
            return str(error)
        return why

    async def _connect(self) -> trio.abc.Stream:
        settings = self._settings
        host = settings.host.strip("[]")
        try:
            with _at_most(CONNECT_SECONDS, "no answer"):
                plain = await trio.open_tcp_stream(host, settings.port)
                return await _encrypted(plain, settings, host) if settings.tls else plain
        except (OSError, trio.BrokenResourceError) as error:
            reason = error.__cause__ or error
            raise LostError(
                f"no connection to {settings.host} port {settings.port}: {reason}"
            ) from error

    async def _read(self) -> str:
        """Log in and read on; why there is nothing more to read."""
        try:
            with _at_most(LOGIN_SECONDS, "no answer to the login"):
                await self._login()
            while True:
                await self._take(await self._next())
        except (OSError, trio.BrokenResourceError) as error:
            return f"the connection broke: {error.__cause__ or error}"
        except (GarbledError, LostError) as error:
            return str(error)

    async def _login(self) -> None:
        settings = self._settings
        asked = await self._ask("Challenge", {"AuthType": "MD5"})
        key = challenge_key(asked.get("Challenge", ""), settings.password.get_secret_value())
        login = {"AuthType": "MD5", "Username": settings.user, "Key": key, "Events": "on"}
        await self._ask("Login", login)

    async def _ask(self, action: str, fields: Mapping[str, str]) -> Packet:
        await self._send(action, {**fields, "ActionID": action})
        while True:
            packet = await self._next()
            if packet.get("ActionID") == action and "Response" in packet:
                break
            await self._take(packet)
        if packet["Response"] != "Success":
            raise LostError(f"{action} was refused: {packet.get('Message', 'no reason given')}")
        return packet

    async def _send(self, action: str, fields: Mapping[str, str]) -> None:
        async with self._sending:
            await self._stream.send_all(encode(action, fields))

    async def _next(self) -> Packet:
        while not self._packets:
            with _at_most(SILENCE_SECONDS, "it has fallen silent"):
                self._receive(await self._stream.receive_some())
        if not self.was_up and trio.current_time() > self._sync_until:
            raise LostError(
                "devices and queues were not told in time: the account needs "
                "read = system,call,agent and write = reporting"
            )
        return self._packets.popleft()

    def _receive(self, data: bytes | bytearray) -> None:
        if not data:
            raise LostError("Asterisk closed the connection")
        self._packets.extend(self._frames.take(bytes(data)))

    async def _ping(self) -> None:
        # A connection that breaks here is noticed by whoever reads.
        with suppress(trio.BrokenResourceError):
            while True:
                await trio.sleep(PING_SECONDS)
                await self._send("Ping", {})

    async def _take(self, packet: Packet) -> None:
        fact = decode(packet)
        match fact:
            case None:
                pass
            case Reloaded():
                await self._ask_everything()
            case ShuttingDown():
                raise LostError("Asterisk is shutting down")
            case ListRefused(action_id=asked, why=why):
                if asked in _LISTS.values():
                    raise LostError(f"{asked} were not told: {why}")
            case ListEnded(action_id=asked):
                self._asked.discard(asked)
                if not self._asked and self._fresh is not None:
                    self._become_up(*self._fresh)
            case _:
                self._tell(fact)

    def _tell(self, fact: Fact) -> None:
        if (ended := self._queues.ended_by(fact)) is not None:
            self._tell(ended)
        now = trio.current_time()
        if self._fresh is not None:
            view, queues = self._fresh
            view.take(fact)
            queues.take(fact, at_seconds=now)
        sighting = self._view.take(fact)
        if sighting is not None and self.was_up:
            self._listener.saw(FeedName.AMI, sighting)
        queue = self._queues.take(fact, at_seconds=now)
        if isinstance(fact, PersonFact) and self.was_up:
            self._tell_person(fact)
        if queue and self.was_up:
            self._tell_queue(queue)
            if isinstance(fact, MemberDone):
                wrap_up_seconds = self._queues.wrap_up_seconds(fact)
                self._nursery.start_soon(self._tell_after, queue, wrap_up_seconds)

    def _tell_person(self, fact: PersonFact) -> None:
        interface = "" if isinstance(fact, QueueWaiting | PersonHungUp) else fact.interface
        person = person_of(fact, self._view.agent_at(interface))
        if person is not None:
            queue = "" if isinstance(fact, PersonHungUp) else fact.queue
            self._listener.saw_person(queue, person)

    def _tell_queue(self, queue: str) -> None:
        self._listener.saw_queue(queue, self._queues.seen(queue, at_seconds=trio.current_time()))

    async def _tell_after(self, queue: str, wrap_up_seconds: float) -> None:
        """Say what a queue can take once one of its members has wrapped up."""
        if wrap_up_seconds:
            await trio.sleep(wrap_up_seconds)
            self._tell_queue(queue)

    async def _ask_everything(self) -> None:
        self._fresh = self._empty_view(), self._empty_queues()
        self._asked = set(_LISTS.values())
        for action, action_id in _LISTS.items():
            await self._send(action, {"ActionID": action_id})

    def _become_up(self, view: AmiView, queues: QueueView) -> None:
        self._view, self._queues, self._fresh, self.was_up = view, queues, None, True
        now = trio.current_time()
        seen = {name: queues.seen(name, at_seconds=now) for name in queues.names}
        self._listener.feed_up(FeedName.AMI, view.sightings(), seen)


async def _encrypted(plain: trio.SocketStream, settings: AmiSettings, host: str) -> trio.abc.Stream:
    tls = trio.SSLStream(plain, tls_context(settings), server_hostname=host, https_compatible=True)
    try:
        await tls.do_handshake()
    except BaseException:  # a cancelled handshake must close the socket too; raised again below
        await trio.aclose_forcefully(plain)
        raise
    return tls


def tls_context(settings: AmiSettings) -> ssl.SSLContext:
    """What is trusted: the system's authorities or a file's, or, where told so, anybody."""
    context = ssl.create_default_context(cafile=settings.tls_ca_file)
    if not settings.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _at_most(seconds: float, why: str) -> Iterator[None]:
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise LostError(why)
