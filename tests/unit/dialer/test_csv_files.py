from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.dialer.csv_files import safe_cell, write_csv

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
SEPARATORS = ";,|\t\r\n"


@pytest.mark.parametrize("sign", [*SIGNS, "\t", "\r"])
def test_a_cell_that_begins_with_a_formulas_sign_is_made_text(sign: str) -> None:
    assert safe_cell(f"{sign}1+1") == f"'{sign}1+1"


@pytest.mark.parametrize("sign", SIGNS)
def test_spaces_in_front_hide_no_formula(sign: str) -> None:
    assert safe_cell(f"  {sign}1+1") == f"'  {sign}1+1"


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("sign", SIGNS)
def test_a_cell_that_is_split_elsewhere_has_no_formula_in_it(separator: str, sign: str) -> None:
    assert safe_cell(f"x{separator}{sign}1+1") == f"x{separator}'{sign}1+1"


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (0, "0"), (1.5, "1.5"), ("Anna-Maria", "Anna-Maria"), ("a@b", "a@b"), ("", "")],
)
def test_what_no_spreadsheet_runs_stays_as_it_is(value: object, cell: str) -> None:
    assert safe_cell(value) == cell


@given(st.text(alphabet=f"{SIGNS}{SEPARATORS} x1'", max_size=12))
def test_no_part_of_a_cell_begins_with_a_sign_however_it_is_split(text: str) -> None:
    parts = [safe_cell(text)]
    for separator in SEPARATORS:
        parts = [piece for part in parts for piece in part.split(separator)]
    assert not any(part.strip().startswith(tuple(SIGNS)) for part in parts)


def test_a_file_has_safe_cells_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("older")
    write_csv(target, [["name", "sum"], ["x;=1+1", -5]])
    with target.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [["name", "sum"], ["x;'=1+1", "'-5"]]
    assert target.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
