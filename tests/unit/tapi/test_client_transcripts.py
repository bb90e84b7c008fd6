"""The client's side of the golden transcripts: a scripted engine speaks, no code of the gateway."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from acd.tapi.client import GatewayAddress, HCall, HLine, LineApp, LineError
from acd.tapi.constants import LineCallState
from tests.unit.tapi.golden import TRANSCRIPTS, lines_of, receive_line
from tests.unit.tapi.stage import TOKEN, until

CLIENTS = sorted((TRANSCRIPTS / "client").glob("*.txt"))
SECRETS = {16: "instance-1", 6: "c1"}
"""By their bytes: the instance, and the name of its only call."""


@dataclass
class Application:
    """Does what a transcript says, and keeps what its last request came to."""

    app: LineApp
    nursery: trio.Nursery
    line: HLine | None = None
    call: HCall | None = None
    _last: trio.Event = field(default_factory=trio.Event)
    """Set once the last request is answered."""
    _said: str = ""

    def __post_init__(self) -> None:
        self._last.set()

    async def obey(self, words: str) -> None:
        what, _, text = words.partition(" ")
        match what:
            case "line_deallocate_call":
                assert self.call is not None
                self.app.line_deallocate_call(self.call)
            case "line_shutdown":
                self.nursery.start_soon(self.app.line_shutdown)
            case "wait":
                await self._last.wait()
                assert self.call is not None
                await self.call.wait_states(LineCallState[text])
            case "said":
                await self._last.wait()
                assert self._said == text
            case _:
                await self._last.wait()
                await until(lambda: self.app.connected)
                self._last = trio.Event()
                self.nursery.start_soon(self._ask, what, text)

    async def _ask(self, what: str, text: str) -> None:
        try:
            await self._request(what, text)
            self._said = "ok"
        except LineError as error:
            self._said = error.code.shown
        self._last.set()

    async def _request(self, what: str, text: str) -> None:
        match what:
            case "line_open":
                self.line = await self.app.line_open(int(text))
            case "line_make_call":
                assert self.line is not None
                self.call = await self.app.line_make_call(self.line, text)
            case "line_blind_transfer":
                assert self.call is not None
                await self.app.line_blind_transfer(self.call, text)
            case "line_drop":
                assert self.call is not None
                await self.app.line_drop(self.call)


@pytest.mark.parametrize("transcript", CLIENTS, ids=lambda path: path.stem)
async def test_the_client_keeps_to_the_transcript(
    transcript: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", SECRETS.__getitem__)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = GatewayAddress(
        host="127.0.0.1",
        port=listener.socket.getsockname()[1],
        client="overdialer",
        token=TOKEN,
        machine="PC1",
    )
    with trio.fail_after(20):
        async with listener, trio.open_nursery() as nursery:
            application = Application(LineApp(address), nursery)
            nursery.start_soon(application.app.run)
            stream = await listener.accept()
            for side, line in lines_of(transcript):
                words = line.decode().strip()
                if words == "cut":
                    await stream.aclose()
                    stream = await listener.accept()
                elif side == "!":
                    await application.obey(words)
                elif side == "E":
                    await stream.send_all(line)
                else:
                    assert await receive_line(stream) == line
            await stream.aclose()
            nursery.cancel_scope.cancel()
