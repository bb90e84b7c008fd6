"""The PBX guides show what the tests ran: their blocks are the peers' files, word for word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUOTE = re.compile(r"<!-- (?P<path>tests/peers/\S+) -->\n```\w+\n(?P<text>.*?)```\n", re.DOTALL)

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
