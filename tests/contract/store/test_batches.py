"""Many attempts in one transaction come to the same as each in one of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa

from acd.agents import AgentState
from acd.calls import DisconnectCause
from acd.rules.dispositions import Disposition
from acd.rules.eligibility import Rule
from acd.store import Store
from acd.store import schema as t
from acd.store.agents import AgentMoved, Teller
from acd.store.attempts import AgentTimes
from acd.store.beginning import Blocked, NewAttempt, begin_attempts
from acd.store.dnc import add_numbers, open_list
from acd.store.leads import LEASE, ClaimedLead, release_expired_claims
from acd.store.outcomes import AttemptAnswered, DialogSeen, GivenBack, NotDialed, Outcome
from tests.contract.store.world import NOON, World, closed, later

AGENTS = {"extensions": ["201"], "disposition_seconds": 60}
RETRY = {"busy": {"action": "retry", "after_seconds": 60, "max_times": 2}}


def begin(store: Store, leads: Sequence[ClaimedLead], *, node: str = "a") -> list[int | Blocked]:
    wanted = [NewAttempt(lead=lead, trunk="main", line=1) for lead in leads]
    return store.run_sync(begin_attempts, wanted, node=node, now=NOON)


def rules(begun: Sequence[int | Blocked]) -> list[Rule | None]:
    return [each.rule if isinstance(each, Blocked) else None for each in begun]


def test_each_lead_of_a_batch_is_asked_by_its_own_rules(world: World, store: Store) -> None:
    open_all_day = world.campaign()
    closed_now = world.campaign(calling_hours={"monday": ["12:00-12:30"]})
    for campaign in (open_all_day, closed_now):
        world.leads(campaign, 2)
    fine, listed = world.claim(open_all_day)
    late, later_still = world.claim(closed_now)
    list_id = store.run_sync(open_list, name="own", campaign_id=None, made_on=NOON.date(), now=NOON)
    store.run_sync(add_numbers, list_id=list_id, numbers=[listed.e164], now=NOON)
    wanted = [
        NewAttempt(lead=lead, trunk="main", line=line)
        for line, lead in enumerate((late, listed, fine, later_still), 1)
    ]
    begun = store.run_sync(begin_attempts, wanted, node="a", now=later(minutes=45))
    assert rules(begun) == [Rule.CALLING_HOURS, Rule.DNC, None, Rule.CALLING_HOURS]
    states = [world.lead(lead.lead_id).state for lead in (late, listed, fine, later_still)]
    assert states == ["waiting", "waiting", "claimed", "waiting"]
    row = world.attempt(int(str(begun[2])))
    assert (row.lead_id, row.line, row.state) == (fine.lead_id, 3, "dialing")


def test_a_lead_that_stands_in_a_batch_twice_is_begun_once(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign, 2)
    first, second = world.claim(campaign)
    begun = begin(store, [first, second, first, first])
    assert rules(begun) == [None, None, Rule.LEAD_STATE, Rule.LEAD_STATE]
    assert world.lead(first.lead_id).attempts == 1
    assert world.lead(first.lead_id).state == "claimed"


def test_leads_that_another_node_has_are_not_begun(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign, 3)
    ours = world.claim(campaign, limit=2)
    [theirs] = world.claim(campaign, node="b")
    assert rules(begin(store, [ours[0], theirs, ours[1]])) == [None, Rule.LEAD_STATE, None]
    assert world.lead(theirs.lead_id).claimed_by == "b"


def dialed(world: World, store: Store) -> list[int]:
    """Six attempts, the last of a lead's second call."""
    campaign = world.campaign(agents=AGENTS, retry=RETRY, gap_seconds=0)
    world.leads(campaign, 1, numbers=1)
    [again] = world.claim(campaign)
    world.close(world.dial(again), DisconnectCause.BUSY)
    # The retry's minute is over for all of them.
    world.leads(campaign, 5, numbers=2)
    now = later(minutes=2)
    leads = sorted(world.claim(campaign, now=now), key=lambda lead: -lead.lead_id)
    assert len(leads) == 6
    wanted = [NewAttempt(lead=lead, trunk="main", line=1) for lead in leads]
    begun = store.run_sync(begin_attempts, wanted, node="a", now=now)
    assert rules(begun) == [None] * 6
    return [each for each in begun if isinstance(each, int)]


