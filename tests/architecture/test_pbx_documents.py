"""The PBX guides show what the tests ran: their blocks are the peers' files, word for word."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

import pytest

ROOT = Path(__file__).parents[2]
QUOTE = re.compile(r"<!-- (?P<path>tests/peers/\S+) -->\n```\w+\n(?P<text>.*?)```\n", re.DOTALL)
PART = re.compile(r"<!-- part of (?P<path>tests/peers/\S+) -->\n```\n(?P<text>.*?)```\n", re.DOTALL)
EXAMPLE = {
    "address": "10.0.0.10",
    "pbx": "10.0.0.20:5060",
    "pbx_host": "10.0.0.20",
    "realm": "pbx.example.com",
}
"""What a guide writes where the tests' own files have an address of this machine."""

GUIDES = {
    "docs/pbx-asterisk.md": "tests/peers/asterisk/documented",
    "docs/pbx-kamailio.md": "tests/peers/kamailio/documented",
}


@pytest.mark.parametrize(("guide", "folder"), GUIDES.items())
def test_a_guide_quotes_every_documented_file_word_for_word(guide: str, folder: str) -> None:
    found = QUOTE.finditer((ROOT / guide).read_text(encoding="utf-8"))
    quoted = {match["path"]: match["text"] for match in found}
    files = sorted((ROOT / folder).iterdir())
    expected = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}
    assert quoted == expected


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_shows_no_configuration_that_was_not_run(guide: str) -> None:
    text = (ROOT / guide).read_text(encoding="utf-8")
    assert text.count("```ini") == len(QUOTE.findall(text))


def test_the_parts_that_a_guide_shows_of_a_file_stand_in_it_in_that_order() -> None:
    found = [match for guide in GUIDES for match in PART.finditer((ROOT / guide).read_text())]
    assert found
    for match in found:
        template = Template((ROOT / match["path"]).read_text(encoding="utf-8"))
        run = iter(template.safe_substitute(EXAMPLE).splitlines())
        shown = match["text"].splitlines()
        # Each look goes on where the last one ended.
        assert [line for line in shown if line not in run] == []
