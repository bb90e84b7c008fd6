"""Lead files as call centres really have them, byte for byte, each with what must become of it."""

# Full-width digits and Cyrillic are what these files are about.
# ruff: noqa: RUF001

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass

A, B, C = "+431505641", "+431505642", "+431505643"
MOBILE = "+436641234567"


@dataclass(frozen=True, kw_only=True)
class Ugly:
    """A file and its fate; a row is named by the physical line on which it starts."""

    name: str
    content: bytes
    numbers: tuple[str, ...] = ()
    """All numbers of the leads that come in, in the order of leads and of their numbers."""
    added: int | None = None
    """Leads; None: as many as `numbers`."""
    refused: tuple[tuple[int, str], ...] = ()
    """(line, rule) as in the reject file."""
    blank: int = 0
    left_out: tuple[tuple[int, str], ...] = ()
    """Numbers left out of leads that came in."""
    columns: Mapping[str, str] | None = None
    """Of the first lead."""
    broken: str = ""
    """Words of the one sentence that refuses the whole file."""
    words: tuple[str, ...] = ()
    """More arguments of the command."""
    listed: tuple[str, ...] = ()
    """Numbers on a do-not-call list before."""
    earlier: bytes = b""
    """A file that was imported before this one."""
    on_postgres: bool = False

    @property
    def leads(self) -> int:
        """Leads that come in."""
        return len(self.numbers) if self.added is None else self.added

    @property
    def rules(self) -> dict[str, int]:
        """Rule → rows, as in the summary."""
        counted = {"blank": self.blank} if self.blank else {}
        for _, rule in self.refused:
            counted[rule] = counted.get(rule, 0) + 1
        return counted


_TEXT = "name;phone\nÄnne;01505641\nBørge;01505642\n"
_NAMES = {"name": "Änne"}

ENCODINGS = (
    Ugly(name="utf-8", content=_TEXT.encode(), numbers=(A, B), columns=_NAMES),
    Ugly(
        name="utf-8 with a byte order mark",
        content=codecs.BOM_UTF8 + _TEXT.encode(),
        numbers=(A, B),
        columns=_NAMES,
        on_postgres=True,
    ),
    Ugly(
        name="utf-16 little endian with a mark",
        content=codecs.BOM_UTF16_LE + _TEXT.encode("utf-16-le"),
        numbers=(A, B),
        columns=_NAMES,
        on_postgres=True,
    ),
    Ugly(
        name="utf-16 big endian with a mark",
        content=codecs.BOM_UTF16_BE + _TEXT.encode("utf-16-be"),
        numbers=(A, B),
        columns=_NAMES,
    ),
    Ugly(
        name="utf-16 little endian without a mark",
        content=_TEXT.encode("utf-16-le"),
        numbers=(A, B),
        columns=_NAMES,
    ),
    Ugly(
        name="windows-1252",
        content=_TEXT.encode("cp1252"),
        numbers=(A, B),
        columns=_NAMES,
        on_postgres=True,
    ),
    Ugly(
        name="utf-8 with one byte of windows-1252",
        content=_TEXT.encode() + b"M\xfcller;01505643\n",
        broken="line 4: a byte of it is no UTF-8, which the rest of the file is",
        on_postgres=True,
    ),
    Ugly(
        name="utf-8 cut off in the middle of a sign",
        content=_TEXT.encode() + "Çelik;01505643\nMüller;01505644;Ö".encode()[:-1],
        broken="line 5: a byte of it is no UTF-8",
    ),
    Ugly(
        name="windows-1252 that holds one pair of bytes which would be UTF-8",
        content="name;phone\nÄnne;01505641\nBÃ¤r;01505642\nCélia;01505643\n".encode("cp1252"),
        numbers=(A, B, C),
        columns=_NAMES,
    ),
    Ugly(
        name="utf-16 cut off in the middle of a sign",
        content=codecs.BOM_UTF16_LE + _TEXT.encode("utf-16-le")[:-1],
        broken="no text that we know",
    ),
    Ugly(
        name="utf-32",
        content=codecs.BOM_UTF32_LE + _TEXT.encode("utf-32-le"),
        broken="no text that we know",
    ),
)

