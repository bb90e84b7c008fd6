"""What people do with leads, and what engines do about one another."""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from acd.calls import DisconnectCause
from acd.dialer.lead_export import export_leads
from acd.errors import BadInput, UnknownName
from acd.rules.callbacks import FARTHEST
from acd.rules.eligibility import Rule
from acd.store import Store, connected, open_store_sync
from acd.store import schema as t
from acd.store.backup import backup_database, check_database
from acd.store.beginning import Blocked
from acd.store.dnc import dnc_lists
from acd.store.events import Subject, changes_after, events_of, record
from acd.store.imports import publish
from acd.store.lead_changes import (
    erase_lead,
    find_leads,
    promise_callback,
    promise_for,
    reset_leads,
)
from acd.store.nodes import (
    NODE_LEASE,
    Others,
    dead_nodes,
    leave_node,
    others_at_work,
    renew_node,
    take_over,
)
from acd.store.staging import StagedRows, open_staging
from acd.store.versions import upgrade_schema
from tests.contract.store.world import NOON, World, later
from tests.peers.postgres import PostgresServer


def test_a_reset_lead_has_all_its_attempts_again_and_its_gap_holds(
    world: World, store: Store
) -> None:
    campaign = world.campaign(max_attempts=1, gap_seconds=3600)
    world.leads(campaign, 2)
    done, other = world.claim(campaign)
    world.close(world.dial(done))
    world.close(world.dial(other), DisconnectCause.BLOCKED)
    assert world.lead(done.lead_id).reason == "attempts_exhausted"
    assert (
        store.run_sync(reset_leads, campaign_id=campaign, reason="attempts_exhausted", now=NOON)
        == 1
    )
    assert world.claim(campaign, now=later(minutes=59)) == []
    [again] = world.claim(campaign, now=later(hours=1))
    assert (again.lead_id, again.attempt_no) == (done.lead_id, 2)
    world.close(world.dial(again, now=later(hours=1)), now=later(hours=1))
    assert world.lead(done.lead_id).reason == "attempts_exhausted"


def test_a_reset_does_not_end_the_lock_out_after_an_abandoned_call(
    world: World, store: Store
) -> None:
    campaign = world.campaign(max_attempts=1)
    world.leads(campaign)
    [lead] = world.claim(campaign)
    world.close(world.dial(lead), DisconnectCause.HUNG_UP, abandoned=True, answered_at=NOON)
    assert store.run_sync(reset_leads, campaign_id=campaign, lead_ids=[1], now=NOON) == 1
    assert world.claim(campaign, now=later(hours=71)) == []
    assert len(world.claim(campaign, now=later(hours=72))) == 1


def test_a_promised_callback_waits_for_its_time_and_then_goes_first(
    world: World, store: Store
) -> None:
    campaign = world.campaign()
    world.leads(campaign, 3, now=later(hours=-1))
    at = later(hours=2)
    store.run_sync(promise_callback, lead_id=3, at=at, agent="201", now=NOON)
    assert [lead.lead_id for lead in world.claim(campaign, limit=1, now=NOON)] == [1]
    [first, second] = world.claim(campaign, limit=2, now=at)
    assert (first.lead_id, first.callback_agent) == (3, "201")
    assert (second.callback_agent) is None
    world.close(world.dial(first, now=at), now=at)
    assert world.lead(3).callback_at is None
    assert [event.what for event in store.read_sync(events_of, Subject.LEAD, 3)] == [
        "callback_promised",
        "claimed",
        "waiting",
    ]


def test_a_callback_in_a_far_year_is_a_typing_error(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign)
    for at in (NOON + FARTHEST + timedelta(seconds=1), datetime.max.replace(tzinfo=UTC)):
        with pytest.raises(BadInput, match=r"lead 1: .* too far ahead; allowed: at most 732 days"):
            store.run_sync(promise_callback, lead_id=1, at=at, agent=None, now=NOON)
    assert world.lead(1).callback_at is None
    store.run_sync(promise_callback, lead_id=1, at=NOON + FARTHEST, agent=None, now=NOON)


