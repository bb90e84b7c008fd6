from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path

from acd.calls import DisconnectCause
from acd.dialer.lead_export import export_report
from acd.dialer.reports import campaign_report
from acd.store import Store
from acd.store.attempts import AgentTimes
from acd.store.counts import campaign_counts
from tests.contract.store.world import NOON, World


def test_a_report_counts_what_the_attempts_say(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign, 6)
    handed, lost, busy, ringing, in_a_hurry, _ = world.claim(campaign)
    world.close(
        world.dial(handed),
        DisconnectCause.TRANSFERRED,
        answered_at=NOON,
        transferred_at=NOON,
        transfer_result="answered",
        wait_seconds=1.0,
    )
    world.close(
        world.dial(lost),
        DisconnectCause.HUNG_UP,
        answered_at=NOON,
        abandoned=True,
        wait_seconds=2.5,
        ring_seconds=9.0,
    )
    world.close(world.dial(busy), DisconnectCause.BUSY, ring_seconds=None)
    world.close(world.dial(in_a_hurry), DisconnectCause.NORMAL, answered_at=NOON, ring_seconds=None)
    world.dial(ringing)
    report = store.read_sync(campaign_report, "campaign-1", now=NOON)
    assert report.attempts == 5
    assert report.dispositions == {
        "handed_over": 1,
        "abandoned": 1,
        "busy": 1,
        "lead_hung_up": 1,
        "open": 1,
    }
    assert (report.live_answers, report.abandoned, report.abandon_rate) == (2, 1, 0.5)
    assert report.transfers == {"answered": 1}
    assert report.leads == {"closed": 1, "waiting": 3, "claimed": 2}
    assert report.wait_seconds == {"p50": 1.0, "p90": 2.5, "p99": 2.5}
    assert report.ring_seconds == {"p50": 3.5, "p90": 9.0, "p99": 9.0}


def test_a_whole_report_stands_in_its_csv_file(world: World, store: Store, tmp_path: Path) -> None:
    campaign = world.campaign(agents={"extensions": ["201"], "overflow": "desk"})
    world.leads(campaign, 4)
    for lead, talk_seconds in zip(world.claim(campaign, limit=3), (60.0, 5.0, 20.0), strict=True):
        attempt = world.dial(lead)
        world.close(
            attempt,
            DisconnectCause.TRANSFERRED,
            answered_at=NOON,
            transferred_at=NOON,
            transfer_result="answered",
            transfer_target="desk" if talk_seconds == 5.0 else "201",
            wait_seconds=0.5,
        )
        world.write(
            AgentTimes(
                attempt_id=attempt, rang_at=None, answered_at=None, talk_seconds=talk_seconds
            )
        )
    report = store.read_sync(campaign_report, "campaign-1", now=NOON)
    assert report.talk_seconds == {"p50": 20.0, "p90": 60.0, "p99": 60.0}
    export_report(report, tmp_path / "report.csv")
    with (tmp_path / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["figure", "key", "value"],
        ["campaign", "", "campaign-1"],
        ["state", "", "running"],
        ["leads", "closed", "3"],
        ["leads", "waiting", "1"],
        ["closed_because", "handed_over", "3"],
        ["attempts", "", "3"],
        ["dispositions", "handed_over", "3"],
        ["live_answers", "", "3"],
        ["abandoned", "", "0"],
        ["abandon_rate", "", "0.0"],
        ["abandon_window", "window", "day"],
        ["abandon_window", "start", report.abandon_window.start],
        ["abandon_window", "live_answers", "3"],
        ["abandon_window", "abandoned", "0"],
        ["abandon_window", "abandon_rate", "0.0"],
        ["abandon_window", "abandon_limit", "0.03"],
        ["transfers", "answered", "3"],
        ["overflows", "answered", "1"],
        ["ring_seconds", "p50", "3.5"],
        ["ring_seconds", "p90", "3.5"],
        ["ring_seconds", "p99", "3.5"],
        ["wait_seconds", "p50", "0.5"],
        ["wait_seconds", "p90", "0.5"],
        ["wait_seconds", "p99", "0.5"],
        ["talk_seconds", "p50", "20.0"],
        ["talk_seconds", "p90", "60.0"],
        ["talk_seconds", "p99", "60.0"],
    ]


def test_a_campaign_without_attempts_has_no_rate_and_no_percentiles(
    world: World, store: Store
) -> None:
    world.campaign()
    report = store.read_sync(campaign_report, "campaign-1", now=NOON)
    assert report.abandon_rate is None
    assert report.ring_seconds == {"p50": None, "p90": None, "p99": None}


def test_a_campaigns_counts_are_of_one_moment(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign, 4)
    handed, lost, *_ = world.claim(campaign, limit=3)
    began = NOON + timedelta(minutes=1)
    world.close(
        world.dial(handed, now=began),
        DisconnectCause.TRANSFERRED,
        answered_at=began,
        transferred_at=began,
        transfer_result="answered",
    )
    world.close(
        world.dial(lost, now=began), DisconnectCause.HUNG_UP, answered_at=began, abandoned=True
    )
    counts = store.read_sync(campaign_counts, campaign_id=campaign, since=NOON)
    assert counts.leads == {"closed": 1, "waiting": 2, "claimed": 1}
    assert (counts.closed_lately, counts.first_attempt_at) == (1, began)
    later = store.read_sync(
        campaign_counts, campaign_id=campaign, since=began + timedelta(seconds=1)
    )
    assert (later.closed_lately, later.first_attempt_at) == (0, None)


def test_the_abandon_rate_is_reckoned_in_the_campaigns_window(world: World, store: Store) -> None:
    campaign = world.campaign(abandon_window="2d")
    world.leads(campaign, 3, now=NOON - timedelta(days=9))
    for lead, days in zip(world.claim(campaign), (0, 1, 3), strict=True):
        began = NOON - timedelta(days=days)
        world.close(
            world.dial(lead, now=began),
            DisconnectCause.HUNG_UP,
            answered_at=began,
            abandoned=days != 0,
            transferred_at=began,
        )
    report = store.read_sync(campaign_report, "campaign-1", now=NOON)
    found = report.abandon_window
    assert (found.window, found.start) == ("2d", (NOON - timedelta(days=2)).isoformat())
    assert (found.live_answers, found.abandoned, found.abandon_rate) == (2, 1, 0.5)
    assert (report.live_answers, report.abandoned) == (3, 2)
