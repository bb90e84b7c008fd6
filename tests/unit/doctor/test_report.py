"""What a person sees of an examination, on a terminal and in a file, and what a machine reads."""

from __future__ import annotations

import io

from rich.console import Console

from acd.doctor import Binding, Check, Examination
from acd.doctor.report import plain_lines, table

CHECKS = [
    Check("binding", "pjsua2 2.17 holds 4096 calls", ok=True),
    Check("database", "it does not answer", "start it, or correct [store] url", ok=False),
]


def printed(*, colour: bool) -> str:
    file = io.StringIO()
    Console(
        file=file, width=70, force_terminal=colour, color_system="standard" if colour else None
    ).print(table(CHECKS))
    return file.getvalue()


def test_the_table_says_ok_and_not_ok_as_words() -> None:
    lines = [line.rstrip() for line in printed(colour=False).splitlines()]
    assert lines[1:] == [
        "binding   ok      pjsua2 2.17 holds 4096 calls",
        "database  not ok  it does not answer",
        "                  remedy: start it, or correct [store] url",
    ]


def test_a_terminal_gets_colour_too() -> None:
    assert "\x1b[" in printed(colour=True)


def test_plain_rows_have_one_line_a_check_and_one_a_remedy() -> None:
    assert list(plain_lines(CHECKS)) == [
        "ok      binding: pjsua2 2.17 holds 4096 calls",
        "not ok  database: it does not answer",
        "        remedy: start it, or correct [store] url",
    ]


def test_the_json_has_the_agreed_keys() -> None:
    examination = Examination(Binding("2.17", 4096), CHECKS)
    assert not examination.ok
    assert examination.as_json() == {
        "pjsua2": {"version": "2.17", "max_calls": 4096},
        "checks": [
            {
                "name": "binding",
                "ok": True,
                "detail": "pjsua2 2.17 holds 4096 calls",
                "remedy": "",
            },
            {
                "name": "database",
                "ok": False,
                "detail": "it does not answer",
                "remedy": "start it, or correct [store] url",
            },
        ],
    }


def test_load_is_in_the_json_only_where_it_was_asked_for() -> None:
    examination = Examination(Binding(), CHECKS[:1], load={"carried": 7})
    assert examination.ok
    assert examination.as_json()["load"] == {"carried": 7}
