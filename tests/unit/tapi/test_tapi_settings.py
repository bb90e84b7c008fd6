"""`[tapi]` and `[[tapi_client]]`: what is refused, in the words that the person reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.errors import BadSettings
from acd.settings import Settings, load_settings

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
        (CLIENT + 'wait_message = "none.wav"\n', "there is no file"),
        (CLIENT + "calls_per_second = 0\n", "calls_per_second"),
        ('[tapi_client]\nname = "one"\n', "headed [[tapi_client]] with two brackets"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(tmp_path, text)