def test_a_callback_to_a_lead_whose_numbers_are_all_dead_is_not_promised(
    world: World, store: Store
) -> None:
    campaign = world.campaign()
    world.leads(campaign)
    world.leads(campaign, numbers=2)
    store.run_sync(_bury, 1)
    with pytest.raises(BadInput, match="lead 1: none of its numbers can be dialed"):
        store.run_sync(promise_callback, lead_id=1, at=NOON, agent=None, now=NOON)
    store.run_sync(_bury, 2, position=0)
    store.run_sync(promise_callback, lead_id=2, at=NOON, agent=None, now=NOON)
    assert [lead.lead_id for lead in world.claim(campaign)] == [2]
    assert world.lead(2).next_position == 1


def _bury(conn: sa.Connection, lead_id: int, *, position: int | None = None) -> None:
    which = [t.lead_numbers.c.lead_id == lead_id]
    if position is not None:
        which.append(t.lead_numbers.c.position == position)
    conn.execute(sa.update(t.lead_numbers).where(*which).values(dead=True))


def test_who_promises_a_callback_is_an_agent_of_sql_or_of_the_campaigns_file(
    world: World, store: Store
) -> None:
    world.leads(world.campaign())
    world.agent("anna", "301")
    for named, known in (("301", "anna"), ("anna", "anna"), ("201", "201")):
        store.run_sync(promise_for, lead_id=1, at=NOON, owner=named, now=NOON)
        assert world.lead(1).callback_agent == known
    for named, error, says in (
        ("ana", UnknownName, "agent ana: there is no agent of that name or extension"),
        ("a" * 33, BadInput, "no agent has so long a name; allowed: at most 32 signs"),
    ):
        with pytest.raises(error, match=says):
            store.run_sync(promise_for, lead_id=1, at=NOON, owner=named, now=NOON)
    assert world.lead(1).callback_agent == "201"


def test_a_reset_of_a_lead_that_is_not_there_resets_nobody(world: World, store: Store) -> None:
    campaign, other = world.campaign(), world.campaign()
    world.leads(campaign)
    world.leads(other)
    world.close(world.dial(world.claim(campaign)[0]), DisconnectCause.BAD_ADDRESS)
    with pytest.raises(UnknownName, match="lead 2, 99: the campaign has none of that id"):
        store.run_sync(reset_leads, campaign_id=campaign, lead_ids=[1, 2, 99], now=NOON)
    assert world.lead(1).state == "closed"


def test_a_lead_in_an_engines_hands_is_not_changed(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign)
    world.claim(campaign)
    for change in (
        lambda conn: erase_lead(conn, lead_id=1, now=NOON),
        lambda conn: promise_callback(conn, lead_id=1, at=later(hours=1), agent=None, now=NOON),
    ):
        with pytest.raises(BadInput, match="try again later"):
            store.run_sync(change)


def test_higher_priorities_are_claimed_first(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign, now=later(hours=-1))
    world.leads(campaign, priority=5)
    assert [lead.lead_id for lead in world.claim(campaign)] == [2, 1]


def test_the_newest_first_if_the_campaign_wants_it(world: World) -> None:
    campaign = world.campaign(order="newest")
    world.leads(campaign, 2, now=later(hours=-2))
    world.leads(campaign, now=later(hours=-1))
    assert [lead.lead_id for lead in world.claim(campaign)] == [3, 2, 1]


