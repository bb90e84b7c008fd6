from __future__ import annotations

from pathlib import Path

import pytest

from acd.dialer.dnc_files import ListFile, read_list
from acd.errors import BadLeadFile

MOBILE, FIXED = "+436641234567", "+431505641"
IN_GERMANY = "+496641234567"


def read(folder: Path, text: str, *, region: str = "AT", column: str = "") -> ListFile:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return read_list(path, region=region, column=column, progress=lambda share: None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seit;telefon\n20261101;0664/1234567\n", IN_GERMANY),
        ("id;telefon\n3022345678;0664/1234567\n", IN_GERMANY),
        ("name;phone\nAnna;0664/1234567\n", IN_GERMANY),
    ],
)
def test_an_id_a_date_or_a_name_in_front_is_not_taken_for_the_number(
    tmp_path: Path, text: str, expected: str
) -> None:
    found = read(tmp_path, text, region="DE")
    assert (found.rows, found.numbers, found.unreadable) == (1, (expected,), ())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("since;who\n20261101;0664/1234567\n", "since, who"),
        ("20261101;0664/1234567\n20261102;0664/1234568\n", "1, 2"),
    ],
)
def test_where_several_columns_might_be_meant_nothing_is_guessed(
    tmp_path: Path, text: str, names: str
) -> None:
    with pytest.raises(BadLeadFile, match=rf"list\.csv: .* in its columns {names}; .*--column"):
        read(tmp_path, text, region="DE")


@pytest.mark.parametrize("column", ["Who", "2"])
def test_the_column_that_is_named_is_taken(tmp_path: Path, column: str) -> None:
    found = read(tmp_path, "since;who\n20261101;0664/1234567\n", region="DE", column=column)
    assert found.numbers == (IN_GERMANY,)


@pytest.mark.parametrize("column", ["phone", "3", "0", ""])
def test_a_column_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, column: str
) -> None:
    with pytest.raises(BadLeadFile, match=r"no such column; allowed: since, who, or a place"):
        read(tmp_path, "since;who\n1;0664/1234567\n", column=column or " ")


@pytest.mark.parametrize("text", ["01505641\n0664/1234567\n", "Anna;01505641\nBert;0664/1234567\n"])
def test_a_list_without_headers_begins_with_its_first_row(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert (found.rows, found.numbers) == (2, (FIXED, MOBILE))


def test_every_column_with_a_known_header_counts_and_every_number_in_a_cell(
    tmp_path: Path,
) -> None:
    text = "phone;mobile\n01505641 or 01505642;0664/1234567\n;01505643\n;\nx;\n"
    found = read(tmp_path, text)
    assert found.numbers == (FIXED, "+431505642", MOBILE, "+431505643")
    assert (found.rows, found.unreadable) == (3, ("line 5: no phone number",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name\nAnna\n", "no phone number stands in it"),
        ("name;city\nAnna;Wien\n", "no phone number stands in it"),
        ("phone;who\nAnna;01505641\n", "in its column phone; --column names another one"),
    ],
)
def test_a_list_without_numbers_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadLeadFile, match=says):
        read(tmp_path, text)
