"""What the rules say about a lead, and that the time they name is the time at which it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acd.calls import DisconnectCause
from acd.dialer.lead_why import Explanation, explain_lead, leads_named
from acd.errors import BadInput, UnknownName
from acd.rules.callbacks import owner_of
from acd.rules.eligibility import Rule
from acd.store import Store
from acd.store import schema as t
from acd.store.beginning import Blocked
from acd.store.blocking import leads_by_blocking_rule
from acd.store.campaigns import CampaignState, campaign_by_id, set_campaign_state
from acd.store.dnc import add_numbers, dnc_lists, list_to_add_to, open_list
from acd.store.imports import publish
from acd.store.lead_changes import promise_callback
from acd.store.leads import claim_leads
from acd.store.staging import open_staging
from acd.store.tapi import begin_tapi_attempt
from tests.contract.store.world import NOON, World, later

HOURS = {"monday": ["09:00-20:00"], "wednesday": ["10:00-13:00", "14:00-20:00"]}
WORKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
ZONES = ("Europe/Vienna", "America/New_York")


def why(store: Store, lead: str, now: datetime = NOON) -> Explanation:
    [found] = store.read_sync(leads_named, lead, "AT")
    return store.read_sync(explain_lead, found, now)


def blocking(found: Explanation) -> list[Rule]:
    return [check.rule for check in found.checks if not check.passed]


def test_a_lead_that_may_go_is_told_so_by_id_and_by_number(world: World, store: Store) -> None:
    [e164] = world.leads(world.campaign())
    for name in ("1", e164, e164.replace("+43", "0")):
        found = why(store, name)
        assert (found.lead_id, found.eligible, found.dialable_at) == (1, True, NOON)


def test_a_paused_campaigns_lead_is_not_eligible(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign)
    store.run_sync(set_campaign_state, campaign_id=campaign, state=CampaignState.PAUSED, now=NOON)
    assert not why(store, "1").eligible
    assert why(store, "1").campaign_state == "paused"


@pytest.mark.parametrize(
    ("name", "error"),
    [("17", UnknownName), ("01505641", UnknownName), ("nobody", BadInput), ("112", UnknownName)],
)
def test_who_is_no_lead_is_answered_in_one_sentence(
    store: Store, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=name):
        store.read_sync(leads_named, name, "AT")


def test_a_list_that_will_be_too_old_by_then_names_no_time(world: World, store: Store) -> None:
    campaign = world.campaign(
        calling_hours={**dict.fromkeys(WORKDAYS, ()), "sunday": ["10:00-12:00"]},
        dnc={"required_lists": ["robinson"], "max_age_days": 5},
    )
    world.leads(campaign)
    for age, known in ((1, None), (-2, later(days=6, hours=-2))):
        store.run_sync(
            open_list, name="robinson", campaign_id=None, made_on=later(days=-age).date(), now=NOON
        )
        assert why(store, "1").dialable_at == known


def test_who_was_abandoned_is_locked_out_of_every_campaign(world: World, store: Store) -> None:
    first, second = world.campaign(), world.campaign(**abandoned_lock_out(hours=5))
    [e164] = world.leads(first, numbers=2)
    add_leads(world, store, second, [e164], ["+4315057001"])
    [lead] = world.claim(first)
    world.close(world.dial(lead), DisconnectCause.HUNG_UP, abandoned=True, answered_at=NOON)
    known = store.read_sync(campaign_by_id, second)
    counted = store.read_sync(leads_by_blocking_rule, known, NOON)
    assert counted == {"abandon_lock_out": 1, "dialable": 1}
    found = why(store, "2")
    assert blocking(found) == [Rule.ABANDON_LOCK_OUT]
    assert found.dialable_at == later(hours=5)
    assert [lead.lead_id for lead in world.claim(second)] == [3]
    assert 2 in [lead.lead_id for lead in world.claim(second, now=later(hours=5))]


def test_who_is_abandoned_while_another_campaign_is_about_to_dial_them_is_not_dialed(
    world: World, store: Store
) -> None:
    first, second = world.campaign(), world.campaign()
    [e164] = world.leads(first)
    add_leads(world, store, second, [e164])
    [ours], [theirs] = world.claim(first), world.claim(second)
    world.close(world.dial(ours), DisconnectCause.HUNG_UP, abandoned=True, answered_at=NOON)
    blocked = world.begin(theirs)
    assert isinstance(blocked, Blocked)
    assert blocked.rule is Rule.ABANDON_LOCK_OUT


def test_whom_a_tapi_client_abandoned_is_locked_out_of_every_campaign(
    world: World, store: Store
) -> None:
    campaign = world.campaign(**abandoned_lock_out(hours=5))
    [abandoned, _] = world.leads(campaign, 2)
    [claimed] = world.claim(campaign, limit=1)
    world.close(
        tapi_call(store, abandoned), DisconnectCause.HUNG_UP, abandoned=True, answered_at=NOON
    )
    known = store.read_sync(campaign_by_id, campaign)
    blocked = world.begin(claimed)
    assert isinstance(blocked, Blocked)
    assert blocked.rule is Rule.ABANDON_LOCK_OUT
    found = why(store, "1")
    assert (blocking(found), found.dialable_at) == ([Rule.ABANDON_LOCK_OUT], later(hours=5))
    counted = store.read_sync(leads_by_blocking_rule, known, NOON)
    assert counted == {"abandon_lock_out": 1, "dialable": 1}


def test_the_later_one_of_two_who_abandoned_somebody_counts(world: World, store: Store) -> None:
    first, second = world.campaign(), world.campaign(**abandoned_lock_out(hours=5))
    [e164] = world.leads(first)
    add_leads(world, store, second, [e164])
    [lead] = world.claim(first)
    for attempt, hours in ((world.dial(lead), 0), (tapi_call(store, e164), 1)):
        world.close(attempt, DisconnectCause.HUNG_UP, abandoned=True, now=later(hours=hours))
    assert why(store, "2").dialable_at == later(hours=6)


def tapi_call(store: Store, e164: str) -> int:
    attempt = store.run_sync(
        begin_tapi_attempt, client="crm", e164=e164, node="n", trunk="pbx", line=1, now=NOON
    )
    assert isinstance(attempt, int)
    return attempt


def abandoned_lock_out(*, hours: int) -> dict[str, Any]:
    return {"retry": {"abandoned": {"action": "retry", "after_seconds": hours * 3600}}}


def add_leads(world: World, store: Store, campaign_id: int, *leads: list[str]) -> None:
    with open_staging(store) as staging:
        staging.stage(world.staged(*leads))
        with staging.publishing() as conn:
            publish(conn, campaign_id=campaign_id, file_name="y", sha256="", summary={}, now=NOON)


def test_a_list_is_fresh_until_the_day_on_the_machines_wall_is_over(
    world: World, store: Store, machine_in: Callable[[str], None]
) -> None:
    machine_in("PST8")
    world.leads(world.campaign(dnc={"required_lists": ["robinson"], "max_age_days": 31}))
    made_on = later(days=-31).date()
    store.run_sync(open_list, name="robinson", campaign_id=None, made_on=made_on, now=NOON)
    midnight_in_utc, on_the_wall = later(hours=13), later(hours=21)
    assert why(store, "1", midnight_in_utc).eligible
    assert not why(store, "1", on_the_wall).eligible


@pytest.mark.parametrize(("when_stale", "goes"), [("block", False), ("alarm", True)])
def test_a_list_that_is_too_old_is_told_and_blocks_where_the_campaign_wants_it(
    world: World, store: Store, when_stale: str, goes: bool
) -> None:
    dnc = {"required_lists": ["robinson"], "max_age_days": 31, "when_stale": when_stale}
    campaign = world.campaign(dnc=dnc)
    world.leads(campaign)
    day = later(days=-32).date()
    store.run_sync(open_list, name="robinson", campaign_id=None, made_on=day, now=NOON)
    found = why(store, "1")
    [check] = [check for check in found.checks if check.rule is Rule.DNC_LIST_STALE]
    assert (check.passed, found.eligible) == (goes, goes)
    assert "older than 31 days: robinson" in check.detail
    row = store.read_sync(campaign_by_id, campaign)
    counted = store.read_sync(leads_by_blocking_rule, row, NOON)
    assert counted == {"dialable" if goes else "dnc_list_stale": 1}
    assert len(world.claim(campaign)) == goes


def test_a_number_added_by_hand_does_not_make_an_old_list_fresh(world: World, store: Store) -> None:
    campaign = world.campaign(dnc={"required_lists": ["robinson"], "max_age_days": 31})
    world.leads(campaign)
    day = later(days=-32).date()
    old = store.run_sync(open_list, name="robinson", campaign_id=None, made_on=day, now=NOON)
    assert old == store.run_sync(list_to_add_to, name="robinson", campaign_id=None, now=NOON)
    assert blocking(why(store, "1")) == [Rule.DNC_LIST_STALE]


def test_numbers_added_by_hand_do_not_stand_in_for_a_required_list(
    world: World, store: Store
) -> None:
    campaign = world.campaign(dnc={"required_lists": ["robinson"], "max_age_days": 31})
    world.leads(campaign)
    list_id = store.run_sync(list_to_add_to, name="robinson", campaign_id=None, now=NOON)
    store.run_sync(add_numbers, list_id=list_id, numbers=["+431999"], now=NOON)
    assert blocking(why(store, "1")) == [Rule.DNC_LIST_STALE]
    assert world.claim(campaign) == []
    [made] = store.read_sync(dnc_lists)
    assert (made.made_on, made.numbers) == (None, 1)
    day = NOON.date()
    store.run_sync(open_list, name="robinson", campaign_id=None, made_on=day, now=NOON)
    assert len(world.claim(campaign)) == 1


def test_a_time_at_the_end_of_the_calendar_breaks_neither_why_nor_the_engines_count(
    world: World, store: Store
) -> None:
    campaign = world.campaign()
    world.leads(campaign)
    at = datetime(9999, 12, 1, 10, tzinfo=UTC)
    store.run_sync(_set, 1, campaign, at, at, [], abandoned=False)
    assert why(store, "1").dialable_at is None
    row = store.read_sync(campaign_by_id, campaign)
    assert store.read_sync(leads_by_blocking_rule, row, NOON) == {"callback": 1}


def test_a_callback_in_its_owners_time_names_the_owner(world: World, store: Store) -> None:
    workday = {day: ["09:00-20:00"] for day in WORKDAYS}
    campaign = world.campaign(calling_hours=workday, callback_owner_seconds=3600)
    world.leads(campaign)
    store.run_sync(promise_callback, lead_id=1, at=later(hours=2), agent="anna", now=NOON)
    for now in (NOON, later(hours=2), later(hours=2, minutes=59)):
        found = why(store, "1", now)
        assert found.eligible == (now > NOON)
        assert (found.kept_for, found.anybody_at) == ("anna", later(hours=3))
        assert claim_for(store, campaign, later(hours=2), ready=["ben"]) == []
    assert claim_for(store, campaign, later(hours=2), ready=["anna"]) == [1]
    free = why(store, "1", later(hours=3))
    assert (free.eligible, free.kept_for, free.anybody_at) == (True, None, None)
    assert claim_for(store, campaign, later(hours=3), ready=["ben"]) == [1]


def test_a_callback_is_kept_for_its_owner_until_calling_hours_let_others_have_it(
    world: World, store: Store
) -> None:
    campaign = world.campaign(
        calling_hours={day: ["09:00-20:00"] for day in WORKDAYS}, callback_owner_seconds=3600
    )
    world.leads(campaign)
    store.run_sync(promise_callback, lead_id=1, at=later(hours=7.5), agent="anna", now=NOON)
    found = why(store, "1")
    # 19:30 in Vienna, and 09:00 the day after.
    assert (found.dialable_at, found.anybody_at) == (later(hours=7.5), later(hours=21))


def test_leads_are_counted_by_the_first_rule_that_blocks_them(world: World, store: Store) -> None:
    campaign = world.campaign(calling_hours={"monday": ["09:00-20:00"]})
    world.leads(campaign, 3)
    [listed] = world.leads(campaign)
    world.leads(campaign, 2, zones=("America/New_York",))
    world.leads(campaign, 4, now=later(hours=1))
    tried, _held = world.claim(campaign, limit=2)
    world.close(world.dial(tried), DisconnectCause.BUSY)
    list_id = store.run_sync(open_list, name="own", campaign_id=None, made_on=NOON.date(), now=NOON)
    store.run_sync(add_numbers, list_id=list_id, numbers=[listed], now=NOON)
    row = store.read_sync(campaign_by_id, campaign)
    assert store.read_sync(leads_by_blocking_rule, row, NOON) == {
        "dialable": 1,
        "dnc": 1,
        "calling_hours": 2,
        "gap": 1,
        "retry_wait": 4,
        "claimed": 1,
    }


def test_leads_that_a_filter_keeps_back_are_neither_claimed_nor_unexplained(
    world: World, store: Store
) -> None:
    campaign = world.campaign(filter=[{"column": "name", "one_of": ["LEAD 2", "lead 3"]}])
    world.leads(campaign, 3)
    row = store.read_sync(campaign_by_id, campaign)
    assert store.read_sync(leads_by_blocking_rule, row, NOON) == {"dialable": 2, "filter": 1}
    assert blocking(why(store, "1")) == [Rule.FILTER]
    assert [lead.lead_id for lead in world.claim(campaign)] == [2, 3]


moments = st.integers(-3 * 24 * 60, 5 * 24 * 60).map(lambda minutes: later(minutes=minutes))
zone_sets = st.sampled_from([*((zone,) for zone in ZONES), ZONES])
free_days = st.lists(st.integers(0, 9).map(lambda days: later(days=days).date()), max_size=3)
past = st.integers(1, 2 * 24 * 60).map(lambda minutes: later(minutes=-minutes))


@given(
    next_attempt_at=moments,
    callback_at=st.none() | moments,
    ends=st.lists(past, max_size=3, unique=True),
    abandoned=st.booleans(),
    zones=zone_sets,
    holidays=free_days,
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_time_that_is_named_is_the_time_at_which_a_claim_takes_the_lead(
    store: Store,
    next_attempt_at: datetime,
    callback_at: datetime | None,
    ends: list[datetime],
    abandoned: bool,
    zones: tuple[str, ...],
    holidays: list[date],
) -> None:
    world = _another_world(store)
    campaign = world.campaign(
        calling_hours={**HOURS, "holidays": holidays},
        max_attempts=9,
        max_attempts_per_day=2,
        gap_seconds=3600,
    )
    world.leads(campaign, zones=zones)
    lead_id = store.read_sync(_newest_lead)
    store.run_sync(_set, lead_id, campaign, next_attempt_at, callback_at, sorted(ends), abandoned)
    [found] = store.read_sync(leads_named, str(lead_id), "AT")
    named = store.read_sync(explain_lead, found, NOON).dialable_at
    assert named is not None
    second = timedelta(seconds=1)
    if named > NOON:
        assert claim_for(store, campaign, named - second, ready=None) == []
    assert claim_for(store, campaign, named, ready=None) == [lead_id]


@dataclass(frozen=True)
class Drawn:
    """A lead with everything that a claim asks, besides its attempts."""

    zones: tuple[str, ...]
    kind: str
    next_attempt_at: datetime
    callback_at: datetime | None
    owner: str | None


@given(
    drawn=st.lists(
        st.builds(
            Drawn,
            zones=zone_sets,
            kind=st.sampled_from(["at", "AT ", "de", "", "Straße", "GRÜN"]),
            next_attempt_at=moments,
            callback_at=st.none() | moments,
            owner=st.sampled_from([None, "anna", "ben"]),
        ),
        min_size=1,
        max_size=5,
    ),
    holidays=free_days,
    rules=st.sampled_from(
        [
            [],
            [{"column": "kind", "one_of": ["at"]}],
            [{"column": "kind", "one_of": ["strasse", "grün"]}],
            [{"column": "kind", "none_of": ["DE", "", "STRASSE"]}],
        ]
    ),
    ready=st.lists(st.sampled_from(["anna", "ben"]), unique=True),
    now=moments,
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whoever_is_counted_dialable_is_claimed_one_by_one_or_kept_for_an_agent(
    store: Store,
    drawn: list[Drawn],
    holidays: list[date],
    rules: list[dict[str, Any]],
    ready: list[str],
    now: datetime,
) -> None:
    world = _another_world(store)
    campaign = world.campaign(calling_hours={**HOURS, "holidays": holidays}, filter=rules)
    kept_from: dict[int, str | None] = {}
    for each in drawn:
        world.leads(campaign, zones=each.zones)
        lead_id = store.read_sync(_newest_lead)
        owner = each.owner if each.callback_at else None
        at, promised = each.next_attempt_at, each.callback_at
        store.run_sync(_set, lead_id, campaign, at, promised, [], abandoned=False)
        store.run_sync(_describe, lead_id, each.kind, owner)
        kept_from[lead_id] = owner_of(each.callback_at, owner, owner_seconds=900, now=now)
    row = store.read_sync(campaign_by_id, campaign)
    counted = store.read_sync(leads_by_blocking_rule, row, now)
    dialable = claim_for(store, campaign, now, ready=None, at_a_time=1)
    assert len(dialable) == counted.get("dialable", 0)
    told = {lead_id for lead_id in kept_from if why(store, str(lead_id), now).dialable_at == now}
    assert told == set(dialable)
    for_these = claim_for(store, campaign, now, ready=ready, at_a_time=1)
    assert set(for_these) == {
        lead_id for lead_id in dialable if kept_from[lead_id] in (None, *ready)
    }


def _another_world(store: Store) -> World:
    """Beside what earlier examples have left in the database."""
    world = World(store)
    world._names = count(store.read_sync(_count_campaigns) + 1)
    return world


def _count_campaigns(conn: sa.Connection) -> int:
    return conn.scalar(sa.select(sa.func.count()).select_from(t.campaigns)) or 0


def _newest_lead(conn: sa.Connection) -> int:
    return conn.scalar(sa.select(sa.func.max(t.leads.c.lead_id))) or 0


def _describe(conn: sa.Connection, lead_id: int, kind: str, owner: str | None) -> None:
    conn.execute(
        sa.update(t.leads)
        .where(t.leads.c.lead_id == lead_id)
        .values(columns={"kind": kind}, callback_agent=owner)
    )


def _set(
    conn: sa.Connection,
    lead_id: int,
    campaign_id: int,
    next_attempt_at: datetime,
    callback_at: datetime | None,
    ends: list[datetime],
    abandoned: bool,
) -> None:
    conn.execute(
        sa.update(t.leads)
        .where(t.leads.c.lead_id == lead_id)
        .values(next_attempt_at=next_attempt_at, callback_at=callback_at, attempts=len(ends))
    )
    for number, end in enumerate(ends, start=1):
        conn.execute(
            sa.insert(t.attempts).values(
                lead_id=lead_id, campaign_id=campaign_id, attempt_no=number, state="closed",
                node="a", trunk="main", line=1, started_at=end - timedelta(minutes=1),
                ended_at=end, abandoned=abandoned and number == len(ends), disposition="busy",
            )
        )  # fmt: skip


class _Forget(Exception):
    pass


def claim_for(
    store: Store,
    campaign_id: int,
    now: datetime,
    *,
    ready: list[str] | None,
    at_a_time: int = 10,
) -> list[int]:
    """Whom claims at `now` take for the agents who are ready; nothing of it stays."""
    taken: list[int] = []

    def claim(conn: sa.Connection) -> None:
        while leads := claim_leads(
            conn, campaign_id=campaign_id, node="x", limit=at_a_time, now=now, ready_names=ready
        ):
            taken.extend(lead.lead_id for lead in leads)
        raise _Forget

    with pytest.raises(_Forget):
        store.run_sync(claim)
    return taken