def test_an_erased_person_is_gone_everywhere_and_no_import_brings_them_back(
    world: World, store: Store, tmp_path: Path
) -> None:
    campaign, other = world.campaign(), world.campaign()
    [e164] = world.leads(campaign)
    rows = world.staged([e164])
    with open_staging(store) as staging:
        staging.stage(rows)
        with staging.publishing() as conn:
            publish(conn, campaign_id=other, file_name="x", sha256="", summary={}, now=NOON)
    [lead] = world.claim(campaign)
    world.close(world.dial(lead), DisconnectCause.BUSY)
    assert store.run_sync(erase_lead, lead_id=1, now=NOON) == [1, 2]
    assert store.read_sync(find_leads, e164=e164) == []
    assert (world.lead(1).state, world.lead(1).reason, world.lead(1).columns) == (
        "closed",
        "erased",
        {},
    )
    assert not store.read_sync(_stands_anywhere, e164)
    with open_staging(store) as staging:
        staging.stage(rows)
        assert staging.sift(campaign)["erased"] == 1
    assert store.run_sync(reset_leads, campaign_id=campaign, now=NOON) == 0
    assert store.read_sync(export_leads, "campaign-1", tmp_path / "out.csv") == 1


def _stands_anywhere(conn: sa.Connection, e164: str) -> bool:
    digits = e164.removeprefix("+")
    tables = (t.leads, t.lead_numbers, t.attempts, t.events, t.suppressions, t.imports)
    return any(
        digits in str(tuple(row)) for table in tables for row in conn.execute(sa.select(table))
    )


def test_a_dead_engines_attempts_are_taken_over_once(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign, 2)
    [lead, _held] = world.claim(campaign)
    for node in ("a", "b"):
        store.run_sync(renew_node, node=node, now=NOON)
    attempt = world.dial(lead)
    at = NOON + NODE_LEASE
    store.run_sync(renew_node, node="b", now=at)
    assert store.read_sync(dead_nodes, but_not="b", now=at) == []
    assert store.run_sync(take_over, dead="a", now=at) is None
    at += NODE_LEASE / 2
    assert store.read_sync(dead_nodes, but_not="b", now=at) == ["a"]
    assert store.read_sync(dead_nodes, but_not="a", now=at) == []
    assert store.run_sync(take_over, dead="a", now=at) == [attempt]
    assert store.run_sync(take_over, dead="a", now=at) is None
    assert world.attempt(attempt).disposition == "unknown"
    assert (world.lead(1).state, world.lead(2).state) == ("review", "waiting")
    # It was not dead but slow: what it says now comes too late, and it dials nobody.
    assert world.close(attempt, DisconnectCause.BUSY).value == "unknown"
    blocked = world.begin(_held)
    assert isinstance(blocked, Blocked)
    assert blocked.rule is Rule.LEAD_STATE


def test_an_engine_knows_what_the_others_have_open_of_a_campaign(
    world: World, store: Store
) -> None:
    campaign, another = world.campaign(), world.campaign()
    for each in (campaign, another):
        world.leads(each, 3)
    for node in ("a", "b"):
        [lead] = world.claim(campaign, node=node, limit=1)
        world.dial(lead, node=node)
        [theirs] = world.claim(another, node=node, limit=1)
        world.dial(theirs, node=node)
    [over] = world.claim(campaign, node="b", limit=1)
    world.close(world.dial(over, node="b"))

    def others(at: datetime) -> Others:
        return store.read_sync(others_at_work, node="a", campaign_id=campaign, now=at)

    store.run_sync(renew_node, node="a", now=NOON)
    assert others(NOON) == Others(), "whose lease is gone dials nobody"
    store.run_sync(renew_node, node="b", now=NOON)
    assert others(NOON) == Others(engines=1, open_attempts=1)
    assert others(NOON + 2 * NODE_LEASE) == Others()


def test_an_engine_that_left_is_not_taken_for_dead(world: World, store: Store) -> None:
    store.run_sync(renew_node, node="a", now=NOON)
    store.run_sync(leave_node, node="a")
    assert store.read_sync(dead_nodes, but_not="b", now=later(days=1)) == []


def test_a_backup_is_a_whole_database_and_replaces_nothing(
    world: World, store_url: str, tmp_path: Path
) -> None:
    world.leads(world.campaign(), 3)
    target = tmp_path / "copy"
    with connected(store_url) as engine:
        check_database(engine)
        backup_database(engine, target)
        assert target.stat().st_size > 0
        assert target.stat().st_mode & 0o077 == 0
        with pytest.raises(BadInput, match="there already"):
            backup_database(engine, target)
    if store_url.startswith("sqlite"):
        with open_store_sync(f"sqlite:///{target}") as copy:
            assert len(World(copy).claim(1)) == 3


