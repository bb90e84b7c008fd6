from __future__ import annotations

import csv
import gc
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from acd.dialer import lead_import
from acd.dialer.lead_import import ImportSummary, import_leads
from acd.errors import BadInput, BadLeadFile
from acd.settings import Settings
from acd.store import Store
from acd.store import schema as t
from acd.store import staging as staging_module
from acd.store.campaigns import find_campaign
from acd.store.dnc import add_numbers, open_list
from acd.store.imports import publish
from acd.store.lead_changes import erase_lead
from acd.store.staging import DUPLICATE, open_staging
from acd.store.suppressions import suppress
from tests.contract.store.world import NOON, World

MINIMAL = '[agents]\nextensions = ["201"]\n'
Import = Callable[..., ImportSummary]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "campaigns" / "spring"
    folder.mkdir(parents=True)
    (folder / "campaign.toml").write_text(MINIMAL)
    trunk = {"domain": "pbx", "user": "1"}
    return Settings.model_validate({"trunk": [trunk], "campaigns_folder": folder.parent})


@pytest.fixture
def do_import(store: Store, settings: Settings, tmp_path: Path) -> Import:
    def do(text: str, **changes: Any) -> ImportSummary:
        path = tmp_path / "leads.csv"
        path.write_text(text, encoding="utf-8", newline="")
        return import_leads(store, settings, campaign_name="spring", path=path, now=NOON, **changes)

    return do


def rejects(summary: ImportSummary) -> list[dict[str, str]]:
    with Path(summary.reject_file).open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def leads(store: Store) -> list[sa.Row[Any]]:
    def read(conn: sa.Connection) -> list[sa.Row[Any]]:
        return list(conn.execute(sa.select(t.leads).order_by(t.leads.c.lead_id)))

    return store.read_sync(read)


def numbers(store: Store) -> list[str]:
    def read(conn: sa.Connection) -> list[str]:
        return list(
            conn.scalars(
                sa.select(t.lead_numbers.c.e164).order_by(
                    t.lead_numbers.c.lead_id, t.lead_numbers.c.position
                )
            )
        )

    return store.read_sync(read)


def test_rows_become_leads_of_a_campaign_made_on_the_way(store: Store, do_import: Import) -> None:
    summary = do_import("name;Telefon;Mobil;zip\nNA;01/505641;0664/1234567;00420\n")
    assert summary.campaign_created
    assert (summary.rows, summary.added, summary.refused) == (1, 1, {})
    assert summary.reject_file == ""
    [lead] = leads(store)
    assert (lead.columns, lead.source_line, lead.state) == (
        {"name": "NA", "zip": "00420"},
        2,
        "waiting",
    )
    assert numbers(store) == ["+431505641", "+436641234567"]


def test_each_refused_row_has_its_line_its_rule_and_its_reason(
    store: Store, do_import: Import
) -> None:
    summary = do_import(
        "name;phone\n"
        "ok;01505641\n"
        "\n"
        "twin;+43 1 505641\n"
        'multi;"01505642\n01505643"\n'
        "damaged;4.31505641E+11\n"
        "help;112\n"
        "costly;0900 123456\n"
        "far;+49 30 23125001\n"
        "nothing;\n"
        "letters;call me\n"
        "much;01505644;x\n"
        "=cmd();+43\n"
    )
    assert summary.rows == summary.added + sum(summary.refused.values()) == 12
    found = [(int(row["line"]), row["rule"]) for row in rejects(summary)]
    assert found == [
        (4, "duplicate"),
        (7, "damaged"),
        (8, "emergency"),
        (9, "premium"),
        (10, "region"),
        (11, "no_number"),
        (12, "letters"),
        (13, "too_many_cells"),
        (14, "invalid"),
    ]
    assert summary.refused["blank"] == 1
    assert "line 2" in rejects(summary)[0]["reason"]
    assert rejects(summary)[-1]["name"] == "'=cmd()"
    assert numbers(store) == ["+431505641", "+431505642", "+431505643"]


def test_a_bad_number_beside_a_good_one_is_left_out_and_told(
    store: Store, do_import: Import
) -> None:
    summary = do_import("phone,phone 2\n01505641,112\n")
    assert (summary.added, summary.numbers_left_out) == (1, 1)
    [row] = rejects(summary)
    assert (row["lead"], row["rule"]) == ("added", "emergency")
    assert numbers(store) == ["+431505641"]


def test_the_same_file_twice_adds_nothing(store: Store, do_import: Import) -> None:
    text = "phone\n01505641\n01505642\n"
    do_import(text)
    again = do_import(text)
    assert (again.added, again.refused, again.campaign_created) == (0, {"duplicate": 2}, False)
    assert len(leads(store)) == 2


def test_a_listed_number_is_refused_and_so_is_its_whole_row(
    store: Store, do_import: Import
) -> None:
    list_id = store.run_sync(open_list, name="own", campaign_id=None, made_on=NOON.date(), now=NOON)
    store.run_sync(add_numbers, list_id=list_id, numbers=["+431505642"], now=NOON)
    summary = do_import("phone,mobile\n01505641,01505642\n")
    assert summary.refused == {"dnc": 1}
    assert leads(store) == []


def test_a_broken_file_changes_nothing(store: Store, do_import: Import, tmp_path: Path) -> None:
    with pytest.raises(BadLeadFile, match="line 3"):
        do_import('phone;name\n01505641;A\n"01505642;B\n')
    assert leads(store) == []
    assert store.read_sync(find_campaign, "spring") is None
    assert sorted(path.name for path in tmp_path.iterdir() if "leads" in path.name) == ["leads.csv"]


