"""`[tapi]` and `[[tapi_client]]`: what is refused, in the words that the person reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.errors import BadSettings
from acd.settings import (
    Settings,
    called_trunks,
    lines_allowed,
    lines_by_trunk,
    load_settings,
    profile_lines,
    resting_trunks,
    switched_off_lines,
    with_lines,
)

TRUNK = """[[trunk]]
domain = "pbx.example.com"
user = "dialer"
lines = 30
"""
CLIENT = """[[tapi_client]]
name = "overdialer"
token_env = "TOKEN"
"""
ENVIRON = {"TOKEN": "a-secret-that-is-not-shown"}


def load(folder: Path, text: str) -> Settings:
    path = folder / "acd.toml"
    path.write_text(TRUNK + text)
    return load_settings(path, ENVIRON)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(BadSettings) as refused:
        load(folder, text)
    assert ENVIRON["TOKEN"] not in str(refused.value)
    return str(refused.value)


def test_the_gateway_is_off_and_on_loopback_by_default(tmp_path: Path) -> None:
    tapi = load(tmp_path, "").tapi
    assert not tapi.enabled
    assert tapi.on_loopback


def test_a_client_has_its_token_from_the_environment(tmp_path: Path) -> None:
    settings = load(tmp_path, "[tapi]\nenabled = true\n" + CLIENT)
    assert settings.tapi_client[0].token.get_secret_value() == ENVIRON["TOKEN"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[tapi]\nenabled = true\n", "tapi.enabled (line 6): nobody may connect"),
        (
            '[tapi]\nenabled = true\nbind_address = "0.0.0.0"\n' + CLIENT,
            "can be reached from other machines and needs TLS",
        ),
        ("[tapi]\nlines = 0\n", "allowed: a whole number from 1 to 999"),
        ("[tapi]\nlines = 1000\n", "allowed: a whole number from 1 to 999"),
        ("[tapi]\nenabled = true\nlines = 31\n" + CLIENT, "31 is more than the 30 lines"),
        ('[tapi]\nenabled = true\ntrunk = "other"\n' + CLIENT, '"other" is no trunk'),
        ('[[tapi_client]]\nname = "one"\n', "tapi_client[0].token_env"),
        (CLIENT + CLIENT, "is already the name of tapi_client[0]"),
        (
            CLIENT + '[tapi_client.calling_hours]\nmonday = ["25:00-26:00"]\n',
            "tapi_client[0].calling_hours.monday[0] (line 9): ",
        ),
        (CLIENT + "[tapi_client.calling_hours]\nnoon = 1\n", "is no key that acd knows"),
        (CLIENT + "calling_hours = 9\n", "a table headed [tapi_client.calling_hours]"),
        (CLIENT + "shortest_ring_seconds = 0.5\n", "allowed: a number from 1 to 180"),
        (CLIENT + 'token = "x"\n', "a token does not belong into this file"),
        (CLIENT + "first_line = 9\nlast_line = 8\n", "8 is below first_line, 9"),
        (CLIENT + 'wait_message = "none.wav"\n', "none.wav cannot be read: No such file"),
        (CLIENT + 'wait_message = "acd.toml"\n', "acd.toml is not such a file: "),
        (CLIENT + 'comfort_audio = "none.wav"\n', "tapi_client[0].comfort_audio (line 8)"),
        (CLIENT + "calls_per_second = 0\n", "calls_per_second"),
        ('[tapi_client]\nname = "one"\n', "headed [[tapi_client]] with two brackets"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(tmp_path, text)


GATEWAY = "[tapi]\nenabled = true\nlines = 10\n" + CLIENT
OTHER = '[[trunk]]\nname = "phone"\ndomain = "pbx.example.com"\nuser = "31"\nlines = 2\n'


def profile(first: int, last: int, more: str = "", name: str = "one") -> str:
    lines = f"first_line = {first}\nlast_line = {last}\n"
    return f'[[profile]]\nname = "{name}"\n{lines}{more}\n'


def test_lines_have_the_profile_that_names_them(tmp_path: Path) -> None:
    text = GATEWAY + profile(1, 2, 'trunk = "phone"\nmode = "standard"\nenabled = false')
    settings = load(tmp_path, text + OTHER)
    assert set(profile_lines(settings)) == {1, 2}
    assert switched_off_lines(settings) == (1, 2)
    assert lines_by_trunk(settings) == {"main": (3, 4, 5, 6, 7, 8, 9, 10)}
    # An account that only deactivated lines have leaves the PBX alone.
    assert resting_trunks(settings) == {settings.trunk[1].name}


def test_how_many_lines_there_may_be_follows_the_profiles(tmp_path: Path) -> None:
    assert lines_allowed(load(tmp_path, GATEWAY), most=30) == range(1, 31)
    text = GATEWAY + profile(3, 4, 'trunk = "phone"\nmode = "standard"')
    settings = load(tmp_path, text + OTHER)
    assert lines_allowed(settings, most=30) == range(4, 33)
    assert lines_allowed(settings, most=1000) == range(4, 1000)
    # The lines of a profile take none of the base trunk's, however many there are.
    for lines, base in ((4, 2), (10, 8), (32, 30)):
        used = lines_by_trunk(with_lines(settings, lines))
        assert (len(used["main"]), used["phone"]) == (base, (3, 4))


PHONE = TRUNK.replace("lines", 'outbound_proxy = "192.0.2.7:8899"\nlines')


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ('mode = "alternative"', "trunk main leads to one phone, and cannot be in acd mode too"),
        ("incoming = true", "where 2 lines share the account of trunk main"),
    ],
)
def test_a_line_more_is_held_against_the_profiles(tmp_path: Path, mode: str, sentence: str) -> None:
    one = f"[tapi]\nenabled = true\nlines = 1\n{CLIENT}{profile(1, 1, mode)}"
    (tmp_path / "acd.toml").write_text(PHONE + one)
    settings = load_settings(tmp_path / "acd.toml", ENVIRON)
    with pytest.raises(BadSettings) as refused:
        with_lines(settings, 2)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (profile(2, 1), "1 is below first_line, 2"),
        (profile(1, 11), "11 is more than the 10 lines of [tapi]"),
        (profile(1, 2) + profile(2, 3, name="two"), "line 2 belongs to profile one already"),
        (profile(1, 1) + profile(2, 2), "is already the name of profile[0]"),
        (profile(1, 1, 'trunk = "none"'), '"none" is no trunk'),
        (profile(1, 3, 'trunk = "phone"'), "2 is fewer than the 3 lines that profiles have on it"),
        (profile(1, 1, 'phone = "31"'), "phone (line 15): has no use in acd mode"),
        (profile(1, 1, 'mode = "reverse"\nauto_answer = "snom"'), "must not be picked up for"),
        (profile(1, 1, 'mode = "standard"\nphone = "a b"'), '"a b" is not allowed'),
        (profile(1, 1, 'trunk = "phone"\nmode = "alternative"'), "does not say where it is"),
        (
            profile(1, 1, 'trunk = "phone"\nmode = "alternative"')
            + profile(2, 2, 'trunk = "phone"\nmode = "reverse"', name="two"),
            "trunk phone leads to one phone, and cannot be in reverse mode too",
        ),
        (profile(1, 1, 'mode = "alternative"'), "cannot be in acd mode too"),
        (
            profile(1, 1, 'trunk = "phone"\nmode = "alternative"')
            + profile(2, 2, 'trunk = "phone"\nmode = "standard"\nincoming = true', name="two"),
            "trunk phone leads to one phone, and cannot show who calls its account too",
        ),
        ('[profile]\nname = "one"\n', "headed [[profile]] with two brackets"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(tmp_path, GATEWAY + text + OTHER)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('mode = "alternative"\nincoming = true', "has no use in alternative mode"),
        ("last_line = 2\nincoming = true", "where 2 lines share the account of trunk main"),
        ('mode = "standard"\nsend_180 = true', "has no use where no caller is shown"),
    ],
)
def test_callers_are_shown_where_it_makes_sense(tmp_path: Path, more: str, sentence: str) -> None:
    last = "" if "last_line" in more else "last_line = 1\n"
    profile = f'[[profile]]\nname = "one"\nfirst_line = 1\n{last}{more}\n'
    assert sentence in refusal(tmp_path, f"[tapi]\nenabled = true\nlines = 2\n{CLIENT}{profile}")


def test_a_caller_of_the_only_acd_line_of_an_account_may_be_shown(tmp_path: Path) -> None:
    profile = '[[profile]]\nname = "one"\nfirst_line = 1\nlast_line = 1\nincoming = true\n'
    settings = load(tmp_path, f"[tapi]\nenabled = true\nlines = 1\n{CLIENT}{profile}")
    assert called_trunks(settings) == ("main",)
