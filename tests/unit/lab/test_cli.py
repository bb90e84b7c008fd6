from __future__ import annotations

import pytest
from click.testing import CliRunner

from acd.cli.lab import lab
from acd.errors import BadInput
from acd.lab.behaviour import table_lines


def test_the_help_prints_the_whole_table() -> None:
    shown = CliRunner().invoke(lab, ["--help"]).output

    for line in table_lines():
        assert line in shown
    assert "register = false" in shown
    assert "[feeds.dialog_info]" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--address", "192.0.2.1"], "192.0.2.1 is not on loopback"),
        (["--talk", "8-3"], "ends before it starts; write 3-8"),
        (["--ring", "soon"], "no span of seconds"),
        (["--port", "65535"], "--watch-port: the one after --port is none"),
        (["--first-extension", "999999"], "6 digits or less"),
    ],
)
def test_bad_options_are_one_sentence(options: list[str], said: str) -> None:
    failed = CliRunner().invoke(lab, options).exception

    assert isinstance(failed, BadInput)
    assert said in str(failed)
