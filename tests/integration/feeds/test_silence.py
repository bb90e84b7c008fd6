"""A manager interface that says nothing: quiet because nothing happens, or because it hangs."""

from __future__ import annotations

import os
import signal
from functools import partial

import pytest
import trio
from structlog.testing import capture_logs

from acd.agents import AgentState
from acd.agents_feed import ami
from tests.integration.feeds.floor import BOUND_SECONDS, manager, told
from tests.peers.addresses import Addresses
from tests.peers.centre import open_centre

ADDRESSES = Addresses.free()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed after a second."""
    monkeypatch.setattr(ami, "PING_SECONDS", 0.2)
    monkeypatch.setattr(ami, "SILENCE_SECONDS", 2.0)
    monkeypatch.setattr(ami, "LOGIN_SECONDS", 1.0)


@pytest.mark.real
@pytest.mark.usefixtures("impatient")
async def test_an_asterisk_in_which_nothing_happens_is_not_taken_for_dead() -> None:
    with capture_logs() as lines:
        async with open_centre(ADDRESSES), told(manager(ADDRESSES.pbx)) as agents:
            await agents.until("101", AgentState.READY)
            # What must not happen has a time in which it would: twice the silence.
            with trio.move_on_after(2 * ami.SILENCE_SECONDS):
                await agents.until("101", AgentState.NOT_READY)
            assert agents.is_up()
    assert "feed.lost" not in {line["action"] for line in lines if line["log_level"] == "error"}


@pytest.mark.real
@pytest.mark.usefixtures("impatient")
async def test_an_asterisk_that_hangs_is_known_by_its_silence() -> None:
    async with open_centre(ADDRESSES) as centre, told(manager(ADDRESSES.pbx)) as agents:
        await agents.until("101", AgentState.READY)
        os.kill(centre.pbx.pid, signal.SIGSTOP)
        try:
            await agents.until("101", AgentState.NOT_READY)
            assert not agents.is_up()
        finally:
            os.kill(centre.pbx.pid, signal.SIGCONT)
        await agents.until("101", AgentState.READY)
        assert agents.is_up()


async def _says(words: bytes, stream: trio.SocketStream) -> None:
    await stream.send_all(words)
    async for _ in stream:
        pass


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers there is no Asterisk manager interface"),
        (b"", "no answer to the login"),
        (b"Asterisk Call Manager/11.0.0\r\n" + b"x" * 70000, "a packet has more than 65536 bytes"),
    ],
)
@pytest.mark.usefixtures("impatient")
async def test_what_is_no_manager_interface_is_named(words: bytes, why: str) -> None:
    with capture_logs() as lines, trio.fail_after(BOUND_SECONDS):
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port = listeners[0].socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, partial(_says, words), listeners)
            async with told(manager("127.0.0.1", port)) as agents:
                # The log is a list that others append to.
                while not lines:  # noqa: ASYNC110
                    await trio.sleep(0.02)
                assert not agents.is_up()
            nursery.cancel_scope.cancel()
    assert (lines[0]["action"], lines[0]["why"]) == ("ami.lost", why)
