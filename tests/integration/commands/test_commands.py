"""The command groups on a database file; `main` and its exit codes are tested with the CLI."""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import pytest
import trio
from click.testing import CliRunner

from acd.cli.agents import agents
from acd.cli.calls import calls
from acd.cli.campaign import campaign
from acd.cli.db import db
from acd.cli.dnc import dnc
from acd.cli.leads import leads
from acd.cli.report import report
from acd.cli.tapi import tapi
from acd.cli.trace import trace
from acd.control import open_control
from acd.errors import AcdError, BadInput, SchemaMismatch, StoreUnavailable, UnknownName
from acd.settings import Settings
from acd.store import connected, open_store_sync
from tests.contract.store.test_changes import build_first_schema
from tests.contract.store.world import World

GUIDE = Path(__file__).parents[3] / "docs" / "operate.md"
SAMPLE = Path(__file__).parents[3] / "campaigns" / "sample" / "leads.csv"


@dataclass(frozen=True)
class State:
    settings: Settings


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(
        Settings.model_validate(
            {
                "trunk": [{"domain": "pbx", "user": "1"}],
                "store": {"url": f"sqlite:///{tmp_path / 'acd.sqlite'}"},
                "destinations": {"default_region": "AT", "allowed_regions": ["AT", "DE"]},
                "campaigns_folder": SAMPLE.parents[1],
                "control_socket": tmp_path / "acd.sock",
            }
        )
    )


