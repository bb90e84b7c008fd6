from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import pytest

from acd.agents import AgentState
from acd.dialer.agents_import import AgentsImported, import_agents
from acd.errors import BadInput, UnknownName
from acd.settings import Settings
from acd.store import Store
from acd.store.agents import (
    AgentBenched,
    AgentMoved,
    AgentRow,
    Teller,
    agent_named,
    agents_version,
    ask_agent,
    note_agent_benched,
)
from acd.store.events import Subject, events_of
from acd.store.outcomes import write_outcomes
from tests.contract.store.world import NOON, World, later

SETTINGS = Settings.model_validate(
    {"trunk": [{"domain": "pbx", "user": "1"}], "destinations": {"default_region": "AT"}}
)
FILE = """name,extension,display_name,skills,campaigns
anna,201,Anna Huber,german english,campaign-1
ben,202,Ben,,campaign-1 campaign-2
"""


@pytest.fixture
def brought_in(world: World, store: Store, tmp_path: Path) -> AgentsImported:
    world.campaign()
    world.campaign()
    return bring(store, tmp_path, FILE)


def bring(store: Store, folder: Path, text: str) -> AgentsImported:
    file = folder / "agents.csv"
    file.write_text(text, encoding="utf-8")
    return store.run_sync(import_agents, SETTINGS, file, now=NOON)


def agent(store: Store, name: str) -> AgentRow:
    return store.read_sync(agent_named, name)


def ask(store: Store, name: str, wanted: AgentState, reason: str = "") -> AgentRow:
    return store.run_sync(ask_agent, name, wanted=wanted, reason=reason, now=later(minutes=1))


def moved(store: Store, state: AgentState, *, wraps_up_until: datetime | None = None) -> None:
    seen = AgentMoved(
        extension="201",
        state=state,
        at=later(minutes=2),
        told_by=Teller.ENGINE,
        wraps_up_until=wraps_up_until,
    )
    store.run_sync(write_outcomes, [seen], node="a", now=NOON)


def what_happened(store: Store, name: str) -> list[str]:
    return [event.what for event in store.read_sync(events_of, Subject.AGENT, name)]


def test_a_file_brings_agents_in_logged_off(store: Store, brought_in: AgentsImported) -> None:
    assert (brought_in.added, brought_in.changed) == (["anna", "ben"], [])
    anna = agent(store, "201")
    assert (anna.name, anna.display_name, anna.skills) == (
        "anna",
        "Anna Huber",
        frozenset({"german", "english"}),
    )
    assert len(agent(store, "ben").campaign_ids) == 2
    assert anna.state is AgentState.LOGGED_OFF


def test_a_priority_is_read_and_one_that_is_not_said_is_0(
    store: Store, tmp_path: Path, brought_in: AgentsImported
) -> None:
    done = bring(store, tmp_path, "name,extension,priority\nanna,201,9\ncarl,203,\n")
    assert done.changed == ["anna"]
    assert (agent(store, "anna").priority, agent(store, "carl").priority) == (9, 0)


def test_the_same_file_again_changes_nothing(
    store: Store, tmp_path: Path, brought_in: AgentsImported
) -> None:
    version = store.read_sync(agents_version)
    again = bring(store, tmp_path, FILE)
    assert (again.added, again.changed, again.unchanged) == ([], [], 2)
    assert store.read_sync(agents_version) == version


def test_phones_can_change_hands_in_one_file(
    store: Store, tmp_path: Path, brought_in: AgentsImported
) -> None:
    text = "extension;name\n202;anna\n201;ben\n203;carl\n"
    done = bring(store, tmp_path, text)
    assert (done.added, done.changed) == (["carl"], ["anna", "ben"])
    assert (agent(store, "anna").extension, agent(store, "ben").extension) == ("202", "201")
    assert agent(store, "ben").campaign_ids == frozenset()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name\nanna\n", "line 1: there is no column extension"),
        ("name,extension,shift\nanna,201,x\n", "no such column as 'shift'"),
        ("name,extension\nanna,112\n", "line 2, extension: '112' is not dialed"),
        ("name,extension\nan na,203\n", "line 2, name: 'an na' cannot be an agent's name"),
        ("name,extension\ncarl,201\n", "201 is the phone of agent anna"),
        ("name,extension\nx,301\ny,301\n", "301 is the phone of agent x in line 2"),
        ("name,extension\nx,301\nx,302\n", "'x' stands in line 2 already"),
        ("name,extension,campaigns\nx,301,spring\n", "campaign 'spring' is not in the database"),
        ("name,extension,skills\nx,301,Über\n", "'Über' cannot be a skill"),
        ("name,extension,priority\nx,301,10\n", "line 2, priority: '10' is no priority"),
        ("name,extension\nx,301,a,b\n", "4 cells stand under 2 columns"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_changes(
    store: Store, tmp_path: Path, brought_in: AgentsImported, text: str, told: str
) -> None:
    version = store.read_sync(agents_version)
    with pytest.raises(BadInput) as raised:
        bring(store, tmp_path, text)
    assert told in str(raised.value)
    assert store.read_sync(agents_version) == version


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name,extension\nanna,201\nx,"301\n', 3),
        ('name,"extension\nanna,201\n', 1),
    ],
    ids=["row", "headers"],
)
def test_a_cell_past_the_longest_is_named(
    store: Store, tmp_path: Path, text: str, line: int
) -> None:
    was = csv.field_size_limit(1000)
    try:
        with pytest.raises(BadInput, match=f"line {line}: no cell is so long"):
            bring(store, tmp_path, text + "x" * 2000)
    finally:
        csv.field_size_limit(was)