def story(attempts: Sequence[int], extension: str) -> list[Outcome]:
    """All kinds of outcomes, some of them twice, and of several attempts in turn."""
    handed, busy, invalid, gone, ringing, again = attempts

    def dialog(attempt: int, tag: str) -> DialogSeen:
        return DialogSeen(attempt_id=attempt, sip_call_id=f"call-{tag}", dialog={"tag": tag})

    def moved(state: AgentState, seconds: int) -> AgentMoved:
        at = later(seconds=seconds)
        return AgentMoved(extension=extension, state=state, at=at, told_by=Teller.ENGINE)

    times = AgentTimes(attempt_id=handed, rang_at=NOON, answered_at=None, talk_seconds=None)
    return [
        dialog(handed, "early"),
        dialog(ringing, "ringing"),
        moved(AgentState.READY, 1),
        dialog(handed, "answered"),
        AttemptAnswered(attempt_id=handed, at=later(seconds=5)),
        AttemptAnswered(attempt_id=handed, at=later(seconds=9)),
        moved(AgentState.RESERVED, 2),
        closed(busy, DisconnectCause.BUSY, NOON),
        times,
        times,
        closed(
            handed,
            DisconnectCause.TRANSFERRED,
            later(seconds=8),
            transfer_result="answered",
            transferred_at=later(seconds=7),
            agent=extension,
        ),
        moved(AgentState.ON_CALL, 3),
        moved(AgentState.ON_CALL, 4),
        GivenBack(lead_ids=()),
        closed(busy, DisconnectCause.NO_ANSWER, NOON),
        closed(invalid, DisconnectCause.BAD_ADDRESS, NOON),
        dialog(invalid, "too late"),
        AttemptAnswered(attempt_id=gone, at=NOON),
        closed(gone, None, NOON),
        closed(again, DisconnectCause.BUSY, NOON),
        AttemptAnswered(attempt_id=ringing, at=later(seconds=6)),
    ]


def told(store: Store, attempts: Sequence[int]) -> list[Any]:
    """What stands of the attempts and their leads; ids by their place."""

    def read(conn: sa.Connection) -> list[Any]:
        found: list[Any] = []
        for attempt_id in attempts:
            row = conn.execute(sa.select(t.attempts).where(t.attempts.c.attempt_id == attempt_id))
            attempt = dict(row.mappings().one())
            of_lead = t.leads.c.lead_id == attempt["lead_id"]
            lead = dict(conn.execute(sa.select(t.leads).where(of_lead)).mappings().one())
            dead = conn.scalars(
                sa.select(t.lead_numbers.c.dead)
                .where(t.lead_numbers.c.lead_id == lead["lead_id"])
                .order_by(t.lead_numbers.c.position)
            ).all()
            events = conn.execute(
                sa.select(t.events.c.at, t.events.c.what, t.events.c.detail)
                .where(
                    sa.or_(
                        sa.and_(
                            t.events.c.subject == "attempt",
                            t.events.c.subject_id == str(attempt_id),
                        ),
                        sa.and_(
                            t.events.c.subject == "lead",
                            t.events.c.subject_id == str(lead["lead_id"]),
                        ),
                    ),
                    t.events.c.what.not_in(["dialing", "claimed"]),
                )
                .order_by(t.events.c.event_id)
            ).all()
            found += [_without_ids(attempt), _without_ids(lead)]
            found += [list(dead), [tuple(event) for event in events]]
        return found

    return store.read_sync(read)


def _without_ids(row: dict[str, Any]) -> dict[str, Any]:
    """What the same story gives the same, whoever it is told of."""
    apart = ("import_id", "source_line", "columns", "agent")
    kept = [key for key in row if key == "sip_call_id" or not key.endswith("_id")]
    return {key: row[key] for key in kept if key not in apart}


@pytest.fixture
def agents(store: Store) -> list[str]:
    """Two who do the same; their extensions."""
    extensions = ["201", "202"]
    for extension in extensions:
        World(store).agent(f"agent-{extension}", extension)
    return extensions


