"""`acd tapi import-reg`: registry exports as Windows writes them become settings that load."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from acd.cli import acd
from acd.errors import BadInput
from acd.settings import AutoAnswer, LineMode, Settings, Transport, load_settings
from acd.tapi.registry import read_registry
from acd.tapi.siptapi_import import NEW_LIMITS, import_siptapi

HKLM = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Telephony"
NEW = "Windows Registry Editor Version 5.00"
SECRET = r"it's \"secret\" \\ ü"
PASSWORD = 'it\'s "secret" \\ ü'
"""The same as Windows escapes it, and as it is."""


def line(number: int, **more: str) -> str:
    values = {
        f"proxy{number}": '"pbx.example.com"',
        f"username{number}": f'"3{number}"',
        f"password{number}": f'"{SECRET}"',
        f"lineactive{number}": "dword:00000001",
        f"register{number}": "dword:00000001",
        **{f"{name}{number}": value for name, value in more.items()},
    }
    return "".join(f'"{name}"={value}\r\n' for name, value in values.items())


def export(body: str, *, key: str = rf"{HKLM}\SIPTAPI", header: str = NEW) -> str:
    return f"{header}\r\n\r\n[{key}]\r\n{body}\r\n"


def run(folder: Path, data: bytes) -> Result:
    (folder / "old.reg").write_bytes(data)
    words = ["--config", str(folder / "acd.toml"), "tapi", "import-reg", str(folder / "old.reg")]
    return CliRunner().invoke(acd, words)


def imported(folder: Path, text: str, *, encoding: str = "utf-16") -> tuple[Settings, str]:
    done = run(folder, text.encode(encoding))
    assert done.exception is None, done.exception
    return load_settings(folder / "acd.toml", {}), done.output


def refusal(folder: Path, text: str) -> str:
    done = run(folder, text.encode("utf-16"))
    assert isinstance(done.exception, BadInput)
    assert "secret" not in str(done.exception)
    assert not (folder / "acd.toml").exists()
    return str(done.exception)


@pytest.mark.parametrize(
    ("header", "encoding"), [(NEW, "utf-16"), (NEW, "utf-8-sig"), ("REGEDIT4", "cp1252")]
)
def test_row_38_an_export_as_windows_writes_it_is_read(
    tmp_path: Path, header: str, encoding: str
) -> None:
    settings, said = imported(tmp_path, export(line(1), header=header), encoding=encoding)
    (trunk,) = settings.trunk
    assert trunk.password.get_secret_value() == PASSWORD
    assert (trunk.domain, trunk.user, trunk.register_account) == ("pbx.example.com", "31", True)
    assert trunk.transport is Transport.UDP
    assert settings.tapi.lines == 1
    assert [each.mode for each in settings.profile] == [LineMode.STANDARD]
    assert "secret" not in said
    assert "secret" not in (tmp_path / "acd.toml").read_text()


def test_passwords_and_token_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    imported(tmp_path, export(line(1)))
    files = [tmp_path / "siptapi-passwords" / "account-1", tmp_path / "siptapi.token"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_every_name_of_a_line_and_of_all_lines_is_carried_over(tmp_path: Path) -> None:
    body = line(
        1,
        obproxy='"sip:proxy.example.com:5070;lr"',
        authusername='"auth"',
        phoneusername='"31@127.0.0.1:8899"',
        autoanswer="dword:1",
    )
    body += line(2, lineactive="dword:00000000", register="dword:0")
    body += '"transportprotocol"=dword:1\r\n"enablerealmcheck"=dword:1\r\n"reversemode"=dword:0\r\n'
    settings, _ = imported(tmp_path, export(body))
    one, two = settings.trunk
    assert (one.outbound_proxy, one.auth_user) == ("proxy.example.com:5070", "auth")
    assert one.transport is two.transport is Transport.TCP
    assert one.realm_check
    assert not two.register_account
    first, second = settings.profile
    assert (first.phone, first.auto_answer) == ("31@127.0.0.1:8899", AutoAnswer.ANY)
    assert (first.enabled, second.enabled) == (True, False)


@pytest.mark.parametrize(
    ("values", "checked"),
    [
        ("", False),
        ('"enablerealmcheck"=dword:1\r\n', True),
        ('"disablerealmcheck"=dword:1\r\n', False),
        ('"disablerealmcheck"=dword:0\r\n', True),
        ('"disablerealmcheck"=dword:0\r\n"enablerealmcheck"=dword:0\r\n', False),
    ],
)
def test_the_realm_check_has_two_names(tmp_path: Path, values: str, *, checked: bool) -> None:
    settings, _ = imported(tmp_path, export(line(1) + values))
    assert settings.trunk[0].realm_check is checked


def test_lines_keep_their_numbers_and_share_what_is_the_same(tmp_path: Path) -> None:
    same = dict.fromkeys(("username",), '"dialer"')
    body = line(2, **same) + line(3, **same) + line(5, **same) + line(7)
    settings, _ = imported(tmp_path, export(body + '"reversemode"=dword:1\r\n'))
    assert [(each.user, each.lines) for each in settings.trunk] == [("dialer", 3), ("37", 1)]
    ranges = [(each.first_line, each.last_line) for each in settings.profile]
    assert ranges == [(2, 3), (5, 5), (7, 7)]
    assert settings.tapi.lines == 7
    assert settings.tapi.disabled_lines == (1, 4, 6)


def test_what_has_no_place_here_is_listed_with_its_reason(tmp_path: Path) -> None:
    body = (
        line(1, phoneusername='"31"', autoanswer="dword:1", register="dword:0")
        + '"proxy2"="pbx"\r\n'
    )
    body += '"reversemode"=dword:1\r\n"send180ringing"=dword:1\r\n"colour"="red"\r\n'
    _, said = imported(tmp_path, export(body))
    for sentence in (
        "phoneusername1: ACD mode has no phone",
        "autoanswer1: only the customer is called by us in acd mode",
        "line 2: username2 is empty",
        "send180ringing: ",
        "colour: is no name",
    ):
        assert f"not carried over: {sentence}" in said


def test_a_line_that_registers_is_shown_its_callers(tmp_path: Path) -> None:
    body = line(1, register="dword:1") + line(2, register="dword:0")
    settings, said = imported(tmp_path, export(body + '"send180ringing"=dword:1\r\n'))
    assert [(each.incoming, each.send_180) for each in settings.profile] == [
        (True, True),
        (False, False),
    ]
    assert "send180ringing" not in said


def test_num_lines_counts_where_the_registry_says_how_many(tmp_path: Path) -> None:
    limits = '"lineconfigviaregistry"=dword:1\r\n"numLines"=dword:1\r\n'
    settings, said = imported(tmp_path, export(line(1) + line(2) + limits))
    assert settings.tapi.lines == 1
    assert "line 2: numLines is 1" in said


def test_siptapi_acd_has_all_its_lines_on_one_account(tmp_path: Path) -> None:
    body = line(1) + '"numLines"=dword:000003e7\r\n'
    settings, _ = imported(tmp_path, export(body, key=rf"{HKLM}\SIPTAPI-ACD"))
    assert [each.lines for each in settings.trunk] == [999]
    assert [each.mode for each in settings.profile] == [LineMode.ACD]


FREE = (
    '"host"="192.0.2.7:5060"\r\n"uchan"="pbx.example.com"\r\n"user"="31"\r\n"pass"="x"\r\n'
    '"authuser"="a"\r\n"userexten"="32"\r\n"dontsendbye"=dword:1\r\n'
    '"immediatesendbye"=dword:0\r\n"autoanswer"=dword:0\r\n"autoanswer2"=dword:1\r\n'
)
FREE_PLACES = (rf"{HKLM}\SipTapiSF", r"HKEY_LOCAL_MACHINE\SOFTWARE\Software\enum.at\SipTapi")
"""Since 0.2.9, and before."""


@pytest.mark.parametrize("key", FREE_PLACES)
def test_the_free_versions_names_are_read_wherever_they_stand(tmp_path: Path, key: str) -> None:
    settings, said = imported(tmp_path, export(FREE, key=key))
    (trunk,), (profile,) = settings.trunk, settings.profile
    assert (trunk.domain, trunk.outbound_proxy) == ("pbx.example.com", "192.0.2.7:5060")
    assert (trunk.auth_user, trunk.password.get_secret_value()) == ("a", "x")
    assert (profile.phone, profile.auto_answer) == ("32", AutoAnswer.ANY)
    assert profile.mode is LineMode.STANDARD
    assert "dontsendbye: " in said


@pytest.mark.parametrize("key", FREE_PLACES)
@pytest.mark.parametrize("value", ["dword:1", "dword:2", "dword:ffffffff"])
def test_the_free_versions_reverse_mode_is_yes_or_no(tmp_path: Path, key: str, value: str) -> None:
    settings, said = imported(tmp_path, export(f'{FREE}"reversemode"={value}\r\n', key=key))
    (profile,) = settings.profile
    assert (profile.mode, profile.phone) == (LineMode.REVERSE, "32")
    assert "phoneusername1" not in said


@pytest.mark.parametrize(
    ("value", "mode"), [(0, LineMode.STANDARD), (1, LineMode.ACD), (2, LineMode.REVERSE)]
)
def test_reversemode_of_the_multi_line_version_has_three_values(
    tmp_path: Path, value: int, mode: LineMode
) -> None:
    settings, _ = imported(tmp_path, export(f'{line(1)}"reversemode"=dword:{value}\r\n'))
    assert [each.mode for each in settings.profile] == [mode]


def test_limits_that_siptapi_did_not_have_are_named_and_written_down(tmp_path: Path) -> None:
    settings, said = imported(tmp_path, export(line(1)))
    (client,) = settings.tapi_client
    written = (tmp_path / "acd.toml").read_text()
    assert set(NEW_LIMITS) == {"calls_per_second", "wait_limit_seconds"}
    for name in NEW_LIMITS:
        limit = f"{name} = {getattr(client, name)}"
        assert f"\n{limit}  # " in written
        assert f"{limit} " in said.replace(",", " ")


def test_where_both_versions_wrote_the_lines_with_numbers_count(tmp_path: Path) -> None:
    body = f'{FREE}{line(1)}"reversemode"=dword:1\r\n'
    settings, said = imported(tmp_path, export(body, key=FREE_PLACES[1]))
    assert settings.trunk[0].user == "31"
    assert [each.mode for each in settings.profile] == [LineMode.ACD]
    assert "not carried over: uchan: of the free version; " in said


def test_a_passwords_spaces_are_its_own(tmp_path: Path) -> None:
    settings, _ = imported(tmp_path, export(line(1, password='" x y "', proxy='" pbx "')))
    assert settings.trunk[0].password.get_secret_value() == " x y "
    assert settings.trunk[0].domain == "pbx"


def test_an_older_place_is_read_where_there_is_no_newer_one(tmp_path: Path) -> None:
    old = export(line(1), key=r"HKEY_LOCAL_MACHINE\SOFTWARE\IPCom\SIPTAPI")
    settings, _ = imported(tmp_path, old)
    assert settings.trunk[0].user == "31"


def test_what_stands_there_is_never_overwritten(tmp_path: Path) -> None:
    text = export(line(1))
    imported(tmp_path, text)
    before = (tmp_path / "acd.toml").read_bytes()
    done = run(tmp_path, text.encode("utf-16"))
    assert isinstance(done.exception, BadInput)
    assert "acd.toml: is there already" in str(done.exception)
    assert (tmp_path / "acd.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[trunk]\n", "is no registry export"),
        (f"{NEW}\r\n[{HKLM}\\Other]\r\n", "has no SIPTAPI settings"),
        (f'{NEW}\r\n"a"="b"\r\n', "line 2: stands before the first [key]"),
        (export("nonsense\r\n"), "line 4: is neither a [key]"),
        (export('"a"=qword:1\r\n'), 'the value of "a" cannot be read'),
        (export('"proxy1"=""\r\n'), "no line has a proxyN and a usernameN"),
        (export(line(1, proxy='"two words"')), '"two words" is no host'),
        (export(line(1) + '"reversemode"=dword:3\r\n'), "reversemode (line 9)"),
        (export(line(1, phoneusername='"a b"')), '"a b" is no extension'),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(tmp_path, text)


def test_bytes_deleted_keys_and_comments_are_understood() -> None:
    text = (
        f'{NEW}\r\n; a comment\r\n[{HKLM}\\SIPTAPI]\r\n@="default"\r\n'
        '"proxy1"=hex(2):70,00,62,00,\\\r\n  78,00,00,00\r\n'
        '"username1"="31"\r\n"password1"="x"\r\n"password1"=-\r\n'
        f'[-{HKLM}\\Old]\r\n"proxy1"="gone"\r\n'
    )
    keys = read_registry(text.encode("utf-16"), name="old.reg")
    done = import_siptapi(keys, name="old.reg", passwords="p", tokens="t")
    assert 'domain = "pbx"' in done.toml
    assert not done.passwords
