"""Two engine processes on one database never claim one lead twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa

from acd.dialer.lead_import import import_leads
from acd.store import open_store_sync
from acd.store import schema as t
from acd.store.campaigns import CampaignState, find_campaign, set_campaign_state
from tests.integration.leads.conftest import Place, write_leads

NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
"""A Monday, 12:00 in Vienna."""
ROWS = 1200

_ENGINE = """
import sys
from datetime import datetime
from acd.calls import DisconnectCause
from acd.store import open_store_sync
from acd.store.attempts import AttemptClosed, close_attempts
from acd.store.beginning import NewAttempt, begin_attempts
from acd.store.leads import claim_leads

url, node, campaign_id, now = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
now = datetime.fromisoformat(now)
with open_store_sync(url) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    while leads := store.run_sync(
        claim_leads, campaign_id=campaign_id, node=node, limit=7, now=now
    ):
        for lead in leads:
            wanted = NewAttempt(lead=lead, trunk="main", line=1)
            [attempt] = store.run_sync(begin_attempts, [wanted], node=node, now=now)
            assert isinstance(attempt, int), attempt
            store.run_sync(close_attempts, [AttemptClosed(
                attempt_id=attempt, cause=DisconnectCause.BLOCKED, sip_status=607,
                q850_cause=None, ring_seconds=None, wait_seconds=None, transfer_result=None,
                transfer_target=None, transfer_sip_status=None, answered_at=None,
                transferred_at=None, ended_at=now, abandoned=False,
            )], now=now)
            print(lead.lead_id, flush=True)
"""


def test_two_processes_never_claim_one_lead_twice(
    place: Place, record_property: Callable[[str, object], None]
) -> None:
    file = write_leads(place.folder / "leads.csv", ROWS)
    with open_store_sync(place.url, create=True) as store:
        import_leads(store, place.settings, campaign_name="spring", path=file, now=NOON)
        campaign = store.read_sync(find_campaign, "spring")
        assert campaign is not None
        store.run_sync(
            set_campaign_state,
            campaign_id=campaign.campaign_id,
            state=CampaignState.RUNNING,
            now=NOON,
        )
        engines = [_start(place, node, campaign.campaign_id) for node in ("a", "b")]
        for engine in engines:
            assert engine.stdout is not None
            assert engine.stdout.readline() == "ready\n"
        claimed = _let_go(engines)
        tries = store.read_sync(_most_attempts)
    record_property("leads_by_engine", [len(leads) for leads in claimed])
    assert all(claimed), "one of the two engines got nothing"
    assert sorted(claimed[0] + claimed[1]) == sorted(set(claimed[0] + claimed[1]))
    assert len(claimed[0]) + len(claimed[1]) == ROWS
    assert tries == 1


def _start(place: Place, node: str, campaign_id: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _ENGINE, place.url, node, str(campaign_id), NOON.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _let_go(engines: list[subprocess.Popen[str]]) -> list[list[int]]:
    for engine in engines:
        assert engine.stdin is not None
        engine.stdin.write("\n")
        engine.stdin.flush()
    said = [engine.communicate(timeout=240)[0] for engine in engines]
    assert [engine.returncode for engine in engines] == [0, 0]
    return [[int(line) for line in text.split()] for text in said]


def _most_attempts(conn: sa.Connection) -> int:
    return conn.scalar(sa.select(sa.func.max(t.leads.c.attempts))) or 0
