"""Every ugly file through the command itself: its summary, its reject file, what SQL has then."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from acd.cli import main
from acd.store import open_store_sync
from acd.store import schema as t
from tests.integration.leads.conftest import Place
from tests.integration.leads.ugly_files import UGLY_FILES, Ugly


@dataclass(frozen=True)
class Desk:
    """Where somebody types `acd …`."""

    place: Place
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def acd(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self.monkeypatch.setattr(sys, "argv", ["acd", "--config", str(self.place.config), *words])
        with pytest.raises(SystemExit) as left:
            main()
        said = self.capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    def import_file(self, file: Path, *words: str) -> dict[str, Any]:
        code, out, err = self.acd("leads", "import", "spring", str(file), "--json", *words)
        assert (code, err) == (0, "")
        summary: dict[str, Any] = json.loads(out)
        assert summary["rows"] == summary["added"] + sum(summary["refused"].values())
        return summary

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        with open_store_sync(self.place.url) as store:
            return store.read_sync(lambda conn: list(conn.execute(query)))


@pytest.fixture
def desk(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(place, monkeypatch, capsys)


def cases() -> Iterator[Any]:
    for ugly in UGLY_FILES:
        yield pytest.param(ugly, "sqlite", id=f"{ugly.name}, sqlite")
        if ugly.on_postgres:
            yield pytest.param(
                ugly, "postgresql", id=f"{ugly.name}, postgresql", marks=pytest.mark.real
            )


def test_there_are_enough_and_each_has_its_own_name() -> None:
    assert len({ugly.name for ugly in UGLY_FILES}) == len(UGLY_FILES) >= 30


@pytest.mark.parametrize(("ugly", "place"), list(cases()), indirect=["place"])
def test_an_ugly_file_comes_in_right_or_is_refused_with_its_reasons(
    desk: Desk, tmp_path: Path, ugly: Ugly
) -> None:
    file, earlier = tmp_path / "list.csv", tmp_path / "earlier.csv"
    file.write_bytes(ugly.content)
    earlier.write_bytes(ugly.earlier)
    assert desk.acd("db", "upgrade")[0] == 0
    for number in ugly.listed:
        assert desk.acd("dnc", "add", number)[0] == 0
    if ugly.earlier:
        desk.import_file(earlier)
    if ugly.broken:
        refuses_all_of(desk, file, ugly)
        return
    summary = desk.import_file(file, *ugly.words)
    assert (summary["added"], summary["refused"]) == (ugly.leads, ugly.rules)
    assert summary["numbers_left_out"] == len(ugly.left_out)
    assert rejected(summary) == [
        *((line, "refused", rule) for line, rule in ugly.refused),
        *((line, "added", rule) for line, rule in ugly.left_out),
    ]
    what_sql_has(desk, ugly)
    again = desk.import_file(file, *ugly.words)
    assert again["added"] == 0
    assert again["rows"] == summary["rows"]
    what_sql_has(desk, ugly)


def refuses_all_of(desk: Desk, file: Path, ugly: Ugly) -> None:
    """One sentence, and nothing is there that was not there before."""
    code, out, err = desk.acd("leads", "import", "spring", str(file), *ugly.words)
    assert (code, out) == (2, "")
    assert ugly.broken in err
    assert str(file) in err
    assert err.count("\n") == 1
    assert desk.rows(sa.select(t.campaigns.c.name)) == []
    assert desk.rows(sa.select(t.leads.c.lead_id)) == []
    assert not file.with_name("list.rejected.csv").exists()


def rejected(summary: dict[str, Any]) -> list[tuple[int, str, str]]:
    """(line, fate, rule) of the reject file."""
    if not summary["reject_file"]:
        return []
    with Path(summary["reject_file"]).open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert all(row["reason"] for row in rows)
    assert not any(
        cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values() if cell
    )
    return [(int(row["line"]), row["lead"], row["rule"]) for row in rows]


def what_sql_has(desk: Desk, ugly: Ugly) -> None:
    numbers = desk.rows(
        sa.select(t.lead_numbers.c.e164).order_by(
            t.lead_numbers.c.lead_id, t.lead_numbers.c.position
        )
    )
    assert tuple(row.e164 for row in numbers) == ugly.numbers
    if ugly.columns is not None:
        [first, *_] = desk.rows(sa.select(t.leads.c.columns).order_by(t.leads.c.lead_id))
        assert first.columns == ugly.columns
