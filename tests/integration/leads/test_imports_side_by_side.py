"""Two imports at once into one campaign, and one beside an engine that claims."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from acd.dialer.lead_import import import_leads
from acd.store import open_store_sync
from acd.store import schema as t
from acd.store.campaigns import CampaignState, find_campaign, set_campaign_state
from acd.store.leads import claim_leads
from tests.integration.leads.conftest import Place, write_leads

NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
"""A Monday, 12:00 in Vienna."""
ROWS = 2000
LIMIT_SECONDS = 240

_IMPORTER = """
import json, os, sys
from datetime import UTC, datetime
from pathlib import Path
from acd.dialer import lead_import
from acd.settings import load_settings
from acd.store import open_store_sync

def together(*words):
    # Both have read their file and asked SQL for duplicates before either writes.
    print("ready", flush=True)
    sys.stdin.readline()
    return write(*words)

if __name__ == "__main__":
    write, lead_import._write = lead_import._write, together
    settings = load_settings(Path(sys.argv[1]), os.environ)
    with open_store_sync(settings.store.url) as store:
        summary = lead_import.import_leads(
            store, settings, campaign_name="spring", path=Path(sys.argv[2]), now=datetime.now(UTC)
        )
    print(json.dumps(summary.as_json()), flush=True)
"""


def test_two_imports_at_once_double_nobody_and_both_sums_are_right(place: Place) -> None:
    """The campaign is new, and half of each file stands in the other too."""
    files = [
        write_leads(place.folder / "one.csv", ROWS),
        write_leads(place.folder / "two.csv", ROWS, start=ROWS // 2),
    ]
    with open_store_sync(place.url, create=True) as store:
        importers = [_start(place, file) for file in files]
        for importer in importers:
            assert importer.stdout is not None
            assert importer.stdout.readline() == "ready\n"
        one, two = _let_go(importers)
        assert sorted([one["added"], two["added"]]) == [ROWS // 2, ROWS]
        assert sorted([one["campaign_created"], two["campaign_created"]]) == [False, True]
        for summary in (one, two):
            assert summary["rows"] == summary["added"] + sum(summary["refused"].values()) == ROWS
        assert {**one["refused"], **two["refused"]} == {"duplicate": ROWS // 2}
        assert store.read_sync(_counts) == (1, 2, ROWS * 3 // 2, ROWS * 3 // 2, ROWS * 3 // 2)
    later = one if one["refused"] else two
    lines = Path(later["reject_file"]).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 1 + ROWS // 2


def test_an_import_beside_an_engine_that_claims_loses_and_doubles_nothing(place: Place) -> None:
    first = write_leads(place.folder / "first.csv", ROWS // 4)
    file = write_leads(place.folder / "one.csv", ROWS)
    with open_store_sync(place.url, create=True) as store:
        import_leads(store, place.settings, campaign_name="spring", path=first, now=NOON)
        campaign = store.read_sync(find_campaign, "spring")
        assert campaign is not None
        campaign_id = campaign.campaign_id
        state = CampaignState.RUNNING
        store.run_sync(set_campaign_state, campaign_id=campaign_id, state=state, now=NOON)
        importer = _start(place, file)
        assert importer.stdout is not None
        assert importer.stdout.readline() == "ready\n"
        assert importer.stdin is not None
        importer.stdin.write("\n")
        importer.stdin.flush()
        claimed: list[int] = []
        while True:
            over = importer.poll() is not None
            # The leads of the import are dated by the clock, and due a little later.
            leads = store.run_sync(
                claim_leads, campaign_id=campaign_id, node="a", limit=50, now=_soon()
            )
            claimed += [lead.lead_id for lead in leads]
            if over and not leads:
                break
        summary = json.loads(importer.communicate()[0])
        assert importer.returncode == 0
        assert (summary["rows"], summary["added"]) == (ROWS, ROWS * 3 // 4)
        assert summary["refused"] == {"duplicate": ROWS // 4}
        assert store.read_sync(_counts) == (1, 2, ROWS, ROWS, ROWS)
    assert len(claimed) == len(set(claimed)) == ROWS


def _soon() -> datetime:
    """The same hour of a Monday long after the import: calling hours are open."""
    return datetime(2040, 1, 2, 11, 0, tzinfo=UTC)


def _start(place: Place, file: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _IMPORTER, str(place.config), str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _let_go(importers: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    for importer in importers:
        assert importer.stdin is not None
        importer.stdin.write("\n")
        importer.stdin.flush()
    said = [importer.communicate(timeout=LIMIT_SECONDS)[0] for importer in importers]
    assert [importer.returncode for importer in importers] == [0, 0]
    return [json.loads(text) for text in said]


def _counts(conn: sa.Connection) -> tuple[int, ...]:
    """Campaigns, imports, leads, numbers, different numbers."""
    tables = (t.campaigns, t.imports, t.leads, t.lead_numbers)
    counted = [conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]
    different = sa.select(sa.func.count(sa.distinct(t.lead_numbers.c.e164)))
    return (*counted, conn.scalar(different) or 0)
