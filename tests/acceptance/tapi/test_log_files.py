"""Row 36: what is left of a TAPI call in log and SIP trace, of the program as everybody runs it."""

from __future__ import annotations

import json
import stat
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio

from acd.tapi.client import HCall, LineApp, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from tests.acceptance.tapi.call_centre import TOKEN
from tests.acceptance.tapi.office import Office, open_office, trunk_toml
from tests.peers.addresses import Addresses
from tests.peers.lab import Lab
from tests.peers.wire import SipMessage, Wire, select

pytestmark = pytest.mark.real

PASSWORD = "what-the-lab-asks-for"
ANSWERS, BUSY, UNKNOWN = "+493023125000", "+493023125001", "+493023125004"
AGENT = "201"
LAB = ("--port", "5060", "--password", PASSWORD, "--first-extension", AGENT, "--agents", "1",
       "--agent-answer", "0.1-0.2")  # fmt: skip
OLD_FILES = 3
LOGS = f"""
[[profile]]
name = "side"
first_line = 2
last_line = 2
trunk = "side"
[log]
file = "dialer.log"
file_megabytes = 0.02
old_files = {OLD_FILES}
[sip_trace]
file = "sip.jsonl"
"""
HANDED_OVER = [
    *("call.originate", "call.answered", "transfer.start", "transfer.end", "call.ended"),
    "attempt.closed",
]


async def test_row_36_log_and_trace_tell_a_calls_story_and_no_secret(tmp_path: Path) -> None:
    pbx = Addresses.free().pbx
    trace = tmp_path / "sip.jsonl"
    with Wire(pbx) as wire:
        lab = Lab(pbx, tmp_path, LAB)
        await trio.to_thread.run_sync(lab.__enter__)
        try:
            async with open_logged(tmp_path, pbx, wire) as office:
                async with line_initialize_ex(office.gateway) as app:
                    await dial(app, 1, BUSY)
                    assert not trace.exists(), "off until somebody asks for it"
                    for of_one in (f"--number {BUSY}", "--attempt 6", "--trunk side"):
                        await say(office, f"trace on {of_one}")
                        for line, number in ((1, BUSY), (1, UNKNOWN), (2, UNKNOWN)):
                            await dial(app, line, number)
                    await say(office, "trace on")
                    handed_over = await dial(app, 1, ANSWERS, agent=AGENT)
                    await say(office, "trace off")
                    await fill_a_file(app, tmp_path / "dialer.log")
                shown = await say(office, "calls show 11")
                whole = await say(office, "calls show 11 --json")
        finally:
            await trio.to_thread.run_sync(lab.stop)
        invites = select(wire.sip(), "INVITE")
    (messages,) = written(tmp_path, "sip.jsonl")
    calls = {json.loads(line)["call"] for line in messages} - {""}
    # The first of three by its number, the second by its attempt, the third by its account.
    assert calls == {"a2", "a6", "a10", "a11"}
    logged = [json.loads(line) for path in written(tmp_path, "dialer.log") for line in path]
    assert_one_grep_tells_it(logged, handed_over.name, invites)
    assert_ladder(shown)
    assert "uthorization: (removed)" in whole
    assert_nothing_secret(tmp_path, shown + whole)


def open_logged(folder: Path, pbx: str, wire: Wire) -> AbstractAsyncContextManager[Office]:
    """Two lines, each on a trunk of its own."""
    trunks = "".join(
        trunk_toml(name, pbx, user="acd", password="yes", register="false")
        for name in ("main", "side")
    )
    return open_office(
        folder,
        trunks=trunks,
        profiles=LOGS,
        wire=wire,
        passwords={"main": PASSWORD, "side": PASSWORD},
        lines=2,
        up=("main", "side"),
        log_file="dialer.log",
    )


async def say(office: Office, command: str) -> str:
    """What a command prints; the settings name variables, which it wants as the engine did."""
    secrets = f"PASSWORD_MAIN={PASSWORD} PASSWORD_SIDE={PASSWORD} TAPI_TOKEN={TOKEN}"
    (done,) = await office.installation.succeed(f"{secrets} acd {command}")
    return done.stdout


async def dial(app: LineApp, line: int, number: str, *, agent: str = "") -> HCall:
    """One call from `lineOpen` to `lineClose`."""
    opened = await app.line_open(line)
    call = await app.line_make_call(opened, number)
    if agent:
        assert await app.wait_connected(call)
        await app.line_blind_transfer(call, agent)
    await call.wait_states(S.IDLE)
    await app.line_close(opened)
    return call


async def fill_a_file(app: LineApp, log: Path) -> None:
    """Dial until the log has begun a new file."""
    for _ in range(200):
        if log.with_name("dialer.log.1").exists():
            return
        await dial(app, 1, BUSY)
    raise AssertionError("no second file")


def written(folder: Path, name: str) -> list[list[str]]:
    """The lines of a file and of the full ones beside it, the oldest first."""
    return [path.read_text().splitlines() for path in sorted(folder.glob(f"{name}*"), reverse=True)]


def assert_one_grep_tells_it(
    logged: list[dict[str, Any]], name: str, invites: list[SipMessage]
) -> None:
    """By the call's id; it leads to the application's handle and to the Call-ID on the wire."""
    story = [line for line in logged if line.get("call") == "a11"]
    assert [line["action"] for line in story] == HANDED_OVER
    assert {line["tapi_client"] for line in story} == {"office"}
    assert {line["tapi_call"] for line in story} == {name}
    (ended,) = (line for line in story if line["action"] == "call.ended")
    assert ended["sip_call_id"] in {invite.call_id for invite in invites}


def assert_ladder(shown: str) -> None:
    assert "attempt 11 of TAPI client office" in shown
    for step in ("── INVITE ──", f"── REFER {AGENT}@", "NOTIFY SIP/2.0 200"):
        assert step in shown, shown


def assert_nothing_secret(folder: Path, shown: str) -> None:
    files = [*folder.glob("dialer.log*"), *folder.glob("sip.jsonl*")]
    assert len(files) >= 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    said = "".join(file.read_text() for file in files) + shown
    assert "uthorization: (removed)" in said, "we did answer a challenge"
    for secret in (TOKEN, PASSWORD, "response=", "cnonce="):
        assert secret not in said, secret
    for file in folder.glob("dialer.log*"):
        assert ANSWERS.lstrip("+") not in file.read_text()