def test_every_change_of_state_is_an_event(store: Store, brought_in: AgentsImported) -> None:
    anna = ask(store, "anna", AgentState.READY)
    assert (anna.state, anna.feed, anna.since) == (AgentState.READY, "command", later(minutes=1))
    for state in (AgentState.RESERVED, AgentState.RESERVED, AgentState.ON_CALL):
        moved(store, state)
    assert what_happened(store, "anna") == ["added", "not_ready", "ready", "reserved", "on_call"]
    assert agent(store, "anna").feed == "engine"


def test_who_has_a_person_stops_after_it_and_keeps_the_reason(
    store: Store, brought_in: AgentsImported
) -> None:
    ask(store, "anna", AgentState.READY)
    moved(store, AgentState.RESERVED)
    moved(store, AgentState.ON_CALL)
    asked = ask(store, "anna", AgentState.NOT_READY, "lunch")
    assert (asked.state, asked.wanted) == (AgentState.ON_CALL, AgentState.NOT_READY)
    moved(store, AgentState.WRAP_UP)
    moved(store, AgentState.NOT_READY)
    assert (agent(store, "anna").state, agent(store, "anna").reason) == (
        AgentState.NOT_READY,
        "lunch",
    )


def test_being_asked_tells_engines_to_read_again(store: Store, brought_in: AgentsImported) -> None:
    before = store.read_sync(agents_version)
    moved(store, AgentState.NOT_READY)
    assert store.read_sync(agents_version) == before
    ask(store, "anna", AgentState.READY)
    assert store.read_sync(agents_version) != before


def test_an_unknown_agent_is_answered_with_the_known_ones(
    store: Store, brought_in: AgentsImported
) -> None:
    with pytest.raises(UnknownName, match="there is anna, ben"):
        ask(store, "carl", AgentState.READY)


def test_an_agent_whose_phone_rang_unheard_is_not_ready_with_a_reason_once(
    store: Store, brought_in: AgentsImported
) -> None:
    ask(store, "anna", AgentState.READY)
    moved(store, AgentState.RESERVED)
    version = agent(store, "anna").version
    benched = AgentBenched(extension="201", reason="no answer")
    ready, rests = (
        AgentMoved(extension="201", state=state, at=later(minutes=2), told_by=Teller.ENGINE)
        for state in (AgentState.READY, AgentState.NOT_READY)
    )
    for _ in range(2):  # an answer to a COMMIT may be lost
        store.run_sync(write_outcomes, [benched, ready, rests], node="a", now=NOON)
    anna = agent(store, "anna")
    assert (anna.wanted, anna.state) == (AgentState.NOT_READY, AgentState.NOT_READY)
    assert (anna.reason, anna.version) == ("no answer", version + 1)
    last = store.read_sync(events_of, Subject.AGENT, "anna")[-1]
    assert (last.what, last.detail["reason"]) == ("not_ready", "no answer")


def test_an_agent_who_is_logged_off_stays_so(store: Store, brought_in: AgentsImported) -> None:
    store.run_sync(note_agent_benched, AgentBenched(extension="201", reason="no answer"), now=NOON)
    assert agent(store, "anna").wanted is AgentState.LOGGED_OFF


def test_the_end_of_a_wrap_up_stands_as_long_as_the_wrap_up(
    store: Store, brought_in: AgentsImported
) -> None:
    ask(store, "anna", AgentState.READY)
    moved(store, AgentState.ON_CALL)
    moved(store, AgentState.WRAP_UP, wraps_up_until=later(minutes=3))
    assert agent(store, "anna").wraps_up_until == later(minutes=3)
    moved(store, AgentState.READY)
    assert agent(store, "anna").wraps_up_until is None
