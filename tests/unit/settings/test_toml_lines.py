from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from acd.settings.toml_lines import Loc, find_key_lines

ROOT = Path(__file__).parents[3]

HARD = """# comment
top = 1
"quoted key" = 'a = 2'
text = \"\"\"
[trunk]
lines = 5
\"\"\"
dotted.below = true

list = [
  "a", # ]
  ["b"],
]
after = 1

[[trunk]]
name = "one"
[trunk.tls]
file = "x"
[[trunk]]
name = "two"
inline = { a = 1, b = [{ c = 2 }] }
[feeds.ami]
host = "h"
[feeds]
up = 1
"""


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        (("top",), 2),
        (("quoted key",), 3),
        (("text",), 4),
        (("dotted",), 8),
        (("dotted", "below"), 8),
        (("list",), 10),
        (("after",), 14),
        (("trunk",), 16),
        (("trunk", 0), 16),
        (("trunk", 0, "name"), 17),
        (("trunk", 0, "tls"), 18),
        (("trunk", 0, "tls", "file"), 19),
        (("trunk", 1), 20),
        (("trunk", 1, "name"), 21),
        (("trunk", 1, "inline", "a"), 22),
        (("trunk", 1, "inline", "b", 0, "c"), 22),
        (("feeds", "ami"), 23),
        (("feeds", "ami", "host"), 24),
        (("feeds",), 25),
        (("feeds", "up"), 26),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_key_has_the_line_where_it_begins(loc: Loc, line: int, newline: str) -> None:
    assert find_key_lines(HARD.replace("\n", newline))[loc] == line


def test_what_only_looks_like_a_key_has_none() -> None:
    assert ("trunk", 0, "lines") not in find_key_lines(HARD)
    assert ("lines",) not in find_key_lines(HARD)


@pytest.mark.parametrize(
    "file",
    [*sorted(ROOT.glob("campaigns/*/campaign.toml")), ROOT / "acd.example.toml"],
    ids=lambda path: path.parent.name,
)
def test_every_key_of_a_real_file_has_a_line_that_names_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    lines = find_key_lines(text)
    for loc in locs((), tomllib.loads(text)):
        name = next(part for part in reversed(loc) if isinstance(part, str))
        assert name in text.splitlines()[lines[loc] - 1], loc


def locs(at: Loc, value: object) -> list[Loc]:
    if isinstance(value, dict):
        return [each for key in value for each in [(*at, key), *locs((*at, key), value[key])]]
    if isinstance(value, list):
        return [each for index, below in enumerate(value) for each in locs((*at, index), below)]
    return []


def test_a_file_that_is_no_toml_has_the_keys_before_the_fault() -> None:
    assert find_key_lines("a = 1\nb = \nc = 2") == {("a",): 1}


def test_a_long_list_is_read_in_a_moment() -> None:
    text = "list = [\n" + '  "201",\n' * 20_000 + "]\nlast = 1\n"
    assert find_key_lines(text)["last",] == 20_003
