"""Every change of a lead, an attempt or an agent leaves an event row in the same transaction.

Each statement is run between two looks at the tables: whatever row differs must have got an event
of its own, or be the lead that an attempt's event names. Not asked of: leads that an import adds
(their row is their first event), a lease that is prolonged, and the dialog that is kept for a BYE.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from datetime import timedelta
from types import FrameType, ModuleType
from typing import Any, Concatenate, ParamSpec, TypeVar

import pytest
import sqlalchemy as sa

from acd.agents import AgentState
from acd.calls import DisconnectCause
from acd.store import (
    Store,
    agent_dispositions,
    agents,
    asking_again,
    attempts,
    beginning,
    lead_changes,
    leads,
    outcomes,
    settling,
    tapi,
    turned_away,
)
from acd.store import schema as t
from acd.store.events import Subject, events_of
from tests.contract.store.world import NOON, World, closed, later

P = ParamSpec("P")
T = TypeVar("T")
Row = tuple[str, str]
"""`lead`, `attempt` or `agent`, and the id or, of an agent, the name."""

MODULES: tuple[ModuleType, ...] = (
    agent_dispositions,
    agents,
    asking_again,
    attempts,
    beginning,
    lead_changes,
    leads,
    settling,
    tapi,
    turned_away,
)
TABLES = ("t.leads", "t.lead_numbers", "t.attempts", "t.agents")
UNTOLD = ("renew_claims", "_keep_dialogs")
AGENTS = {"extensions": ["201"], "disposition_seconds": 60}


class Watch:
    """Compares the tables before and after each statement."""

    def __init__(self, run_sync: Callable[..., Any]) -> None:
        self._run_sync = run_sync
        self.compared = 0
        self.ran: set[str] = set()

    def run(
        self,
        store: Store,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        def between(conn: sa.Connection) -> T:
            before, newest = _rows(conn), conn.scalar(sa.select(sa.func.max(t.events.c.event_id)))
            sys.setprofile(self._note)
            try:
                result = statement(conn, *args, **kwargs)
            finally:
                sys.setprofile(None)
            after = _rows(conn)
            changed = {row for row in before | after if before.get(row) != after.get(row)}
            self.compared += len(changed)
            untold = changed - _told(conn, newest or 0)
            assert not untold, f"{statement.__name__} tells nobody of {sorted(untold)}"
            return result

        result: T = self._run_sync(store, between)
        return result

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            self.ran.add(frame.f_code.co_name)


def _rows(conn: sa.Connection) -> dict[Row, list[Any]]:
    """What counts as the lead, its numbers among it, as the attempt and as the agent."""
    found: dict[Row, list[Any]] = {}
    for subject, table, key, apart in (
        ("lead", t.leads, "lead_id", ("lease_until",)),
        ("lead", t.lead_numbers, "lead_id", ()),
        ("attempt", t.attempts, "attempt_id", ("dialog", "sip_call_id")),
        ("agent", t.agents, "name", ()),
    ):
        for row in conn.execute(sa.select(table).order_by(*table.primary_key)).mappings():
            kept = [value for name, value in row.items() if name not in apart]
            found.setdefault((subject, str(row[key])), []).append(kept)
    return found


def _told(conn: sa.Connection, newest: int) -> set[Row]:
    told = set()
    for row in conn.execute(sa.select(t.events).where(t.events.c.event_id > newest)):
        if row.subject in ("lead", "attempt", "agent"):
            told.add((row.subject, row.subject_id))
        if "lead" in row.detail:
            told.add(("lead", str(row.detail["lead"])))
    return told


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch(Store.run_sync)
    monkeypatch.setattr(Store, "run_sync", lambda store, *a, **k: watch.run(store, *a, **k))
    return watch


def _writers() -> set[str]:
    """Functions of the store that write leads, their numbers, attempts or agents."""
    found = set()
    for module in MODULES:
        body = ast.parse(inspect.getsource(module)).body
        built_once: set[str] = set()
        for node in body:
            if isinstance(node, ast.Assign) and _writes(node, built_once):
                built_once.add(ast.unparse(node.targets[0]))
        found |= {
            node.name
            for node in body
            if isinstance(node, ast.FunctionDef) and _writes(node, built_once)
        }
    return found


def _writes(node: ast.AST, built_once: set[str]) -> bool:
    """Whether such a statement is built in here, or one of those that are built once is used."""
    return any(
        (isinstance(each, ast.Name) and each.id in built_once)
        or (
            isinstance(each, ast.Call)
            and ast.unparse(each.func) in ("sa.insert", "sa.update", "sa.delete")
            and ast.unparse(each.args[0]) in TABLES
        )
        for each in ast.walk(node)
    )


def test_every_change_of_a_lead_an_attempt_or_an_agent_has_its_event(
    world: World, store: Store, watch: Watch
) -> None:
    _calls(world, store)
    _agents_words(world, store)
    _claims_that_come_to_nothing(world, store)
    _changed_rules(world, store)
    _people(world, store)
    _agents(world, store)
    assert watch.compared > 40
    writers = _writers()
    assert {
        "close_lead",
        "_put_off",
        "_free",
        "_forget",
        "_write_leads",
        "_close",
        "_add",
        "_move",
    } < writers
    assert writers - watch.ran - set(UNTOLD) == set()


def _calls(world: World, store: Store) -> None:
    """Answered, dead, repeated; and what an engine that died left open."""
    campaign = world.campaign()
    world.leads(campaign, 4, numbers=2)
    answered, dead, back, orphan = world.claim(campaign)
    attempt = world.dial(answered)
    world.write(outcomes.AttemptAnswered(attempt_id=attempt, at=NOON))
    world.write(closed(attempt, DisconnectCause.HUNG_UP, NOON, abandoned=True))
    seen = attempts.AgentTimes(attempt_id=attempt, rang_at=NOON, answered_at=None, talk_seconds=2.5)
    for _ in range(2):
        world.write(seen)
    world.close(world.dial(dead), DisconnectCause.BAD_ADDRESS)
    world.dial(back)
    store.run_sync(attempts.withdraw_attempt, lead=back, node="a", now=NOON)
    world.dial(orphan)
    assert store.run_sync(attempts.close_orphans, node="a", now=NOON)


def _agents_words(world: World, store: Store) -> None:
    campaign = world.campaign(agents=AGENTS)
    world.leads(campaign, 4)
    handed = []
    for lead in world.claim(campaign):
        handed.append(world.dial(lead))
        world.close(
            handed[-1],
            DisconnectCause.TRANSFERRED,
            answered_at=NOON,
            transferred_at=NOON,
            transfer_result="answered",
        )
    said = ({"code": "sale"}, {"code": "do_not_call"}, {"code": "callback"})
    for attempt, words in zip(handed, said, strict=False):
        at = later(hours=3) if words["code"] == "callback" else None
        store.run_sync(
            agent_dispositions.dispose_attempt,
            attempt_id=attempt,
            now=NOON,
            callback_at=at,
            **words,
        )
    assert store.run_sync(agent_dispositions.close_undisposed, now=later(hours=1))


def _claims_that_come_to_nothing(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign, 4)
    blocked, _, skipped, refused = world.claim(campaign)
    world.write(outcomes.TurnedAway(lead=refused, rule="region"))
    world.write(outcomes.LeadSkipped(lead_id=skipped.lead_id, agent="anna", until=later(hours=1)))
    night = {"monday": ["01:00-02:00"]}
    world.reload(campaign, calling_hours=night)
    assert not isinstance(world.begin(blocked), int)
    late = NOON + leads.LEASE + timedelta(seconds=1)
    assert store.run_sync(leads.release_expired_claims, campaign_id=campaign, now=late)


def _changed_rules(world: World, store: Store) -> None:
    """SQL takes what the judge then refuses."""
    campaign = world.campaign(gap_seconds=0, retry={"busy": {"action": "retry"}})
    world.leads(campaign, 1)
    world.close(world.dial(world.claim(campaign)[0]))
    world.reload(campaign, gap_seconds=7200)
    assert world.claim(campaign, now=later(minutes=1)) == []
    world.reload(campaign, max_attempts=1)
    world.ask_again(campaign, now=later(minutes=1))
    assert world.claim(campaign, now=later(hours=5)) == []


def _people(world: World, store: Store) -> None:
    campaign = world.campaign(retry={"busy": {"action": "close"}})
    (number,) = world.leads(campaign, 1)
    (lead,) = world.claim(campaign)
    world.close(world.dial(lead))
    begun = store.run_sync(
        tapi.begin_tapi_attempt,
        client="crm",
        e164=number,
        node="a",
        trunk="main",
        line=2,
        now=NOON,
    )
    assert isinstance(begun, int)
    world.close(begun)
    assert store.run_sync(lead_changes.reset_leads, campaign_id=campaign, now=NOON) == 1
    at = later(hours=2)
    store.run_sync(lead_changes.promise_callback, lead_id=lead.lead_id, at=at, agent=None, now=NOON)
    store.run_sync(lead_changes.erase_lead, lead_id=lead.lead_id, now=NOON)


def _agents(world: World, store: Store) -> None:
    """Brought in, changed, asked, seen by an engine, and benched."""

    world.agent("anna", "301")
    world.agent("anna", "302")
    for wanted in (AgentState.READY, AgentState.NOT_READY, AgentState.READY):
        store.run_sync(agents.ask_agent, "anna", wanted=wanted, reason="", now=NOON)
    for state in (AgentState.RESERVED, AgentState.ON_CALL):
        world.write(
            agents.AgentMoved(extension="302", state=state, at=NOON, told_by=agents.Teller.ENGINE)
        )
    # No state follows before the person is gone; a second bench is none.
    for wanted, reason in ((AgentState.NOT_READY, "lunch"), (AgentState.READY, "")):
        store.run_sync(agents.ask_agent, "anna", wanted=wanted, reason=reason, now=NOON)
    for _ in range(2):
        world.write(agents.AgentBenched(extension="302", reason="does not pick up"))
    happened = store.read_sync(events_of, Subject.AGENT, "anna")
    asked = [event.detail for event in happened if event.what == "asked"]
    assert [(each["wanted"], each["reason"], each["told_by"]) for each in asked] == [
        ("not_ready", "lunch", "command"),
        ("ready", "", "command"),
        ("not_ready", "does not pick up", "engine"),
    ]
