"""Attempts of TAPI clients, in SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from acd.calls import DisconnectCause
from acd.rules.dispositions import Disposition
from acd.store import Store
from acd.store import schema as t
from acd.store.attempts import (
    AttemptClosed,
    close_attempts,
    close_orphans,
    leftover_dialogs,
)
from acd.store.dnc import add_numbers, open_list
from acd.store.lead_changes import erase_lead
from acd.store.outcomes import DialogSeen
from acd.store.suppressions import Barred
from acd.store.tapi import TapiCounts, begin_tapi_attempt, tapi_counts
from tests.contract.store.world import NOON, World

NUMBER = "+431505641"


def begin(store: Store, e164: str | None = NUMBER) -> int | Barred:
    return store.run_sync(
        begin_tapi_attempt,
        client="overdialer",
        e164=e164,
        node="node",
        trunk="main",
        line=7,
        now=NOON,
    )


def begun(store: Store, e164: str | None = NUMBER) -> int:
    attempt_id = begin(store, e164)
    assert isinstance(attempt_id, int)
    return attempt_id


def test_a_leftover_dialog_is_told_with_its_client(world: World, store: Store) -> None:
    attempt = begun(store)
    world.write(DialogSeen(attempt_id=attempt, sip_call_id="x", dialog={"tag": "y"}), node="node")
    (leftover,) = store.read_sync(leftover_dialogs, node="node")
    assert (leftover.attempt_id, leftover.tapi_client) == (attempt, "overdialer")
    assert (leftover.campaign, leftover.lead_id) == (None, None)


def ended(attempt_id: int, cause: DisconnectCause = DisconnectCause.BUSY) -> AttemptClosed:
    return AttemptClosed(
        attempt_id=attempt_id,
        cause=cause,
        sip_status=486,
        q850_cause=None,
        ring_seconds=None,
        wait_seconds=None,
        transfer_result=None,
        transfer_target=None,
        transfer_sip_status=None,
        answered_at=None,
        transferred_at=None,
        ended_at=NOON,
        abandoned=False,
    )


def test_a_client_may_have_many_calls_open_and_each_is_closed_like_a_campaigns(
    store: Store,
) -> None:
    first, second = begun(store), begun(store)
    assert store.run_sync(close_attempts, [ended(first)], now=NOON) == [Disposition.BUSY]
    assert store.run_sync(close_orphans, node="node", now=NOON) == [second]
    counts = store.read_sync(tapi_counts)
    assert counts == [
        TapiCounts(client="overdialer", attempts=2, live_answers=0, transferred=0, abandoned=0)
    ]


def test_a_number_on_a_list_for_everybody_is_not_dialed(store: Store, world: World) -> None:
    campaign = world.campaign()
    for name, campaign_id, expected in (("own", campaign, int), ("all", None, Barred)):
        list_id = store.run_sync(
            open_list, name=name, campaign_id=campaign_id, made_on=date(2026, 1, 1), now=NOON
        )
        store.run_sync(add_numbers, list_id=list_id, numbers=[NUMBER], now=NOON)
        assert isinstance(begin(store), expected)
    assert begin(store) is Barred.DNC


def test_an_extension_has_no_number_and_needs_no_list(store: Store) -> None:
    attempt_id = begun(store, None)
    row = store.read_sync(
        lambda conn: conn.execute(
            sa.select(t.attempts).where(t.attempts.c.attempt_id == attempt_id)
        ).one()
    )
    assert (row.tapi_number, row.lead_id, row.campaign_id) == (None, None, None)


def test_erasing_a_person_takes_their_number_out_of_a_clients_attempts(
    store: Store, world: World
) -> None:
    campaign = world.campaign()
    world.leads(campaign, 1)
    number, lead_id = store.read_sync(
        lambda conn: conn.execute(sa.select(t.lead_numbers.c.e164, t.lead_numbers.c.lead_id)).one()
    )
    attempt_id = begun(store, number)
    store.run_sync(close_attempts, [ended(attempt_id)], now=NOON)
    store.run_sync(erase_lead, lead_id=lead_id, now=NOON)
    kept = store.read_sync(lambda conn: conn.scalars(sa.select(t.attempts.c.tapi_number)).all())
    assert kept == [None]
    assert begin(store, number) is Barred.ERASED
