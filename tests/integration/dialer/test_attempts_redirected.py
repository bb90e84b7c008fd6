"""Whom a 3xx names is asked of the lists before they are called."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from acd.calls import DisconnectCause
from acd.dialer.redirects import may_follow
from acd.errors import StoreUnavailable
from acd.store import Store
from acd.store import schema as t
from acd.store.calls import call_of
from acd.store.dnc import add_numbers, list_to_add_to
from acd.store.suppressions import suppress
from tests.contract.store.world import NOON, World
from tests.fakes.lines import Script
from tests.integration.dialer.stages import StageMaker

SENT_ON_TO = "+43150564200"
LEADS_ZONE = "Europe/Vienna"
IN_AUCKLAND = "+6499876543"
"""Ten to twelve hours ahead of it."""


@pytest.mark.parametrize(
    ("barred_by", "disposition", "why"),
    [
        ("", "handed_over", ""),
        ("another campaign's list", "handed_over", ""),
        ("the campaign's list", "forwarded", "it stands on a do-not-call list"),
        ("everybody's list", "forwarded", "it stands on a do-not-call list"),
        ("an erasure", "forwarded", "the person had their data erased"),
        ("the database is away", "failed", "the do-not-call lists cannot be read now"),
    ],
)
async def test_the_number_that_a_redirect_names_is_asked_of_the_lists(
    stages: StageMaker,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    barred_by: str,
    disposition: str,
    why: str,
) -> None:
    stage = await stages.make(Script(sent_on_to=SENT_ON_TO))
    lists = {
        "another campaign's list": World(store, _names=count(2)).campaign(),
        "the campaign's list": stage.dialing.campaign.campaign_id,
        "everybody's list": None,
    }
    if barred_by in lists:
        store.run_sync(_list_number, SENT_ON_TO, lists[barred_by])
    elif barred_by == "an erasure":
        store.run_sync(suppress, [SENT_ON_TO], NOON)
    elif barred_by:
        monkeypatch.setattr(store, "read_sync", _away)
    row = await stage.run()
    monkeypatch.undo()
    assert row["disposition"] == disposition
    _, happened = store.read_sync(call_of, row["attempt_id"])
    told = str(happened[-1].detail.get("not_followed", ""))
    assert told.endswith(why)
    assert SENT_ON_TO not in told
    dead = store.read_sync(lambda conn: conn.scalars(sa.select(t.lead_numbers.c.dead)).one())
    assert dead == (disposition == "forwarded"), "an outage says nothing about the lead"


async def test_nobody_is_called_by_a_redirect_to_where_it_is_night(
    stages: StageMaker, store: Store
) -> None:
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    hours = dict.fromkeys(days, _this_hour_and_the_next(LEADS_ZONE))
    stage = await stages.make(Script(sent_on_to=IN_AUCKLAND), calling_hours=hours)
    row = await stage.run()
    assert row["disposition"] == "failed"
    _, happened = store.read_sync(call_of, row["attempt_id"])
    told = str(happened[-1].detail["not_followed"])
    assert told.endswith("calling hours: closed in Pacific/Auckland")
    dead = store.read_sync(lambda conn: conn.scalars(sa.select(t.lead_numbers.c.dead)).one())
    assert not dead, "by day it may be followed"


def _this_hour_and_the_next(zone: str) -> list[str]:
    hour = datetime.now(ZoneInfo(zone)).hour
    return [f"{each:02}:00-{each + 1:02}:00" for each in sorted({hour, (hour + 1) % 24})]


def _list_number(conn: sa.Connection, e164: str, campaign_id: int | None) -> None:
    list_id = list_to_add_to(conn, name="listed", campaign_id=campaign_id, now=NOON)
    add_numbers(conn, list_id=list_id, numbers=[e164], now=NOON)


def _away(*_: object, **__: object) -> None:
    raise StoreUnavailable("away")


async def test_while_the_database_is_known_to_be_away_no_redirect_is_followed(
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script())
    stage.dialing.store._lost("away")
    refusal = await may_follow(
        stage.dialing.store, SENT_ON_TO, campaign_id=1, hours=None, clock=stage.dialing.clock
    )
    assert refusal is not None
    assert refusal.cause is DisconnectCause.TEMPORARY_FAILURE
