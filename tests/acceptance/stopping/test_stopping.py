"""An engine that is told to end: once, twice, and while its database is locked."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from tests.acceptance.support.carrier import (
    FIRST_NUMBER,
    Carrier,
    dialing_installation,
    handed_over,
)
from tests.acceptance.support.installation import Engine, Installation
from tests.acceptance.support.locking import locked
from tests.peers.addresses import Addresses
from tests.peers.sipp.steps import cancel, only_for, ring, terminate_cancelled, trying

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
LEADS = 6
RING_SECONDS = 15.0
"""The shortest that is allowed (16 CFR 310.4(b)(4)(ii))."""
TALK_MS = 4000
"""From the 202 to the final NOTIFY."""
AT_ONCE_SECONDS = 1.0
MARGIN_SECONDS = 1.0
"""For a machine that has more to do than it has cores."""
LOCKED_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One phone that rings, one person who is on the way to an agent, and leads that are left."""

    carrier: Carrier
    installation: Installation

    async def play(self) -> None:
        await self.carrier.wait(lambda seen: seen.sent(180) and seen.sent(202), timeout_seconds=60)

    @property
    def ringing(self) -> str:
        """The Call-ID of the call that nobody answers."""
        (call_id,) = self.carrier.invites()[f"+{FIRST_NUMBER}"]
        return call_id

    @property
    def talking(self) -> str:
        (call_id,) = self.carrier.sent(202)
        return call_id

    def assert_nobody_was_dialed_since(self, moment: float) -> None:
        late = [s for s in self.carrier.said() if s.method == "INVITE" and s.at_seconds > moment]
        assert not late

    def assert_all_is_written(self) -> None:
        rows = self.installation.rows("attempts")
        assert len(rows) == 2
        assert {row["state"] for row in rows} == {"closed"}
        leads = {row["state"] for row in self.installation.rows("leads")}
        assert not leads & {"claimed", "dialing"}


@contextmanager
def carrier(folder: Path) -> Iterator[Carrier]:
    silent = only_for(str(FIRST_NUMBER), trying(), ring(), cancel(), terminate_cancelled())
    steps = (silent, *handed_over(agent_ms=TALK_MS))
    with Carrier(folder / "carrier", ADDRESSES.carrier, steps) as running:
        yield running


async def installed(folder: Path, seen: Carrier) -> Scene:
    installation = await dialing_installation(folder, seen, leads=LEADS, slots=2)
    file = folder / "campaigns" / "sample" / "campaign.toml"
    file.write_text(f"ring_timeout_seconds = {RING_SECONDS}\n{file.read_text()}")
    await installation.succeed("acd campaign reload sample")
    return Scene(seen, installation)


async def test_sigterm_lets_phones_ring_and_people_talk_and_dials_nobody(tmp_path: Path) -> None:
    with carrier(tmp_path) as seen:
        scene = await installed(tmp_path, seen)
        async with scene.installation.engine() as engine:
            await scene.play()
            told_at = time.time()
            assert await engine.end() == 0, engine.log()
        rang = seen.when(scene.ringing, "CANCEL") - seen.when(scene.ringing, "INVITE")
        assert RING_SECONDS - 0.1 <= rang <= RING_SECONDS + MARGIN_SECONDS
        notified_at = seen.when(scene.talking, "NOTIFY", received=False)
        assert told_at < notified_at < seen.when(scene.talking, "BYE")
        scene.assert_nobody_was_dialed_since(told_at + MARGIN_SECONDS)
        scene.assert_all_is_written()
    become = {row["disposition"] for row in scene.installation.rows("attempts")}
    assert become == {"no_answer", "handed_over"}


async def test_a_second_sigterm_ends_every_call_at_once_and_all_is_written(tmp_path: Path) -> None:
    with carrier(tmp_path) as seen:
        scene = await installed(tmp_path, seen)
        async with scene.installation.engine() as engine:
            await scene.play()
            told_at = await end_at_once(engine)
            assert await engine.wait() == 0, engine.log()
        assert seen.when(scene.ringing, "CANCEL") - told_at <= AT_ONCE_SECONDS + MARGIN_SECONDS
        assert seen.when(scene.talking, "BYE") - told_at <= AT_ONCE_SECONDS + MARGIN_SECONDS
        scene.assert_nobody_was_dialed_since(told_at + MARGIN_SECONDS)
        scene.assert_all_is_written()


async def test_what_a_locked_database_keeps_back_is_written_before_the_end(tmp_path: Path) -> None:
    with carrier(tmp_path) as seen:
        scene = await installed(tmp_path, seen)
        async with scene.installation.engine() as engine:
            await scene.play()
            with locked(scene.installation.folder / "acd.sqlite"):
                told_at = await end_at_once(engine)
                # How long it is locked is what is tried.
                await trio.sleep(told_at + LOCKED_SECONDS - time.time())
                assert engine.process.poll() is None, "it waits for what it has to write"
            assert await engine.wait() == 0, engine.log()
        assert seen.when(scene.ringing, "CANCEL") - told_at <= AT_ONCE_SECONDS + MARGIN_SECONDS
        assert seen.when(scene.talking, "BYE") - told_at <= AT_ONCE_SECONDS + MARGIN_SECONDS
        scene.assert_nobody_was_dialed_since(told_at + MARGIN_SECONDS)
        scene.assert_all_is_written()


async def end_at_once(engine: Engine) -> float:
    """Two signals; when the second one went."""
    engine.process.send_signal(signal.SIGTERM)
    with trio.fail_after(30):
        # Two that come in one look of the kernel's would be one.
        while "engine.stopping" not in engine.log():  # noqa: ASYNC110 # another program's file
            await trio.sleep(0.01)
    told_at = time.time()
    engine.process.send_signal(signal.SIGTERM)
    return told_at