SHAPES = (
    Ugly(name="comma", content=_TEXT.replace(";", ",").encode(), numbers=(A, B)),
    Ugly(name="tab", content=_TEXT.replace(";", "\t").encode(), numbers=(A, B)),
    Ugly(name="pipe", content=_TEXT.replace(";", "|").encode(), numbers=(A, B)),
    Ugly(
        name="a spreadsheet's sep line",
        content=b"sep=;\nname;phone\nAnna;01505641\nBert;112\n",
        numbers=(A,),
        refused=((4, "emergency"),),
    ),
    Ugly(
        name="one column",
        content=b"phone\n01505641\n01505642\n",
        numbers=(A, B),
    ),
    Ugly(
        name="commas inside the cells of a semicolon file",
        content=b"name;phone\nHuber, Anna, Dr.;01505641\nMaier, Bert;01505642\n",
        numbers=(A, B),
        columns={"name": "Huber, Anna, Dr."},
    ),
    Ugly(
        name="quoted line breaks before a bad row",
        content=b'name;phone\n"Anna\nHuber\n(Wien)";01505641\nBert;112\nCilli;01505643\n',
        numbers=(A, C),
        refused=((5, "emergency"),),
        columns={"name": "Anna\nHuber\n(Wien)"},
        on_postgres=True,
    ),
    Ugly(
        name="quoted line breaks in the headers",
        content=b'"first\nname";"phone"\nAnna;01505641\nBert;112\n',
        numbers=(A,),
        refused=((4, "emergency"),),
    ),
    Ugly(
        name="mixed line ends",
        content=b"name;phone\r\nAnna;01505641\nBert;112\rCilli;01505643\r\n",
        numbers=(A, C),
        refused=((3, "emergency"),),
    ),
    Ugly(
        name="old Mac line ends",
        content=b"name;phone\rAnna;01505641\rBert;112\r",
        numbers=(A,),
        refused=((3, "emergency"),),
    ),
    Ugly(
        name="no line end at the end",
        content=b"name;phone\nAnna;01505641\nBert;01505642",
        numbers=(A, B),
    ),
    Ugly(
        name="blank lines and lines of delimiters",
        content=b"name;phone\n\nAnna;01505641\n;\n   \nBert;112\n\n",
        numbers=(A,),
        refused=((6, "emergency"),),
        blank=4,
    ),
    Ugly(
        name="ragged rows",
        content=b"name;phone;city\nAnna;01505641\nBert\nCilli;01505643;Wien;4;5\nDora;01505642;\n",
        numbers=(A, B),
        refused=((3, "no_number"), (4, "too_many_cells")),
        on_postgres=True,
    ),
    Ugly(
        name="a row with far too many cells",
        content=b"name;phone\nAnna;01505641\nBert;" + b"x;" * 50 + b"\n",
        broken="line 3: the row has 52 cells",
    ),
    Ugly(
        name="unbalanced quote at the end",
        content=b'name;phone\nAnna;01505641\n"Bert;01505642\nCilli;01505643\n',
        broken="line 3: a quote is opened",
    ),
    Ugly(
        name="unbalanced quote that another one closes far below",
        content=b'name;phone\n"Anna;01505641\n' + b"Bert;01505642\n" * 200 + b'"Z";01505643\n',
        broken="line 2: a quote is opened",
    ),
    Ugly(
        name="unbalanced quote in the headers of a file of 280 kB",
        content=b'name;"phone\n' + b"Bert;01505642\n" * 20_000,
        broken="line 1: a quote is opened",
    ),
    Ugly(
        name="unbalanced quote in the headers that another one closes far below",
        content=b'name;"phone\n' + b"Bert;01505642\n" * 200 + b'Z;"01505643"\n',
        broken="line 1: a quote is opened",
    ),
    Ugly(
        name="a row with far too many cells below a cell of two hundred thousand signs",
        content=b"name;phone\n" + b"x" * 200_000 + b";01505641\nBert;" + b"x;" * 50 + b"\n",
        broken="line 3: the row has 52 cells",
    ),
    Ugly(
        name="a quote inside an unquoted cell",
        content=b'name;phone\nAnna "Ann" Huber;01505641\n5" pipe;01505642\n',
        numbers=(A, B),
        columns={"name": 'Anna "Ann" Huber'},
    ),
    Ugly(
        name="a hundred columns",
        content=(
            ";".join(["phone", *(f"c{place}" for place in range(99))])
            + "\n"
            + ";".join(["01505641", *(f"v{place}" for place in range(99))])
            + "\n"
        ).encode(),
        numbers=(A,),
        columns={f"c{place}": f"v{place}" for place in range(99)},
        on_postgres=True,
    ),
    Ugly(
        name="a cell of two hundred thousand signs",
        content=b"name;phone\n" + b"x" * 200_000 + b";01505641\nBert;112\n",
        numbers=(A,),
        refused=((3, "emergency"),),
        columns={"name": "x" * 200_000},
    ),
    Ugly(
        name="a phone cell of a hundred thousand digits",
        content=b"name;phone\nAnna;" + b"1" * 100_000 + b"\nBert;01505642\n",
        numbers=(B,),
        refused=((2, "invalid"),),
    ),
)