def test_a_batch_comes_to_the_same_as_its_outcomes_one_by_one(
    world: World, store: Store, agents: Sequence[str]
) -> None:
    single, together = dialed(world, store), dialed(world, store)
    first = [world.write(outcome)[0] for outcome in story(single, agents[0])]
    second = world.write(*story(together, agents[1]))
    assert first == second
    assert [each for each in first if each is not None] == [
        Disposition.BUSY,
        Disposition.HANDED_OVER,
        Disposition.BUSY,
        Disposition.INVALID_NUMBER,
        Disposition.UNKNOWN,
        Disposition.BUSY,
    ]
    assert told(store, single) == told(store, together)
    assert world.lead(world.attempt(together[5]).lead_id).reason == "retries_exhausted"
    assert world.lead(world.attempt(together[0]).lead_id).state == "with_agent"
    assert agent_events(store, "agent-201") == agent_events(store, "agent-202")


def agent_events(store: Store, name: str) -> list[Any]:
    query = (
        sa.select(t.events.c.at, t.events.c.what, t.events.c.detail)
        .where(t.events.c.subject == "agent", t.events.c.subject_id == name)
        .where(t.events.c.what != "added")
        .order_by(t.events.c.event_id)
    )
    return store.read_sync(lambda conn: [tuple(row) for row in conn.execute(query)])


def test_events_keep_the_order_of_what_happened(
    world: World, store: Store, agents: Sequence[str]
) -> None:
    attempts = dialed(world, store)
    before = store.read_sync(lambda conn: conn.scalar(sa.select(sa.func.max(t.events.c.event_id))))
    world.write(*story(attempts, agents[0]))
    query = sa.select(t.events.c.what).where(t.events.c.event_id > before)
    happened = store.read_sync(lambda conn: list(conn.scalars(query.order_by(t.events.c.event_id))))
    assert happened == [
        *("ready", "answered", "reserved"),
        *("closed", "waiting", "agent_times"),
        *("closed", "with_agent", "on_call"),
        *("closed", "waiting"),
        *("answered", "closed", "review"),
        *("closed", "closed"),
        "answered",
    ]


def test_a_batch_that_is_written_again_changes_nothing(
    world: World, store: Store, agents: Sequence[str]
) -> None:
    attempts = dialed(world, store)
    outcomes = story(attempts, agents[0])
    first = world.write(*outcomes)
    before = told(store, attempts)
    assert world.write(*outcomes) == first
    assert told(store, attempts)[::4] == before[::4], "the attempts"
    assert told(store, attempts)[1::4] == before[1::4], "their leads"


def test_a_lead_that_was_not_dialed_is_freed_after_what_came_before(
    world: World, store: Store
) -> None:
    campaign = world.campaign()
    world.leads(campaign, 2)
    lost, busy = world.claim(campaign)
    attempt = world.dial(busy)
    world.dial(lost)
    dispositions = world.write(
        closed(attempt, DisconnectCause.BLOCKED, NOON),
        NotDialed(lead=lost),
        GivenBack(lead_ids=(busy.lead_id,)),
    )
    assert dispositions == [Disposition.UNWANTED, None, None]
    assert world.lead(lost.lead_id).reason == "stopped"
    assert world.lead(busy.lead_id).state == "closed"


def test_a_lead_whose_row_is_written_meanwhile_does_not_expire(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign, 2)
    dialed_now, forgotten = world.claim(campaign)
    late = NOON + LEASE + timedelta(seconds=1)
    freed: list[int] = []

    def expire() -> None:
        freed.append(store.run_sync(release_expired_claims, campaign_id=campaign, now=late))

    other = Thread(target=expire)
    with store.transaction() as conn:
        wanted = [NewAttempt(lead=dialed_now, trunk="main", line=1)]
        assert rules(begin_attempts(conn, wanted, node="a", now=NOON)) == [None]
        other.start()
        # Long enough for it to stand before the row, nearly always; there is no event for that.
        other.join(0.3)
    other.join(30)
    assert freed == [1]
    states = [world.lead(lead.lead_id).state for lead in (dialed_now, forgotten)]
    assert states == ["claimed", "waiting"]
