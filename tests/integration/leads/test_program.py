"""The program itself: exit codes, one sentence for a person, never a traceback."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from acd.dialer.lead_import import import_leads
from acd.store import connected, open_store_sync, schema
from acd.store.campaigns import finish_if_exhausted
from tests.integration.leads.conftest import Place
from tests.peers.postgres import PostgresServer

NEXT_YEAR = f"{datetime.now(UTC).year + 1}-01-05 10:30"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    folder = tmp_path / "campaigns" / "spring"
    folder.mkdir(parents=True)
    (folder / "campaign.toml").write_text('[agents]\nextensions = ["201"]\n')
    broken = tmp_path / "campaigns" / "broken" / "campaign.toml"
    broken.parent.mkdir()
    broken.write_text("[agents\n")
    (tmp_path / "leads.csv").write_text("name;phone\n=1+1;01505641\nB;112\n")
    made = Place(folder=tmp_path, url=f"sqlite:///{tmp_path / 'acd.sqlite'}")
    made.config.write_text(
        f'campaigns_folder = "{folder.parent}"\n'
        '[[trunk]]\ndomain = "pbx.example"\nuser = "1"\nregister = false\n'
        f'[store]\nurl = "{made.url}"\n'
    )
    return made


def acd(
    place: Place, *words: str, stderr: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "acd", "--config", str(place.config), *words],
        cwd=place.folder,
        env={
            "PATH": "/usr/bin:/bin",
            "TERM": "xterm",
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "TZ": "UTC",
        },
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=False,
    )


def well(place: Place, *words: str) -> str:
    done = acd(place, *words)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_a_leads_whole_life_by_command(place: Place) -> None:
    said = well(place, "leads", "import", "spring", "leads.csv")
    assert "leads.csv (utf-8): 2 rows, 1 leads added" in said
    assert "1 emergency" in said
    [why] = json.loads(well(place, "leads", "why", "01 505641", "--json"))
    assert (why["campaign_state"], why["eligible"]) == ("created", False)
    lead = str(why["lead_id"])
    assert "campaign spring, which is created" in well(place, "leads", "why", lead)
    status = json.loads(well(place, "campaign", "status", "spring", "--json"))
    assert sum(status["leads"].values()) == 1
    night = well(place, "leads", "callback", lead, "--at", NEXT_YEAR.replace("10:30", "02:30"))
    assert f"campaign spring is called from {NEXT_YEAR[:8]}" in night
    assert f"(`acd leads why {lead}` says why), once the campaign, which is created, runs" in night
    for agent in ("ana", "201"):
        done = acd(place, "leads", "callback", lead, "--at", NEXT_YEAR, "--agent", agent)
        assert done.returncode == (0 if agent == "201" else 2), done.stderr
    assert "is created, runs: `acd campaign start spring`" in done.stdout
    assert "for agent 201 alone and while they are ready; from" in well(place, "leads", "why", lead)
    nobody = well(place, "leads", "reset", "spring", "--lead", lead)
    assert "0 leads of campaign spring wait again: only closed ones" in nobody
    assert "1 leads" in well(place, "leads", "export", "spring", "out.csv")
    exported = (place.folder / "out.csv").read_text(encoding="utf-8-sig").splitlines()
    assert exported[1].endswith("'+431505641,'=1+1")
    well(place, "report", "spring", "--csv", "report.csv")
    assert "leads,waiting,1" in (place.folder / "report.csv").read_text(encoding="utf-8-sig")
    assert "talk_seconds" in json.loads(well(place, "report", "spring", "--json"))
    assert f"erased: lead {lead}" in well(place, "leads", "erase", "+43 1 505641", "--yes")
    assert "on no list; erased" in well(place, "dnc", "check", "+43 1 505641")
    assert json.loads(well(place, "dnc", "check", "01/505641", "--json")) == {
        "listed": False,
        "lists": [],
        "erased": True,
    }
    again = json.loads(well(place, "leads", "import", "spring", "leads.csv", "--json"))
    assert again["refused"] == {"emergency": 1, "erased": 1}
    assert "copied" in well(place, "db", "backup", "copy.sqlite")
    assert "as this program needs it" in well(place, "db", "check")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["leads", "import", "spring", "nothing.csv"], "nothing.csv: it cannot be read"),
        (["leads", "import", "autumn", "leads.csv"], "campaign autumn: there is no file"),
        (["leads", "import", "../x", "leads.csv"], "this cannot be a campaign's name"),
        (["leads", "import", "spring", "leads.csv", "--map", "x"], "write HEADER=NAME"),
        (["leads", "import", "spring", "leads.csv", "--map", "X=phone"], "no such header"),
        (["leads", "why", "99"], "no campaign has it"),
        (["leads", "why", "nobody"], "holds letters"),
        (["leads", "reset", "spring"], "say which leads"),
        (["leads", "reset", "spring", "--lead", "99"], "lead 99: the campaign has"),
        (["leads", "reset", "spring", "--lead", "9" * 20], "is not in the range"),
        (["agents", "disposition", "9" * 20, "sale"], "is not in the range"),
        (["leads", "reset", "spring", "--reason", "bogus"], "no lead was closed for bogus"),
        (["leads", "callback", "99", "--at", "tomorrow"], "'tomorrow' does not match"),
        (["leads", "frob"], "acd: leads: no such command 'frob'; `acd leads --help` shows"),
        (["leads", "import"], "missing argument 'CAMPAIGN'"),
        (["leads", "callback", "99", "--at", NEXT_YEAR], "no campaign has it"),
        (["leads", "callback", "01505641", "--at", "9999-12-01 10:00"], "too far ahead"),
        (["leads", "callback", "01505641", "--at", "9999-12-31 23:59"], "too far ahead"),
        (["leads", "callback", "01505641", "--at", "0001-01-01 00:00"], "is over"),
        (["agents", "disposition", "1", "callback", "--at", "0001-01-01 00:00"], "is over"),
        (["leads", "erase", "99", "--yes"], "no campaign has it"),
        (["leads", "export", "autumn", "x.csv"], "campaign autumn: it is not in the database"),
        (["leads", "export", "spring", "nowhere/x.csv"], "it cannot be written"),
        (["campaign", "status", "autumn"], "campaign autumn: it is not in the database"),
        (["campaign", "start", "autumn"], "campaign autumn: it is not in the database"),
        (["report", "autumn"], "campaign autumn: it is not in the database"),
        (["dnc", "add", "12"], "the number"),
        (["dnc", "remove", "01505641", "--list", "none"], "no do-not-call list of that name"),
        (["dnc", "import", "R!", "leads.csv", "--made-on", "2026-11-01"], "a list's name"),
        (["dnc", "import", "robinson", "leads.csv", "--made-on", "2099-01-01"], "a day to come"),
        (["dnc", "check", "12"], "the number"),
        (
            ["dnc", "import", "robinson", "nothing.csv", "--made-on", "2026-11-01"],
            "nothing.csv: it cannot be read",
        ),
        (
            ["dnc", "import", "r", "one.csv", "--made-on", "2026-11-01", "--column", "x"],
            "one.csv, --column x: the file has no such column",
        ),
        (["dnc", "add", "01505641", "--campaign", "autumn"], "campaign autumn: it is not in"),
        (["report", "spring", "--csv", "nowhere/x"], "nowhere/x: it cannot be written"),
        (["campaign", "create", "broken"], "it is no TOML: Expected "),
        (["leads", "import", "broken", "leads.csv"], "it is no TOML: Expected "),
        (["db", "backup", "leads.csv"], "it is there already"),
        (["db", "backup", "nowhere/x"], "its folder does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    place: Place, words: list[str], says: str
) -> None:
    with open_store_sync(place.url, create=True) as store:
        path = place.folder / "one.csv"
        path.write_text("name;phone\nA;01505641\n")
        import_leads(
            store, place.settings, campaign_name="spring", path=path, now=datetime.now(UTC)
        )
        before = store.read_sync(_everything)
        done = acd(place, *words)
        assert done.returncode == 2, done.stderr
        assert says in done.stderr
        assert "Traceback" not in done.stderr
        assert store.read_sync(_everything) == before


def _everything(conn: sa.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {
        table.name: [tuple(row) for row in conn.execute(sa.select(table))]
        for table in schema.metadata.sorted_tables
    }


def test_a_damaged_database_is_told_and_not_shown_as_a_traceback(place: Place) -> None:
    well(place, "db", "upgrade")
    (place.folder / "acd.sqlite").write_bytes(b"not a database at all" * 1000)
    for name in ("acd.sqlite-wal", "acd.sqlite-shm"):
        (place.folder / name).unlink(missing_ok=True)
    done = acd(place, "db", "check")
    assert done.returncode == 1
    assert "is not an SQLite database" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_list_that_holds_for_one_campaign_is_shown_and_kept_apart(place: Place) -> None:
    well(place, "leads", "import", "spring", "leads.csv")
    assert "1 added" in well(place, "dnc", "add", "01505641", "--campaign", "spring")
    assert "made by hand, 1 numbers, for one campaign" in well(place, "dnc", "list")
    refused = acd(place, "dnc", "add", "01505642")
    assert refused.returncode == 2
    assert "it exists and holds for another campaign" in refused.stderr
    words = ("dnc", "import", "theirs", "leads.csv", "--made-on", "2026-11-01")
    assert "list theirs: 1 numbers" in acd(place, *words, "--campaign", "spring").stdout
    made = json.loads(well(place, "dnc", "list", "--json"))
    assert [(row["name"], row["made_on"]) for row in made] == [
        ("own", None),
        ("theirs", "2026-11-01"),
    ]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def anywhere(request: pytest.FixtureRequest, place: Place) -> Place:
    """The same installation on either database."""
    if request.param == "sqlite":
        return place
    server: PostgresServer = request.getfixturevalue("postgres")
    made = Place(folder=place.folder, url=server.new_database())
    made.config.write_text(place.config.read_text().replace(place.url, made.url))
    return made


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "newer than this program's"),
        ("DROP TABLE alembic_version", "another program's tables"),
    ],
    ids=["newer", "foreign"],
)
def test_a_newer_or_a_foreign_database_is_refused_with_the_remedy(
    anywhere: Place, statement: str, says: str
) -> None:
    well(anywhere, "db", "upgrade")
    with connected(anywhere.url) as engine, engine.begin() as conn:
        conn.execute(sa.text(statement))
    for words in (["db", "upgrade"], ["db", "check"], ["leads", "why", "1"]):
        done = acd(anywhere, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert says in done.stderr
        assert done.stderr.count("\n") == 1


def test_leads_for_a_finished_campaign_are_added_with_what_is_missing_to_dial_them(
    place: Place,
) -> None:
    well(place, "campaign", "create", "spring")
    well(place, "campaign", "start", "spring")
    with open_store_sync(place.url) as store:
        assert store.run_sync(finish_if_exhausted, campaign_id=1, now=datetime.now(UTC))
    said = well(place, "leads", "import", "spring", "leads.csv")
    assert "1 leads added" in said
    assert "campaign spring is finished: `acd campaign start spring` has it dial" in said
    well(place, "campaign", "start", "spring")


def test_what_a_person_gets_wrong_is_one_sentence_on_either_database(anywhere: Place) -> None:
    well(anywhere, "leads", "import", "spring", "leads.csv")
    name = "a" * 33
    for words, says in (
        (["leads", "callback", "01505641", "--at", NEXT_YEAR, "--agent", name], "so long a name"),
        (["leads", "callback", "01505641", "--at", "9999-12-01 10:00"], "too far ahead"),
        (["leads", "reset", "spring", "--lead", "9223372036854775807"], "none of that id"),
        (["leads", "why", "9" * 9], "no campaign has it"),
    ):
        done = acd(anywhere, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("leads", "import", "spring", "leads.csv"),
        ("dnc", "import", "robinson", "leads.csv", "--made-on", "2026-11-01"),
    ],
    ids=["leads", "dnc"],
)
def test_an_import_shows_a_bar_on_a_terminal_and_nothing_of_it_elsewhere(
    place: Place, words: tuple[str, ...]
) -> None:
    ours, terminal = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        done = acd(place, *words, stderr=terminal)
        os.close(terminal)
        shown = bytearray()
        with suppress(OSError):  # EIO: nobody writes to the terminal any more
            while part := screen.read(4096):
                shown += part
    assert done.returncode == 0
    assert b"import leads.csv" in shown
    assert b"100%" in shown
    assert "import leads.csv" not in done.stdout