def test_no_known_header_is_answered_with_the_headers_and_the_remedy(do_import: Import) -> None:
    with pytest.raises(BadLeadFile, match=r"Spalte 1, Spalte 2.*--map"):
        do_import("Spalte 1;Spalte 2\n01505641;x\n")


def test_a_first_row_that_is_data_is_told(do_import: Import) -> None:
    with pytest.raises(BadLeadFile, match="line 1: the first row is a lead"):
        do_import("Huber;01505641\nMaier;01505642\n")


def test_a_map_names_the_column(store: Store, do_import: Import) -> None:
    do_import("Spalte 1;Spalte 2\n01505641;x\n", header_map={"spalte 1": "phone"})
    assert numbers(store) == ["+431505641"]


def test_a_map_of_a_missing_header_is_told(do_import: Import) -> None:
    with pytest.raises(BadLeadFile, match="no such header"):
        do_import("phone\n01505641\n", header_map={"Rufnr": "phone"})


def test_the_share_of_the_file_grows_to_the_whole(do_import: Import) -> None:
    shares: list[float] = []
    do_import("phone\n01505641\n", progress=shares.append)
    assert shares[-1] == 1.0


def test_a_reject_file_that_cannot_be_written_changes_nothing(
    store: Store, do_import: Import, tmp_path: Path
) -> None:
    (tmp_path / "leads.rejected.csv").mkdir()
    with pytest.raises(BadInput, match=r"leads\.rejected\.csv: it cannot be written: a folder"):
        do_import("phone\n01505641\n112\n")
    assert leads(store) == []
    assert store.read_sync(find_campaign, "spring") is None
    assert do_import("phone\n01505641\n").added == 1
    assert not list(tmp_path.glob(".*.part"))


def test_whoever_is_erased_during_an_import_does_not_come_back(
    store: Store, do_import: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(store)
    [e164] = world.leads(world.campaign())
    write = lead_import._write

    def erase_first(*words: Any) -> bool:
        store.run_sync(erase_lead, lead_id=1, now=NOON)
        return write(*words)

    monkeypatch.setattr(lead_import, "_write", erase_first)
    summary = do_import(f"phone\n{e164}\n01505641\n112\n")
    assert (summary.added, summary.refused) == (1, {"emergency": 1, "erased": 1})
    assert [(row["line"], row["rule"]) for row in rejects(summary)] == [
        ("2", "erased"),
        ("4", "emergency"),
    ]
    assert numbers(store) == ["+431505641"]


def test_rows_that_are_all_refused_are_never_in_memory_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "_BATCH", 100)
    # The first use of a statement leaves it compiled.
    _megabytes_of_refusing(world, leads=200)
    few = _megabytes_of_refusing(world, leads=1000)
    many = _megabytes_of_refusing(world, leads=8000)
    # A row with its reason is more than 300 bytes in Python: 7,000 of them would be 2 MB.
    assert many < few + 0.5


def _megabytes_of_refusing(world: World, *, leads: int) -> float:
    """The most that is taken while each of so many rows is found to be a lead's already."""
    campaign = world.campaign()
    known = world.leads(campaign, leads)
    world.store.run_sync(suppress, ["+431505641"], NOON)
    with open_staging(world.store) as staging:
        staging.stage(world.staged(*([e164] for e164 in known)))
        gc.collect()
        tracemalloc.start()
        try:
            assert staging.sift(campaign)[DUPLICATE] == leads
            return tracemalloc.get_traced_memory()[1] / 1e6
        finally:
            tracemalloc.stop()


def test_an_erasure_waits_for_the_leads_that_an_import_is_adding(world: World) -> None:
    store = world.store
    campaign, other = world.campaign(), world.campaign()
    [e164] = world.leads(campaign)
    with ThreadPoolExecutor() as threads:
        with open_staging(store) as staging:
            staging.stage(world.staged([e164]))
            staging.sift(other)
            with staging.publishing() as conn:
                assert staging.sift_late(other) == {}
                erasing = threads.submit(store.run_sync, erase_lead, lead_id=1, now=NOON)
                publish(conn, campaign_id=other, file_name="x", sha256="", summary={}, now=NOON)
        assert erasing.result(timeout=60) == [1, 2]
    assert numbers(store) == []


def test_a_number_that_the_campaigns_trunk_cannot_write_is_refused_at_once(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    """+91 1… written without its plus begins like a call to 911."""
    trunks = [
        {"domain": "pbx", "user": "1", "name": "main"},
        {"domain": "pbx", "user": "2", "name": "bare", "number_format": "digits"},
    ]
    settings = Settings.model_validate(
        {
            "trunk": trunks,
            "campaigns_folder": settings.campaigns_folder,
            "destinations": {"default_region": "US", "allowed_regions": ["US", "IN"]},
        }
    )
    path = tmp_path / "leads.csv"
    path.write_text("phone\n+91 11 2345 6789\n")
    definition = settings.campaigns_folder / "spring" / "campaign.toml"
    definition.write_text(f'trunk = "bare"\n{MINIMAL}')
    summary = import_leads(store, settings, campaign_name="spring", path=path, now=NOON)
    assert summary.refused == {"emergency": 1}
    assert "number_format" in rejects(summary)[0]["reason"]
    other = definition.parent.with_name("autumn")
    other.mkdir()
    (other / "campaign.toml").write_text(MINIMAL)
    assert import_leads(store, settings, campaign_name="autumn", path=path, now=NOON).added == 1
