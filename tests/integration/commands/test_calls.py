"""`acd calls` on a database file; a real call's ladder is drawn in `tests/acceptance`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from acd.cli.calls import calls
from acd.errors import UnknownName
from acd.settings import Settings
from acd.store import open_store_sync
from acd.store.tapi import begin_tapi_attempt
from tests.integration.commands.test_commands import State, run


@pytest.fixture
def state(tmp_path: Path) -> State:
    url = f"sqlite:///{tmp_path / 'acd.sqlite'}"
    with open_store_sync(url, create=True) as store:
        begin = partial(
            begin_tapi_attempt,
            client="overdialer",
            e164="+43150564100",
            node="n",
            trunk="main",
            line=7,
            now=datetime(2026, 3, 1, 12, tzinfo=UTC),
        )
        assert store.run_sync(begin) == 1
    return State(
        Settings.model_validate(
            {
                "trunk": [{"domain": "pbx", "user": "1"}],
                "store": {"url": url},
                "sip_trace": {"file": tmp_path / "sip-trace.jsonl"},
            }
        )
    )


def test_a_tapi_clients_call_is_told_like_any_other(state: State) -> None:
    story = run(state, calls, "show", "1")
    assert "attempt 1 of TAPI client overdialer, call a1" in story
    assert "number +43150564100, trunk main, line 7" in story
    assert "dialing  tapi_client overdialer, node n, line 7" in story
    assert "disposition: none yet, dialing" in story
    assert "SIP messages were not traced" in story
    shown = json.loads(run(state, calls, "show", "1", "--json"))
    assert (shown["tapi_client"], shown["call"], shown["sip"]) == ("overdialer", "a1", [])
    assert [event["what"] for event in shown["events"]] == ["dialing"]


def test_calls_are_listed_by_whose_they_are(state: State) -> None:
    assert "TAPI client overdialer" in run(state, calls, "list", "--tapi-client", "overdialer")
    (listed,) = json.loads(run(state, calls, "list", "--json"))
    assert listed["attempt_id"] == 1


def test_whoever_is_unknown_is_told_apart_from_no_calls(state: State) -> None:
    with pytest.raises(UnknownName, match="campaign nope: it is not in the database"):
        run(state, calls, "list", "--campaign", "nope")
    with pytest.raises(UnknownName, match="TAPI client nope: there is none; known: overdialer"):
        run(state, calls, "list", "--tapi-client", "nope")


def test_an_unknown_call_is_one_sentence(state: State) -> None:
    with pytest.raises(UnknownName, match=r"^attempt 9: there is none; acd calls list shows"):
        run(state, calls, "show", "9")


def test_a_trace_that_cannot_be_read_costs_only_the_sip_messages(state: State) -> None:
    state.settings.sip_trace.file.mkdir()
    result = CliRunner().invoke(calls, ("show", "1"), obj=state)
    assert result.exit_code == 0
    assert "SIP messages are left out" in result.stderr
    assert "sip-trace.jsonl: Is a directory" in result.stderr
    assert "attempt 1 of TAPI client overdialer" in result.stdout
