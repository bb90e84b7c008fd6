"""One real call through Asterisk, told again from logs, SIP trace and database."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.installation import Engine, Installation
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import DIALER_PASSWORD
from tests.peers.centre import open_centre

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
STORY = [
    *("call.originate", "call.answered", "transfer.start", "transfer.end", "call.ended"),
    "attempt.closed",
]


async def test_one_grep_and_one_command_tell_a_calls_story(tmp_path: Path) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    append(installation, '[log]\nfile = "acd.log"\n[sip_trace]\nenabled = true\n')
    agent = phones.agent_answers(ADDRESSES.agent_101)
    async with open_centre(ADDRESSES, agent) as centre, installation.engine() as engine:
        await handed_over(engine)
        assert await engine.end() == 0, engine.log()
        wire_call_id = centre.traffic().from_engine("INVITE")[0].call_id
    (lead,) = installation.rows("leads")
    assert_one_grep_tells_it(tmp_path / "acd.log", lead["lead_id"], wire_call_id)
    assert_the_trace_is_private(tmp_path / "sip-trace.jsonl")
    shown = (await installation.succeed("acd calls show 1 --json"))[0].stdout
    assert_the_story_is_whole(json.loads(shown), wire_call_id)
    drawn = (await installation.succeed("acd calls show 1"))[0].stdout
    assert "── INVITE ──" in drawn
    assert "── REFER 101@" in drawn
    assert "NOTIFY SIP/2.0 200" in drawn
    assert "disposition: handed_over" in drawn
    listed = (await installation.succeed("acd calls list"))[0].stdout
    assert phones.ANSWERS.lstrip("0")[:3] in listed
    assert "handed_over" in listed


async def test_what_is_changed_while_the_engine_runs(tmp_path: Path) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    trace = tmp_path / "sip-trace.jsonl"
    for command in ("acd log-level debug", "acd trace status"):
        refused = await installation.command(command)
        assert refused.exit_code == 1, str(refused)
        assert "no engine runs here" in refused.stderr
        assert "Traceback" not in refused.stderr
    await installation.succeed("acd campaign pause sample")
    agent = phones.agent_answers(ADDRESSES.agent_101)
    async with open_centre(ADDRESSES, agent), installation.engine() as engine:
        await engine.wait_metric("acd_trunk_up", 1, trunk="main")
        await installation.succeed("acd log-level debug", "acd trace status")
        assert not trace.exists()
        refused = await installation.command("acd trace on --trunk other")
        assert refused.exit_code == 2
        assert "there is no trunk 'other'; there are: main" in refused.stderr
        await installation.succeed("acd trace on --attempt 1", "acd campaign start sample")
        await handed_over(engine)
        assert {line["call"] for line in lines_of(trace)} == {"a1"}
        await installation.succeed("acd trace on --trunk main", "acd trace off")
        size = trace.stat().st_size
        await installation.succeed("acd log-level info")
        assert await engine.end() == 0, engine.log()
    assert trace.stat().st_size == size, "the un-REGISTER is not traced any more"
    assert_only_between_was_more_told(engine.log())
    unknown = await installation.command("acd calls show 4711")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (2, 1)
    assert "attempt 4711: there is none" in unknown.stderr


def append(installation: Installation, text: str) -> None:
    with (installation.folder / "acd.toml").open("a") as settings:
        settings.write(text)


async def handed_over(engine: Engine) -> None:
    await engine.wait_metric(
        "acd_dispositions_total", 1, campaign="sample", disposition="handed_over"
    )


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def assert_one_grep_tells_it(file: Path, lead_id: int, wire_call_id: str) -> None:
    story = [json.loads(line) for line in file.read_text().splitlines() if '"call": "a1"' in line]
    assert [line["action"] for line in story] == STORY
    for line in story:
        assert (line["campaign"], line["lead"], line["attempt"]) == ("sample", lead_id, 1), line
    assert story[-2]["sip_call_id"] == wire_call_id
    assert phones.ANSWERS[-6:] not in json.dumps(story)


def assert_only_between_was_more_told(log: str) -> None:
    lines = [json.loads(line) for line in log.splitlines()]
    more, less = (n for n, line in enumerate(lines) if line["action"] == "log.level")
    told = {line["action"] for line in lines[more:less] if line["level"] == "debug"}
    assert told >= {"line.event", "campaign.held"}
    assert "debug" not in {line["level"] for line in (*lines[:more], *lines[less:])}
    assert all(line["call"] == "a1" for line in lines if line["action"] == "line.event")


def assert_the_trace_is_private(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = lines_of(file)
    said = [line for line in lines if "uthorization: (removed)" in line["message"]]
    assert said, "we answered a challenge"
    assert "response=" not in file.read_text()
    assert DIALER_PASSWORD not in file.read_text()
    assert starts(lines)[0].startswith("REGISTER"), "from the first message on"
    assert {line["trunk"] for line in lines} == {"main"}


def assert_the_story_is_whole(story: Mapping[str, Any], wire_call_id: str) -> None:
    assert (story["campaign"], story["disposition"]) == ("sample", "handed_over")
    assert [event["what"] for event in story["events"]] == ["dialing", "answered", "closed"]
    assert {message["sip_call_id"] for message in story["sip"]} == {wire_call_id}
    seen = starts(story["sip"])
    for expected in ("INVITE", "SIP/2.0 200", "ACK", "REFER", "SIP/2.0 202", "NOTIFY", "BYE"):
        assert any(start.startswith(expected) for start in seen), seen
    assert seen[-1].startswith("SIP/2.0 200"), "the answer to our BYE"


def starts(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    return [message["message"].split("\r\n")[0] for message in messages]