@pytest.mark.real
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_an_archive_of_postgresql_is_restored_by_its_own_program(
    world: World, store_url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    world.leads(world.campaign(), 3, numbers=2)
    with connected(store_url) as engine:
        backup_database(engine, tmp_path / "acd.dump")
    restored = postgres.new_database()
    subprocess.run(
        ["pg_restore", "--exit-on-error", f"--dbname={restored}", str(tmp_path / "acd.dump")],
        check=True,
    )
    with connected(restored) as engine:
        check_database(engine)
    with open_store_sync(restored) as store:
        copy = World(store)
        assert len(copy.claim(1)) == 3
        # The sequences came along: what is new does not collide with what was restored.
        for _ in range(6):
            copy.number()
        copy.leads(1, 1)


def test_an_older_database_with_leads_is_upgraded_and_keeps_them(store_url: str) -> None:
    with connected(store_url, create=True) as engine:
        with engine.begin() as conn:
            build_first_schema(conn)
        assert upgrade_schema(engine) == ("0001", t.SCHEMA_REVISION)
    with open_store_sync(store_url) as store:
        assert World(store).lead(1).priority == 0
        [kept] = store.read_sync(dnc_lists)
        assert (kept.name, kept.made_on, kept.numbers) == ("robinson", date(2026, 1, 1), 1)


def build_first_schema(conn: sa.Connection) -> None:
    """As the first release left it, with a campaign and a lead."""
    from alembic import command
    from alembic.config import Config

    from acd.store.versions import MIGRATIONS

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    command.upgrade(config, "0001")
    conn.execute(sa.text(_OLD_CAMPAIGN), {"at": NOON.isoformat(sep=" ")[:19]})
    conn.execute(sa.text("INSERT INTO lanes VALUES (1, 1, 'Europe/Vienna')"))
    for statement in (_OLD_LEAD, _OLD_LIST, _OLD_LISTED):
        conn.execute(sa.text(statement), {"at": NOON.isoformat(sep=" ")[:19]})


_OLD_CAMPAIGN = "INSERT INTO campaigns VALUES (1, 'old', 'created', 'main', 1, :at, :at)"
_OLD_LEAD = (
    "INSERT INTO leads (lead_id, campaign_id, lane_id, state, next_attempt_at, columns, changed_at)"
    " VALUES (1, 1, 1, 'waiting', :at, '{}', :at)"
)
_OLD_LIST = "INSERT INTO dnc_lists VALUES (1, 'robinson', NULL, '2026-01-01', :at)"
_OLD_LISTED = "INSERT INTO dnc_numbers VALUES ('+431999', 1, :at)"


def test_staging_leaves_nothing_on_the_connection(store: Store) -> None:
    for _ in range(2):
        with open_staging(store) as staging:
            staging.stage(StagedRows())
            assert staging.count() == 0


def test_events_are_told_from_an_id_on_and_those_that_were_missing_before_it(store: Store) -> None:
    def say(conn: sa.Connection, name: str) -> None:
        record(conn, at=NOON, subject=Subject.AGENT, subject_id=name, what="ready", detail={})

    for name in ("anna", "ben", "carl", "dora"):
        store.run_sync(say, name)

    def told(after: int, also: list[int], limit: int = 9) -> list[str]:
        found = store.read_sync(changes_after, after, also=also, limit=limit)
        return [change.subject_id for change in found]

    first, _, third, _ = [each.event_id for each in store.read_sync(changes_after, 0, limit=9)]
    assert told(third, []) == ["dora"]
    assert told(third, [first, third + 100]) == ["anna", "dora"]
    assert told(first - 1, [], limit=2) == ["anna", "ben"]