def run(state: State, command: click.Command, *args: str) -> str:
    """Stdout of a command; what it raises on purpose is raised here."""
    result = CliRunner().invoke(command, args, obj=state)
    if isinstance(result.exception, AcdError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def file(tmp_path: Path) -> str:
    copy = tmp_path / "leads.csv"
    copy.write_bytes(SAMPLE.read_bytes())
    return str(copy)


def test_the_sample_goes_in_and_its_campaign_starts(state: State, file: str) -> None:
    said = run(state, leads, "import", "sample", file)
    assert "campaign sample was created" in said
    assert "5 rows, 5 leads added" in said
    assert "running; no engine runs here" in run(state, campaign, "start", "sample")
    [row] = json.loads(run(state, campaign, "list", "--json"))
    assert (row["name"], row["state"], row["trunk"]) == ("sample", "running", "main")
    counted = json.loads(run(state, report, "sample", "--json"))
    assert counted["leads"] == {"waiting": 5}
    assert "leads: waiting 5" in run(state, report, "sample")


NO_ENGINE = "no engine runs here: `acd run` starts one"


def test_what_campaign_commands_say_while_no_engine_runs(state: State) -> None:
    assert NO_ENGINE in run(state, campaign, "create", "sample")
    assert f"since version 1; {NO_ENGINE}" in run(state, campaign, "reload", "sample")
    for command in ("start", "pause", "stop"):
        assert NO_ENGINE in run(state, campaign, command, "sample")
    assert "engine: none runs here" in run(state, campaign, "status", "sample")
    told = json.loads(run(state, campaign, "status", "sample", "--json"))
    assert told["engine"] == {"state": "none", "pid": None}


async def test_what_campaign_commands_say_while_an_engine_runs(state: State) -> None:
    looked: list[str] = []

    def look() -> dict[str, object]:
        looked.append("")
        return {}

    async def say(*args: str) -> str:
        return await trio.to_thread.run_sync(partial(run, state, campaign, *args))

    told = f"the engine (pid {os.getpid()}) was told"
    async with open_control(state.settings.control_socket, {"look": look}):
        assert told in await say("create", "sample")
        assert told in await say("reload", "sample")
        assert told in await say("start", "sample")
        assert len(looked) == 3
        assert f"engine: pid {os.getpid()}" in await say("status", "sample")
        seen = json.loads(await say("status", "sample", "--json"))["engine"]
    assert seen == {"state": "running", "pid": os.getpid()}


def test_campaign_commands_do_not_take_a_busy_engine_for_none(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acd.control.ANSWER_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(state.settings.control_socket))
        busy.listen()
        said = run(state, campaign, "create", "sample")
        assert "has not answered" in said
        assert "it looks at the database by itself" in said
        assert "engine: one is there" in run(state, campaign, "status", "sample")


def test_the_status_of_a_campaign_says_that_its_trunk_is_gone(state: State, file: str) -> None:
    run(state, leads, "import", "sample", file)
    assert "not dialed" not in run(state, campaign, "status", "sample")
    renamed = [{"name": "other", "domain": "pbx", "user": "1"}]
    now = State(Settings.model_validate({**state.settings.model_dump(), "trunk": renamed}))
    said = run(now, campaign, "status", "sample")
    assert "campaign sample is not dialed: acd.toml has no trunk main (there is other)" in said
    told = json.loads(run(now, campaign, "status", "sample", "--json"))
    assert (told["trunk"], told["trunk_missing"]) == ("main", True)
    run(now, campaign, "reload", "sample")
    assert not json.loads(run(now, campaign, "status", "sample", "--json"))["trunk_missing"]


def test_a_summary_for_machines_adds_up(state: State, file: str) -> None:
    run(state, leads, "import", "sample", file)
    summary = json.loads(run(state, leads, "import", "sample", file, "--json"))
    assert summary["rows"] == summary["added"] + sum(summary["refused"].values())
    assert summary["refused"] == {"duplicate": 5}
    assert Path(summary["reject_file"]).exists()


def test_numbers_go_on_and_off_the_list(state: State) -> None:
    assert "1 added" in run(state, dnc, "add", "+43 1 505641")
    assert "0 added, 1 stood there" in run(state, dnc, "add", "01/505641")
    assert json.loads(run(state, dnc, "check", "01505641", "--json")) == {
        "listed": True,
        "lists": ["own"],
        "erased": False,
    }
    run(state, dnc, "remove", "01/505641")
    assert "on no list" in run(state, dnc, "check", "01505641")


def test_a_list_file_takes_the_place_of_the_older_copy(state: State, tmp_path: Path) -> None:
    path = tmp_path / "robinson.csv"
    for text, there, gone in (
        ("01505641\n01505642\n", "01505641", "01505643"),
        ("number\n01505643\nnobody\n", "01505643", "01505641"),
    ):
        path.write_text(text)
        run(state, dnc, "import", "robinson", str(path), "--made-on", "2026-11-01")
        assert "robinson" in run(state, dnc, "check", there)
        assert "on no list" in run(state, dnc, "check", gone)
    assert json.loads(run(state, dnc, "list", "--json")) == [
        {"name": "robinson", "made_on": "2026-11-01", "numbers": 1}
    ]


def test_nothing_is_added_when_one_of_the_numbers_is_none(state: State) -> None:
    run(state, db, "upgrade")
    with pytest.raises(BadInput, match="12"):
        run(state, dnc, "add", "01505641", "12")
    assert "on no list" in run(state, dnc, "check", "01505641")


def test_a_missing_database_is_answered_with_the_remedy(state: State) -> None:
    with pytest.raises(StoreUnavailable, match="acd db upgrade"):
        run(state, report, "sample")
    assert "now" in run(state, db, "upgrade")
    assert "already" in run(state, db, "upgrade")
    assert "as this program needs it" in run(state, db, "check")


def test_the_guides_upgrade_keeps_what_is_there_and_its_backup_leads_back(
    state: State, tmp_path: Path
) -> None:
    """Step by step as docs/operate.md says, from the first release's database."""
    steps = re.search(r"(?s)## Upgrade\n(.+?)\n## ", GUIDE.read_text())
    assert steps is not None
    commands = re.findall(r"`acd db (\w+)(?: ([\w.]+))?`", steps[1])[:2]
    assert commands == [("backup", "before.sqlite"), ("upgrade", "")]
    database, before = tmp_path / "acd.sqlite", tmp_path / "before.sqlite"
    with connected(state.settings.store.url, create=True) as engine, engine.begin() as conn:
        build_first_schema(conn)
    with pytest.raises(SchemaMismatch, match="run `acd db backup`, then `acd db upgrade`"):
        run(state, campaign, "list")
    run(state, db, "backup", str(before))
    assert "it was 0001" in run(state, db, "upgrade")
    assert "as this program needs it" in run(state, db, "check")
    with open_store_sync(state.settings.store.url) as store:
        assert World(store).lead(1).state == "waiting"
    database.unlink()
    before.rename(database)
    with pytest.raises(SchemaMismatch, match="has schema 0001, older"):
        run(state, db, "check")
    assert "it was 0001" in run(state, db, "upgrade"), "the backup is whole"


def test_agents_come_in_and_are_asked_to_work(state: State, tmp_path: Path) -> None:
    file = tmp_path / "agents.csv"
    file.write_text("name,extension,skills,campaigns\nanna,201,german,sample\nben,202,,\n")
    run(state, campaign, "create", "sample")
    said = run(state, agents, "import", str(file))
    assert "2 agents added, 0 changed, 0 as they were; no engine runs here" in said
    assert "agent anna is ready; no engine runs here" in run(state, agents, "ready", "anna", "202")
    assert "not ready" in run(state, agents, "not-ready", "ben", "--reason", "lunch")
    assert "not ready, lunch since" in run(state, agents, "list")
    run(state, agents, "log-off", "201")
    listed = json.loads(run(state, agents, "list", "--json"))
    assert [(each["name"], each["state"], each["reason"]) for each in listed] == [
        ("anna", "logged_off", ""),
        ("ben", "not_ready", "lunch"),
    ]
    assert listed[0]["campaigns"] == ["sample"]


def test_nobody_is_asked_when_one_of_the_agents_is_unknown(state: State, tmp_path: Path) -> None:
    file = tmp_path / "agents.csv"
    file.write_text("name,extension\nanna,201\n")
    run(state, agents, "import", str(file))
    with pytest.raises(UnknownName, match="agent carl: there is no agent of that name"):
        run(state, agents, "ready", "anna", "carl")
    assert "logged off" in run(state, agents, "list")


def test_an_unknown_campaign_is_answered_with_how_to_make_it(state: State) -> None:
    run(state, db, "upgrade")
    with pytest.raises(UnknownName, match="acd campaign create"):
        run(state, campaign, "start", "nothing")


@pytest.mark.parametrize("group", [agents, calls, leads, campaign, dnc, db, tapi, trace])
def test_every_command_shows_an_example(state: State, group: click.Group) -> None:
    assert "Example:" in run(state, group, "--help")
    for name in group.commands:
        assert "Example:" in run(state, group, name, "--help")
