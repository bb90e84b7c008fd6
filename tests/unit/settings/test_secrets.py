"""Passwords and tokens: where they come from, and that no message shows one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.settings.files import AMI, API_CLIENT, SECRET, TRUNK, load, refusal, secret_file


def test_a_password_comes_from_its_file_beside_the_toml(tmp_path: Path) -> None:
    secret_file(tmp_path)
    settings = load(tmp_path, TRUNK + 'password_file = "dialer.password"')
    assert settings.trunk[0].password.get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()


@pytest.mark.parametrize(
    "line", [f'password = "{SECRET}"', f'password_env = "{SECRET}"', f'pasword = "{SECRET}"']
)
def test_a_password_in_the_toml_is_refused_and_not_shown(tmp_path: Path, line: str) -> None:
    (problem,) = refusal(tmp_path, TRUNK + line)
    assert "(line 4)" in problem
    assert SECRET not in problem
    assert re.search("password_file|password_env|environment variable", problem)


def test_a_token_in_the_toml_is_refused_with_the_way_to_give_it(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, TRUNK + f'[metrics]\nenabled = true\ntoken = "{SECRET}"')
    assert 'token_file = "FILE"' in problem


def test_the_managers_secret_comes_from_outside_the_toml_like_every_other(tmp_path: Path) -> None:
    ami = load(tmp_path, AMI, {"ACD_AMI": SECRET}).feeds.ami
    assert ami is not None
    assert ami.password.get_secret_value() == SECRET
    (problem,) = refusal(tmp_path, AMI.replace("password_env", "password"))
    assert "feeds.ami.password (line 7): a password does not belong into this file" in problem
    (problem,) = refusal(tmp_path, AMI.replace('password_env = "ACD_AMI"', ""))
    assert "feeds.ami.password_file (line 4): is missing" in problem


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    secret_file(tmp_path, f"\ufeff{SECRET}\r\n")
    settings = load(tmp_path, "\ufeff" + TRUNK + 'password_file = "dialer.password"')
    assert settings.trunk[0].password.get_secret_value() == SECRET
    text = "\ufeff" + TRUNK + '[metrics]\ntoken_file = "dialer.password"'
    assert load(tmp_path, text).metrics.token.get_secret_value() == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, mode=mode)
    (problem,) = refusal(tmp_path, TRUNK + 'password_file = "dialer.password"')
    assert f"(mode {mode:04o}); chmod 600 {path.name}" in problem


@pytest.mark.parametrize(
    ("text", "told"), [("", "is empty"), ("\n", "is empty"), (f"{SECRET}\nx\n", "has 2 lines")]
)
def test_a_password_file_holds_one_line(tmp_path: Path, text: str, told: str) -> None:
    secret_file(tmp_path, text)
    (problem,) = refusal(tmp_path, TRUNK + 'password_file = "dialer.password"')
    assert told in problem


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, TRUNK + 'password_file = "none"')
    assert "none cannot be read: No such file or directory" in problem


def test_an_empty_environment_variable_is_named(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, TRUNK + 'password_env = "PW"', {"PW": ""})
    assert "the environment variable PW is empty" in problem


def test_two_places_for_one_password_are_refused(tmp_path: Path) -> None:
    secret_file(tmp_path)
    text = TRUNK + 'password_env = "PW"\npassword_file = "dialer.password"'
    (problem,) = refusal(tmp_path, text, {"PW": SECRET})
    assert "keep one: password_env or password_file" in problem


@pytest.mark.parametrize(
    "first_lines",
    [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
    ],
)
def test_a_key_that_asks_for_a_passphrase_is_refused(tmp_path: Path, first_lines: str) -> None:
    (tmp_path / "acd.pem").write_text("x")
    (tmp_path / "acd.key").write_text(first_lines)
    pair = 'tls_certificate_file = "acd.pem"\ntls_key_file = "acd.key"\n'
    (problem,) = refusal(tmp_path, TRUNK + pair)
    assert "trunk[0].tls_key_file (line 5): acd.key asks for a passphrase" in problem
    (problem,) = refusal(
        tmp_path, f"{TRUNK}[api]\nenabled = true\n{pair}{API_CLIENT}", {"ACD_API": SECRET}
    )
    assert "api.tls_key_file (line 7): acd.key asks for a passphrase" in problem


def test_a_listener_off_loopback_starts_with_a_token_only(tmp_path: Path) -> None:
    text = TRUNK + '[metrics]\nbind_address = "::"\ntoken_env = "TOKEN"'
    assert load(tmp_path, text, {"TOKEN": SECRET}).metrics.token.get_secret_value() == SECRET
    assert load(tmp_path, TRUNK + '[api]\nbind_address = "0.0.0.0"').api.enabled is False


def test_the_password_of_a_database_url_is_not_shown(tmp_path: Path) -> None:
    url = f"postgresql://acd:{SECRET}%40x@db.example.com:5433/acd?password={SECRET}"
    settings = load(tmp_path, f'{TRUNK}[store]\nurl = "{url}"')
    assert settings.store.url == url
    assert SECRET not in repr(settings)
    refusal(tmp_path, f'{TRUNK}[store]\nurl = "mysql://acd:{SECRET}@localhost/acd"')


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"acd:se@cret:{SECRET}@127.0.0.1/acd", "has a bare @, /, ? or space before its last @"),
        (f"acd:se@{SECRET}@127.0.0.1/acd", "write %40, %2F, %3F or %20"),
        (f"acd:a/{SECRET}@127.0.0.1/acd", "has a bare @, /, ? or space before its last @"),
        (f"acd:a?{SECRET}@127.0.0.1/acd", "has a bare @, /, ? or space before its last @"),
        (f"db:5432/acd?password={SECRET}@x", "has a bare @, /, ? or space before its last @"),
        ("acd@127.0.0.1:99999x/acd", "has a port that is no number from 1 to 65535"),
        ("acd@127.0.0.1:99999/acd", "has a port that is no number from 1 to 65535"),
        ("acd@127.0.0.1:0/acd", "has a port that is no number from 1 to 65535"),
        ("acd@127.0.0.1:/acd", "has a port that is no number from 1 to 65535"),
        ("acd:a%00b@db/acd", "is no database that acd can use"),
        ("acd@d\\u0000b/acd", "is no database that acd can use"),
        ("acd@[::1/acd", "is no database that acd can use"),
        ("acd@db", "is no database that acd can use"),
    ],
)
def test_a_database_url_that_two_readers_could_read_differently_is_refused(
    tmp_path: Path, url: str, told: str
) -> None:
    (problem,) = refusal(tmp_path, f'{TRUNK}[store]\nurl = "postgresql://{url}"')
    assert (
        "store.url (line 5): the value (not shown here) has" in problem or "is no data" in problem
    )
    assert told in problem


@pytest.mark.parametrize(
    "url",
    ["acd@[::1]:5432/acd", "acd:p%40w@db/acd", "/acd?host=/run/postgresql", "a,b/acd?sslmode=x"],
)
def test_what_postgresql_understands_is_taken(tmp_path: Path, url: str) -> None:
    settings = load(tmp_path, f'{TRUNK}[store]\nurl = "postgresql://{url}"')
    assert settings.store.url == f"postgresql://{url}"
