from __future__ import annotations

import csv
from pathlib import Path

import pytest

from acd.dialer.lead_files import LONGEST_CELL, LeadFile, Row, inspect_file, read_rows
from acd.errors import BadLeadFile

TEXT = "name;phone\nHäuser;01/505641\nÇelik;01/505642\n"


def write(tmp_path: Path, content: bytes | str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "leads.csv"
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return path


def read(path: Path, chunk_rows: int = 10_000) -> tuple[LeadFile, list[Row]]:
    file = inspect_file(path)
    return file, [row for rows, _ in read_rows(file, chunk_rows=chunk_rows) for row in rows]


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
def test_text_in_every_usual_encoding_reads_the_same(
    tmp_path: Path, encoding: str, found: str
) -> None:
    file, rows = read(write(tmp_path, TEXT, encoding))
    assert file.encoding == found
    assert file.headers == ("name", "phone")
    assert [row.cells for row in rows] == [("Häuser", "01/505641"), ("Çelik", "01/505642")]


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    text = TEXT.replace(";", delimiter)
    file, rows = read(write(tmp_path, text))
    assert file.delimiter == delimiter
    assert len(rows[0].cells) == 2


def test_a_comma_in_the_cells_does_not_win_over_the_delimiter(tmp_path: Path) -> None:
    text = "name;phone\nHuber, Anna, Dr.;01505641\nMaier, Jan;01505642\n"
    assert read(write(tmp_path, text))[0].delimiter == ";"


def test_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    _, rows = read(write(tmp_path, "phone\n01,505641\n"))
    assert rows[0].cells == ("01,505641",)


def test_a_spreadsheets_sep_line_is_obeyed(tmp_path: Path) -> None:
    file, rows = read(write(tmp_path, "sep=|\nname|phone\nA;B|01\n"))
    assert file.headers == ("name", "phone")
    assert (rows[0].line, rows[0].cells) == (3, ("A;B", "01"))


def test_na_and_leading_zeros_survive(tmp_path: Path) -> None:
    _, rows = read(write(tmp_path, "name;zip;phone\nNA;00420;01505641\nnull;nan;01\n"))
    assert [row.cells for row in rows] == [("NA", "00420", "01505641"), ("null", "nan", "01")]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("chunk_rows", [1, 2, 10_000])
def test_rows_know_their_physical_line(tmp_path: Path, newline: str, chunk_rows: int) -> None:
    lines = [
        '"long',
        'header";phone',  # lines 1 and 2
        "A;1",  # 3
        "",  # 4
        '"two',
        'lines";2',  # 5 and 6
        "B;3",  # 7
    ]
    _, rows = read(write(tmp_path, newline.join(lines)), chunk_rows)
    assert [row.line for row in rows] == [3, 4, 5, 7]
    assert [row.blank for row in rows] == [False, True, False, False]
    assert rows[2].cells == ("two\nlines", "2")


def test_short_and_long_rows_are_told(tmp_path: Path) -> None:
    _, rows = read(write(tmp_path, "name;phone\nA\nB;1;2\nC;3;\n"))
    assert [row.cells for row in rows] == [("A", ""), ("B", "1"), ("C", "3")]
    assert [row.surplus for row in rows] == [0, 1, 0]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"\n\n", "no headers"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0rest", "spreadsheet"),
        (b"name;phone\n\x00\x01\x02\x81\x8d", "no text that we know"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", "no text that we know"),
        (b"Phone;phone\n1;2\n", "twice"),
    ],
)
def test_what_is_no_lead_file_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, what: str
) -> None:
    with pytest.raises(BadLeadFile, match=what) as raised:
        read(write(tmp_path, content))
    assert "leads.csv" in str(raised.value)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_damaged_byte_of_utf8_is_named_by_its_line(
    tmp_path: Path, newline: str, mark: str
) -> None:
    text = mark + "".join(f"Zoë{newline}" for _ in range(300_000))
    damaged = text.encode() + b"M\xfcller" + newline.encode()
    with pytest.raises(BadLeadFile, match=r"leads\.csv, line 300001: a byte of it is no UTF-8"):
        read(write(tmp_path, damaged))


def test_a_quote_that_is_never_closed_is_found_where_it_opens(tmp_path: Path) -> None:
    text = 'name;phone\nA;1\n"B;2\nC;3\n'
    with pytest.raises(BadLeadFile, match="line 3"):
        read(write(tmp_path, text))


@pytest.mark.parametrize("rows", ["", "\n", "\nA;1\n", "\n" + "x" * 70_000])
def test_a_quote_that_the_headers_open_and_nothing_closes_is_found(
    tmp_path: Path, rows: str
) -> None:
    with pytest.raises(BadLeadFile, match="line 1: a quote is opened"):
        read(write(tmp_path, f'name;"phone{rows}'))


@pytest.mark.parametrize("end", ["", "\n"])
def test_headers_alone_are_a_file_without_rows(tmp_path: Path, end: str) -> None:
    _, rows = read(write(tmp_path, f'name;"pho\nne"{end}'))
    assert rows == []


def test_a_quote_that_swallows_rows_is_found_though_another_closes_it(tmp_path: Path) -> None:
    text = 'name;phone\nA;1\n"B;2\n' + "C;3\n" * 200 + '"D";4\n'
    with pytest.raises(BadLeadFile, match="line 3"):
        read(write(tmp_path, text))


def test_a_row_with_far_too_many_cells_is_named(tmp_path: Path) -> None:
    text = "name;phone\nA;1\nB" + ";2" * 30 + "\n"
    with pytest.raises(BadLeadFile, match=r"line 3: the row has 31 cells"):
        read(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name;"phone\n' + "A;1\n" * 20_000, 1),
        ("name;phone\nA;1\n" + "x" * 80_000 + ";2\nB" + ";2" * 30 + "\n", 3),
    ],
)
def test_a_cell_past_the_longest_is_a_quote_that_swallows_rows(
    tmp_path: Path, text: str, line: int
) -> None:
    was = csv.field_size_limit(70_000)
    try:
        with pytest.raises(BadLeadFile, match=f"line {line}: a quote is opened"):
            read(write(tmp_path, text))
    finally:
        csv.field_size_limit(was)
    assert was == LONGEST_CELL


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadLeadFile, match=r"leads\.csv: it cannot be read"):
        inspect_file(tmp_path / "leads.csv")