BROKEN = (
    Ugly(name="empty", content=b"", broken="it is empty"),
    Ugly(name="a byte order mark and nothing", content=codecs.BOM_UTF8, broken="no headers"),
    Ugly(name="line ends alone", content=b"\n\n\n", broken="no headers"),
    Ugly(name="header only", content=b"name;phone\n"),
    Ugly(name="header without a line end", content=b"name;phone"),
    Ugly(
        name="no header for phones",
        content=b"name;city\nAnna;Wien\n",
        broken="no header is known to hold phone numbers: name, city",
    ),
    Ugly(
        name="no headers at all",
        content=b"Anna;01505641\nBert;01505642\n",
        broken="line 1: the first row is a lead and no headers",
    ),
    Ugly(
        name="the same header twice",
        content=b"phone;Name;name\n01505641;A;B\n",
        broken="line 1: the header 'name' stands there twice",
    ),
    Ugly(
        name="nul bytes",
        content=b"name;phone\nAn\0na;01505641\n",
        broken="no text that we know",
        on_postgres=True,
    ),
    Ugly(
        name="a spreadsheet called csv",
        content=b"PK\x03\x04" + b"\x14\0\x06\0" * 100,
        broken="save it as CSV",
    ),
    Ugly(
        name="a map of a header that is not there",
        content=_TEXT.encode(),
        words=("--map", "Rufnr=phone"),
        broken="the file has no such header",
    ),
)

HEADERS = (
    Ugly(
        name="german headers, two numbers a lead",
        content=(
            "Kundennr.;Nachname;Telefon privat;Mobil\n007;Öllinger;01 505 641;0664/1234567\n"
        ).encode("cp1252"),
        numbers=(A, MOBILE),
        added=1,
        columns={"Kundennr.": "007", "Nachname": "Öllinger"},
    ),
    Ugly(
        name="french headers",
        content="Nom,Téléphone\nAnne,01505641\n".encode(),
        numbers=(A,),
    ),
    Ugly(
        name="japanese headers, full-width digits",
        content="名前,電話\nアンナ,＋４３１５０５６４１\n".encode(),
        numbers=(A,),
        columns={"名前": "アンナ"},
        on_postgres=True,
    ),
    Ugly(
        name="russian headers in utf-16",
        content="имя\tтелефон\nАнна\t01505641\n".encode("utf-16"),
        numbers=(A,),
        columns={"имя": "Анна"},
    ),
    Ugly(
        name="a header nobody knows, mapped",
        content=b"who,where to ring\nAnna,01505641\n",
        words=("--map", "Where To Ring=phone"),
        numbers=(A,),
        columns={"who": "Anna"},
    ),
    Ugly(
        name="two headers that are mapped to a phone, one of them on a list",
        content=b"who,A,B\nAnna,01505641,01505642\nBert,01505643,0664/1234567\n",
        words=("--map", "A=phone", "--map", "B=phone"),
        listed=(MOBILE,),
        numbers=(A, B),
        added=1,
        refused=((3, "dnc"),),
        columns={"who": "Anna"},
    ),
    Ugly(
        name="a header that is mapped to another one's name",
        content=b"x,name,phone\n1,Anna,01505641\n",
        words=("--map", "x=name"),
        broken="its columns x and name would both be called name",
    ),
    Ugly(
        name="empty headers",
        content=b"phone;;city;\n01505641;x;Wien;\n",
        numbers=(A,),
        columns={"column 2": "x", "city": "Wien"},
    ),
)

