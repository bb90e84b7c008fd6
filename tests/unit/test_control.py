from __future__ import annotations

import os
import socket
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from acd.control import ask_engine, only_engine, open_control
from acd.errors import AddressInUse, EngineSilent


async def ask(path: Path, question: str) -> dict[str, Any] | None:
    return await trio.to_thread.run_sync(ask_engine, path, question)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "acd.sock"


def test_no_engine_answers_none(path: Path) -> None:
    assert ask_engine(path, "ping") is None


async def test_the_engine_answers_what_it_was_asked(path: Path) -> None:
    looked: list[bool] = []

    def look() -> dict[str, int]:
        looked.append(True)
        return {"campaigns": 2}

    async with open_control(path, {"look": look}):
        assert await ask(path, "ping") == {"ok": True, "pid": os.getpid()}
        assert await ask(path, "look") == {"ok": True, "pid": os.getpid(), "campaigns": 2}
        assert looked == [True]
    assert not path.exists()


async def test_an_unknown_question_names_what_is_allowed(path: Path) -> None:
    async with open_control(path, {"look": dict}):
        why = "this engine does not answer that; allowed: look, ping"
        assert await ask(path, "dance") == {"ok": False, "why": why}


async def test_what_stands_beside_the_question_reaches_its_handler(path: Path) -> None:
    def level(*, level: str = "") -> dict[str, object]:
        return {"level": level} if level == "debug" else {"ok": False, "why": "no such level"}

    async with open_control(path, {"log-level": level}):
        told = await trio.to_thread.run_sync(partial(ask_engine, path, "log-level", level="debug"))
        assert told == {"ok": True, "pid": os.getpid(), "level": "debug"}
        told = await trio.to_thread.run_sync(partial(ask_engine, path, "log-level", level="x"))
        assert told is not None
        assert (told["ok"], told["why"]) == (False, "no such level")
        told = await trio.to_thread.run_sync(partial(ask_engine, path, "log-level", colour="x"))
        assert told == {"ok": False, "why": "this engine does not know colour"}


async def test_only_the_owner_may_open_the_socket(path: Path) -> None:
    async with open_control(path, {}):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_what_a_dead_engine_left_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with open_control(path, {}):
        assert await ask(path, "ping") is not None


def test_a_second_engine_is_refused_until_the_first_has_ended(path: Path) -> None:
    with (
        only_engine(path),
        pytest.raises(AddressInUse, match="another engine runs here"),
        only_engine(path),
    ):
        pass
    with only_engine(path):
        pass


def test_an_engine_that_has_no_time_to_answer_is_not_taken_for_none(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acd.control.ANSWER_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen()
        with pytest.raises(EngineSilent, match="has not answered"):
            ask_engine(path, "ping")


def test_a_lock_that_cannot_be_opened_is_one_sentence(path: Path) -> None:
    nowhere = path / "nowhere" / "acd.sock"
    with pytest.raises(AddressInUse, match="name another control_socket"), only_engine(nowhere):
        pass


async def test_a_caller_who_says_nonsense_or_leaves_harms_nobody(path: Path) -> None:
    async with open_control(path, {}):
        for said in (b"", b"\xff\n", b"[]\n", b'{"ask": ["ping"]}\n'):
            stream = await trio.open_unix_socket(str(path))
            await stream.send_all(said or b" ")
            await stream.aclose()
        assert await ask(path, "ping") is not None
