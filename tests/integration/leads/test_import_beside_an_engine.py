"""A big import beside a running engine, and one that is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from acd.dialer.campaigns import create_from_file
from acd.dialer.lead_import import import_leads
from acd.store import Store, open_store_sync
from acd.store import schema as t
from acd.store.campaigns import find_campaign
from acd.store.events import Subject, record
from tests.integration.leads.conftest import Place, write_leads

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
ROWS = 30_000

LONGEST_SHARE = 1 / 3
"""Of the time that the import takes; a lock held throughout would show as nearly all of it."""


class _EngineLikeWriter:
    """Commits a small row again and again, as attempts do, and keeps the longest wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.longest_seconds = 0.0
        self.commits = 0

    def __enter__(self) -> _EngineLikeWriter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._stop.wait(0.01):
            began = time.monotonic()
            self._store.run_sync(
                record, at=NOW, subject=Subject.AGENT, subject_id="201", what="ready"
            )
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
            self.commits += 1


def test_an_engine_waits_only_for_the_last_transaction_of_an_import(
    place: Place, record_property: Callable[[str, object], None]
) -> None:
    """Judging takes nearly all of an import's time, however busy the machine; it locks nothing."""
    waits = []
    with open_store_sync(place.url, create=True) as store:
        store.run_sync(create_from_file, place.settings, "spring", NOW)
        # A lock that an import holds shows every time; what else the machine does, does not.
        for start in range(0, 3 * ROWS, ROWS):
            file = write_leads(place.folder / "leads.csv", ROWS, start=start)
            began = time.monotonic()
            with _EngineLikeWriter(store) as engine:
                summary = import_leads(
                    store, place.settings, campaign_name="spring", path=file, now=NOW
                )
            assert summary.added == ROWS
            assert engine.commits > 20
            waits.append(engine.longest_seconds / (time.monotonic() - began))
            if waits[-1] < LONGEST_SHARE:
                break
    record_property("longest_wait_share", waits)
    assert min(waits) < LONGEST_SHARE


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_an_import_killed_in_the_middle_leaves_nothing(place: Place, share: float) -> None:
    file = write_leads(place.folder / "leads.csv", ROWS)
    with open_store_sync(place.url, create=True) as store:
        importer = subprocess.Popen(
            [sys.executable, "-c", _IMPORTER, str(place.config), str(file)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert importer.stdout is not None
        for line in importer.stdout:
            if float(line) >= share:
                break
        workers = _children(importer.pid)
        importer.send_signal(signal.SIGKILL)
        importer.communicate()
        assert store.read_sync(_count_rows) == (0, 0, 0)
        assert store.read_sync(find_campaign, "spring") is None
        again = import_leads(store, place.settings, campaign_name="spring", path=file, now=NOW)
        assert again.added == ROWS
        assert store.read_sync(_count_rows) == (1, ROWS, ROWS)
    assert workers, "the import ran in one process"
    _wait_until_gone(workers)


_IMPORTER = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from acd.dialer.lead_import import import_leads
from acd.settings import load_settings
from acd.store import open_store_sync

if __name__ == "__main__":
    settings = load_settings(Path(sys.argv[1]), os.environ)
    with open_store_sync(settings.store.url) as store:
        import_leads(
            store, settings, campaign_name="spring", path=Path(sys.argv[2]),
            now=datetime.now(UTC), progress=lambda share: print(share, flush=True),
        )
"""


def _count_rows(conn: sa.Connection) -> tuple[int, ...]:
    return tuple(
        conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        for table in (t.imports, t.leads, t.lead_numbers)
    )


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def _wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 20
    while left := [pid for pid in pids if _alive(pid)]:
        assert time.monotonic() < deadline, f"workers outlive the import that was killed: {left}"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie waits for its parent to be told; it does nothing any more.
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