CELLS = (
    Ugly(
        name="people called NA, null and None, and leading zeros",
        content=b"name,zip,phone\nNA,00420,01505641\nnull,0,01505642\nNone,007,01505643\n",
        numbers=(A, B, C),
        columns={"name": "NA", "zip": "00420"},
        on_postgres=True,
    ),
    Ugly(
        name="the number in many hands",
        content=(
            "phone\n+43 (1) 505641\n0043-1-505642\n01/505643\ntel:+43-664-1234567\n"
            "٠١٥٠٥٦٤٤\n'+43 1 505645\n"
        ).encode(),
        numbers=(A, B, C, MOBILE, "+431505644", "+431505645"),
    ),
    Ugly(
        name="two numbers in a cell",
        content=b"phone\n01505641 / 0664 1234567\n01505642 oder 01505643\n",
        numbers=(A, MOBILE, B, C),
        added=2,
    ),
    Ugly(
        name="one number of a cell bad",
        content=b"name;phone\nAnna;01505641 or 112\n",
        numbers=(A,),
        left_out=((2, "emergency"),),
    ),
    Ugly(
        name="damaged by a spreadsheet",
        content=b"phone\n4.31505641E+11\n4,31505641E+11\n431505641.0\n01505641\n",
        numbers=(A,),
        refused=((2, "damaged"), (3, "damaged"), (4, "damaged")),
        on_postgres=True,
    ),
    Ugly(
        name="premium, shared cost, emergency and short numbers",
        content=b"phone\n0900 123456\n+43 810 102030\n112\n133\n118877\n01505641\n",
        numbers=(A,),
        refused=(
            (2, "premium"),
            (3, "premium"),
            (4, "emergency"),
            (5, "emergency"),
            (6, "short_code"),
        ),
    ),
    Ugly(
        name="other countries",
        content=b"phone\n+49 30 23125001\n001 212 555 0100\n01505641\n",
        numbers=(A,),
        refused=((2, "region"), (3, "region")),
    ),
    Ugly(
        name="no numbers",
        content=b"name;phone\nA;\nB;-\nC;call me\nD;01505641 ext. 12\nE;0150\nF;+43\nG;0\n",
        refused=(
            (2, "no_number"),
            (3, "invalid"),
            (4, "letters"),
            (5, "extension"),
            (6, "short_code"),
            (7, "invalid"),
            (8, "invalid"),
        ),
    ),
    Ugly(
        name="formula cells",
        content=b'name;phone\n"=HYPERLINK(""http://x"")";112\n@SUM(A1);01505641\n-1+1;113\n',
        numbers=(A,),
        refused=((2, "emergency"), (4, "short_code")),
        columns={"name": "@SUM(A1)"},
    ),
    Ugly(
        name="the same person three times, written differently",
        content=b"name;phone;mobile\nA;01505641;\nB;+43 1 505641;\nC;01505642;0043 1 505641\n",
        numbers=(A,),
        refused=((3, "duplicate"), (4, "duplicate")),
        on_postgres=True,
    ),
    Ugly(
        name="a person whom the campaign has already",
        earlier=b"phone,mobile\n01505641,0664/1234567\n",
        content=b"phone\n0664 1234567\n01505642\n",
        numbers=(A, MOBILE, B),
        added=1,
        refused=((2, "duplicate"),),
        on_postgres=True,
    ),
    Ugly(
        name="on a do-not-call list with the second number",
        listed=(MOBILE,),
        content=b"phone,mobile\n01505641,0664/1234567\n01505642,\n",
        numbers=(B,),
        refused=((2, "dnc"),),
        on_postgres=True,
    ),
    Ugly(
        name="invisible signs around the digits",
        content="phone\n\u202a+43 1\u00a0505641\u202c\n\u200b01505642\n01\u2011505643\n".encode(),
        numbers=(A, B, C),
    ),
)

UGLY_FILES = (*ENCODINGS, *SHAPES, *BROKEN, *HEADERS, *CELLS)
