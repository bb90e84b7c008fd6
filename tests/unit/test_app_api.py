from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from acd.app_api import GAP_SECONDS, MOST_MISSING, EventIds
from acd.store.events import Change, Subject

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def changes(*event_ids: int) -> list[Change]:
    return [
        Change(
            event_id=each,
            at=NOON,
            subject=Subject.AGENT,
            subject_id="anna",
            what="ready",
            detail={},
        )
        for each in event_ids
    ]


def told(ids: EventIds, *event_ids: int, now_seconds: float = 0.0) -> Sequence[int]:
    """Which of these are told."""
    return [change.event_id for change in ids.news(changes(*event_ids), now_seconds)]


def test_each_event_is_told_once() -> None:
    ids = EventIds(10)
    assert told(ids, 11, 12) == [11, 12]
    assert told(ids, 11, 12, 13) == [13]
    assert (ids.high, list(ids.missing)) == (13, [])


def test_an_event_that_is_committed_late_is_told_when_it_comes() -> None:
    ids = EventIds(10)
    assert told(ids, 12, 14) == [12, 14]
    assert list(ids.missing) == [11, 13]
    assert told(ids, 13, 15, now_seconds=1.0) == [13, 15]
    assert list(ids.missing) == [11]


def test_what_was_rolled_back_is_not_asked_for_any_more() -> None:
    ids = EventIds(10)
    told(ids, 12)
    told(ids, 14, now_seconds=GAP_SECONDS - 1)
    assert told(ids, now_seconds=GAP_SECONDS) == []
    assert list(ids.missing) == [13]
    assert told(ids, 11, now_seconds=GAP_SECONDS) == []


def test_a_gap_keeps_nobody_waiting_for_what_comes_after_it() -> None:
    ids = EventIds(0)
    page = 1000
    assert len(told(ids, *range(2, page + 2))) == page
    # The next page begins behind the last one, not at the gap.
    assert ids.high == page + 1
    assert told(ids, *range(page + 2, page + 4)) == [page + 2, page + 3]


def test_a_leap_of_the_ids_is_not_waited_for_id_by_id() -> None:
    ids = EventIds(0)
    told(ids, 10**9)
    assert len(ids.missing) == MOST_MISSING
