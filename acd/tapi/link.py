"""A client's connection: signs in, keeps it alive, comes back after a loss, and knows when not.

connecting ─▶ up ─▶ lost ─▶ up (resumed) … or, without the gateway for its grace, anew
"""

from __future__ import annotations

import math
import random
import secrets
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import trio

from acd.errors import AcdError
from acd.tapi.wire import (
    MOST_BYTES_BACK,
    PROTOCOL,
    Message,
    MessageReader,
    WireError,
    encode,
    sign,
)

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 15.0
CONNECT_SECONDS = 10.0
MISSED_HEARTBEATS = 3


class GatewayRefusedError(AcdError):
    """The gateway does not know this client, its token or its protocol."""


class GatewayAwayError(AcdError):
    """There is no gateway at the address, or nothing that speaks as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAddress:
    """Where the gateway is, and who we are."""

    host: str
    port: int
    client: str
    token: str = field(repr=False)
    machine: str = "localhost"
    tls: ssl.SSLContext | None = None


class Link:
    """Messages to and from the gateway, over one connection after the other.

    Args:
        address: of the gateway.
        on_ready: told each `ready`, before any message of that connection.
        on_message: told every other message.
        on_replayed: told when a session that was resumed has caught up with what it missed.
        on_lost: told when the gateway was away for its grace: its session is over.
    """

    def __init__(
        self,
        address: GatewayAddress,
        *,
        on_ready: Callable[[Message], None],
        on_message: Callable[[Message], None],
        on_replayed: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._address = address
        self._inst = secrets.token_hex(16)
        self._on_ready, self._on_message, self._on_lost = on_ready, on_message, on_lost
        self._on_replayed = on_replayed
        self._replayed_at: int | None = None
        """The last message of those missed; None: none is missing."""
        self._session = ""
        self._last_seq = 0
        self._grace_seconds = 0.0
        self._lost_at: float | None = None
        self._send, self._outgoing = trio.open_memory_channel[bytes](float("inf"))
        self._sent = trio.Event()
        """Set when everything was sent and nothing more will be."""
        self._up = False

    @property
    def up(self) -> bool:
        """Whether a request would be sent now."""
        return self._up

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message; one that the connection loses is not sent again."""
        if self._up:
            self._send.send_nowait(encode({"t": kind, **fields}))

    async def goodbye(self) -> None:
        """Tell the gateway that nothing is to be kept, and see the message off."""
        if self._up:
            self.send("bye")
            self._up = False
            self._send.close()
            await self._sent.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Stay connected for ever; starts when the gateway was ready for the first time.

        Raises:
            GatewayRefusedError: at the first try or later.
            GatewayAwayError: it cannot be reached at the first try.
        """
        wait_seconds = FIRST_RETRY_SECONDS
        first = True
        while True:
            try:
                await self._connect(task_status if first else trio.TASK_STATUS_IGNORED)
                wait_seconds, first = FIRST_RETRY_SECONDS, False
            except (OSError, trio.BrokenResourceError, trio.TooSlowError, WireError) as error:
                if first:
                    raise self._away(error) from error
            self._up = False
            await self._pause(wait_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            wait_seconds = min(2 * wait_seconds, LAST_RETRY_SECONDS)

    def _away(self, error: Exception) -> GatewayAwayError:
        where = f"{self._address.host}:{self._address.port}"
        # trio's own errors have no words where they stand for another or for the time.
        reason = str(error) or str(error.__cause__ or "no answer in time")
        return GatewayAwayError(f"no TAPI gateway at {where}: {reason}")

    @property
    def _given_up_at(self) -> float:
        """When the gateway has ended the session, on trio's clock."""
        if not self._session or self._lost_at is None:
            return math.inf
        return self._lost_at + self._grace_seconds

    async def _pause(self, seconds: float) -> None:
        """Wait before the next try; at the end of the grace the session is given up."""
        if self._session and self._lost_at is None:
            self._lost_at = trio.current_time()
        until = trio.current_time() + seconds
        if until < self._given_up_at:
            await trio.sleep_until(until)
            return
        await trio.sleep_until(self._given_up_at)
        self._give_up()

    def _give_up(self) -> None:
        self._session, self._last_seq, self._lost_at = "", 0, None
        self._on_lost()

    async def _connect(self, task_status: trio.TaskStatus[None]) -> None:
        with self._time_to_connect():
            stream = await self._open()
        async with stream:
            reader = MessageReader(stream, most_bytes=MOST_BYTES_BACK)
            with self._time_to_connect():
                ready = await self._sign_in(stream, reader)
            self._take_ready(ready)
            task_status.started()
            async with trio.open_nursery() as nursery:
                for work in (self._write, self._beat):
                    nursery.start_soon(work, stream, float(ready["hb"]))
                await self._read(reader, float(ready["hb"]))
                nursery.cancel_scope.cancel()
            self._up = False
            self._lost_at = trio.current_time()

    def _time_to_connect(self) -> AbstractContextManager[trio.CancelScope]:
        """No attempt to come back goes on beyond the grace: who waits is told in time."""
        return trio.fail_at(min(trio.current_time() + CONNECT_SECONDS, self._given_up_at))

    async def _open(self) -> trio.abc.Stream:
        stream = await trio.open_tcp_stream(self._address.host, self._address.port)
        if self._address.tls is None:
            return stream
        return trio.SSLStream(stream, self._address.tls, server_hostname=self._address.host)

    async def _sign_in(self, stream: trio.abc.Stream, reader: MessageReader) -> Message:
        hello = await reader.next()
        if hello is None or hello["t"] != "hello":
            raise WireError("the gateway did not greet")
        auth: dict[str, Any] = {
            "t": "auth",
            "proto": PROTOCOL,
            "client": self._address.client,
            "host": self._address.machine,
            "inst": self._inst,
            "hmac": sign(self._address.token, nonce=str(hello["nonce"]), inst=self._inst),
        }
        if self._session:
            auth["resume"] = {"session": self._session, "last_seq": self._last_seq}
        await stream.send_all(encode(auth))
        ready = await reader.next()
        if ready is not None and ready["t"] == "denied":
            raise GatewayRefusedError(f"the gateway refused us: {ready.get('why', '')}")
        if ready is None or ready["t"] != "ready":
            raise WireError("the gateway is not ready")
        return ready

    def _take_ready(self, ready: Message) -> None:
        if self._session and not ready["resumed"]:
            self._give_up()
        self._session, self._grace_seconds = str(ready["session"]), float(ready["grace"])
        self._lost_at = None
        self._send, self._outgoing = trio.open_memory_channel[bytes](float("inf"))
        self._sent = trio.Event()
        self._up = True
        self._replayed_at = ready["snapshot"]["seq"] if ready["resumed"] else None
        self._on_ready(ready)
        self._look_replayed()

    def _look_replayed(self) -> None:
        if self._replayed_at is not None and self._last_seq >= self._replayed_at:
            self._replayed_at = None
            self._on_replayed()

    async def _read(self, reader: MessageReader, heartbeat_seconds: float) -> None:
        while True:
            with trio.move_on_after(MISSED_HEARTBEATS * heartbeat_seconds) as silence:
                try:
                    message = await reader.next()
                except WireError:
                    return
            if silence.cancelled_caught or message is None:
                return
            if "seq" in message:
                self._last_seq = int(message["seq"])
            self._on_message(message)
            self._look_replayed()

    async def _write(self, stream: trio.abc.Stream, _heartbeat_seconds: float) -> None:
        try:
            async for data in self._outgoing:
                await stream.send_all(data)
        except trio.BrokenResourceError:
            self._up = False
        finally:
            self._sent.set()

    async def _beat(self, _stream: trio.abc.Stream, heartbeat_seconds: float) -> None:
        while True:
            await trio.sleep(heartbeat_seconds)
            self.send("ping")
