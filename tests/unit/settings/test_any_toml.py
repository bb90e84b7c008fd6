"""Whatever stands in acd.toml: settings come out, or sentences; never a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import BaseModel

from acd.errors import BadSettings
from acd.settings import Settings, load_settings

Loc = tuple[str, ...]

NEEDED: Mapping[str, Mapping[str, Any]] = {
    "trunk": {"domain": "pbx.example.com", "user": "dialer"},
    "tapi_client": {"name": "app", "token_env": "ACD_TOKEN"},
    "api_client": {"name": "app", "token_env": "ACD_TOKEN"},
    "profile": {"name": "office", "first_line": 1, "last_line": 4},
}
"""What makes one of many tables whole, so that a wrong key beside it is judged by itself."""


def keys_below(model: type[BaseModel], above: Loc = ()) -> Iterator[Loc]:
    for name, field in model.model_fields.items():
        at = (*above, field.alias or name)
        yield at
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys_below(kind, at)


EVERY_KEY = tuple(keys_below(Settings))

UGLY_TEXTS = (
    *(
        "",
        "a\0b",
        "x" * 300,
        "~",
        "~nobody-of-this-name/x",
        "/root/x",
        "sip:x",
        "09:00-17:00",
        "😀",
    ),
    *("pbx:99999", "[::1", "127.0.0.1", "::1", "PJSIP/{extension}", "ACD_TOKEN"),
    *("sqlite:///", "sqlite:///\0", "postgresql://a:b@c:d@e/f", "postgresql://u@h:x/d"),
)
texts = st.text(max_size=40) | st.sampled_from(UGLY_TEXTS)
scalars = (
    st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 480, 10**30, 10**400])
    | st.floats()
    | texts
    | st.dates(min_value=date(1, 1, 1))
    | st.datetimes()
    | st.times()
)
values = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(texts, below, max_size=3),
    max_leaves=8,
)
wrong_keys = st.dictionaries(st.sampled_from(EVERY_KEY), values, max_size=4)


def toml(value: Any) -> str:
    """One value as TOML, tables inline."""
    if isinstance(value, dict):
        inside = (f"{json.dumps(key)} = {toml(below)}" for key, below in value.items())
        return f"{{ {', '.join(inside)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def put(raw: dict[str, Any], loc: Loc, value: Any) -> None:
    """Lay a value where the key belongs; a value that stands in the way stays."""
    table: Any = raw
    for part in loc[:-1]:
        table = table.setdefault(part, dict(NEEDED.get(part, {})))
        if not isinstance(table, dict):
            return
    table[loc[-1]] = value


def document(wrong: Mapping[Loc, Any]) -> str:
    raw: dict[str, Any] = {"trunk": dict(NEEDED["trunk"])}
    for loc, value in wrong.items():
        put(raw, loc, value)
    for name in NEEDED:
        if isinstance(raw.get(name), dict) and (name,) not in wrong:
            raw[name] = [raw[name]]
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in raw.items())


def problems(file: Path) -> list[str]:
    """Sentences; none where settings came out."""
    try:
        load_settings(file, {"ACD_TOKEN": "x"})
    except BadSettings as refused:
        return [problem.what for problem in refused.problems]
    return []


any_toml = examples(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@any_toml
@given(wrong=wrong_keys)
def test_any_value_of_any_key_is_taken_or_refused(tmp_path: Path, wrong: dict[Loc, Any]) -> None:
    file = tmp_path / "acd.toml"
    file.write_text(document(wrong), encoding="utf-8")
    assert all(problems(file))


@any_toml
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_bytes_are_taken_or_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "acd.toml"
    file.write_bytes(content)
    found = problems(file)
    assert found  # no trunk
    assert all(found)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("lines = " + "9" * 5000, "has a number with thousands of digits"),
        ("lines = " + "[" * 3000 + "]" * 3000, "too deep in one another; allowed: 20 levels"),
        ("lines = " + "[" * 100 + "]" * 100, "too deep in one another; allowed: 20 levels"),
        ('password_file = "~nobody-of-this-name/pw"', "~nobody-of-this-name is nobody's folder"),
        ('password_file = "a\\u0000b"', '"a\\u0000b" can name no file'),
        (f'tls_ca_file = "{"x" * 300}"', "cannot be read: File name too long"),
        ('causes = { 480 = "busi" }', 'causes.480 (line 4): "busi" is not allowed; allowed: "nor'),
        ('causes = { 481 = "busy" }', "481 (line 4): is no key that is allowed here; allowed: "),
        ('causes = { 481 = "busy" }', '"403", "480" or "603"'),
        ("[trunk.causes]\n480 = 3", "causes.480 (line 5): 3 is not allowed; allowed: "),
    ],
)
def test_what_ended_in_a_traceback_once_is_a_sentence(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "acd.toml"
    file.write_text(f'[[trunk]]\ndomain = "pbx"\nuser = "dialer"\n{line}\n', encoding="utf-8")
    with pytest.raises(BadSettings) as refused:
        load_settings(file, {})
    (problem,) = refused.value.problems
    assert told in str(problem)
