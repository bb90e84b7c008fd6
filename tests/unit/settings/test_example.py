"""`acd.example.toml` is what it says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from acd.settings import AmiSettings, DialogInfoSettings, FeedsSettings, Settings
from acd.settings.toml_lines import find_key_lines
from tests.unit.settings.files import SECRET, load, secret_file

EXAMPLE = Path(__file__).parents[3] / "acd.example.toml"


def test_the_example_loads_and_marks_six_keys(tmp_path: Path) -> None:
    secret_file(tmp_path)
    text = EXAMPLE.read_text(encoding="utf-8")
    trunk = load(tmp_path, text).trunk[0]
    assert trunk.password.get_secret_value() == SECRET
    marked = re.findall(r"^(\w+) = .*# \((\d)\)", text, flags=re.MULTILINE)
    keys = ("domain", "user", "password_file", "lines", "calls_per_second", "default_region")
    assert [key for key, _ in marked] == list(keys)
    assert [number for _, number in marked] == list("123456")


def test_the_example_names_every_key_with_its_default() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    opened = re.sub(r"^# (?=\w+ = |\[)", "", text, flags=re.MULTILINE)
    raw = tomllib.loads(opened)
    assert raw["trunk"][0].pop("tls_ca_file") == "ca.pem"
    assert raw["trunk"][0].pop("tls_certificate_file") == "acd.pem"
    assert raw["trunk"][0].pop("tls_key_file") == "acd.key"
    assert raw["trunk"][0].pop("password_file") == "dialer.password"
    assert raw["feeds"]["ami"].pop("tls_ca_file") == "ca.pem"
    assert raw["feeds"]["ami"].pop("password_file") == "manager.password"
    assert raw["tapi"].pop("tls_certificate_file") == "tapi.crt"
    assert raw["tapi"].pop("tls_key_file") == "tapi.key"
    assert raw["api"].pop("tls_certificate_file") == "api.crt"
    assert raw["api"].pop("tls_key_file") == "api.key"
    assert raw["api_client"][0].pop("token_file") == "desktop.token"
    assert raw["tapi_client"][0].pop("token_file") == "overdialer.token"
    assert raw["tapi_client"][0].pop("number_format") == "+"
    assert raw["tapi_client"][0].pop("number_prefix") == ""
    assert raw["tapi_client"][0].pop("wait_message") == "sorry.wav"
    assert raw["tapi_client"][0].pop("comfort_audio") == "waiting.wav"
    assert raw["log"].pop("file") == "acd.log"
    shown = Settings.model_validate(raw)
    assert shown.feeds.ami == AmiSettings(host="pbx.example.com", user="acd")
    assert shown.feeds.dialog_info == DialogInfoSettings()
    shown = shown.model_copy(update={"feeds": FeedsSettings()})
    required = {"domain": "pbx.example.com", "user": "dialer"}
    shown_tables = {
        "tapi_client": [{"name": "overdialer"}],
        "api_client": [{"name": "desktop"}],
        "profile": [{"name": "office", "first_line": 1, "last_line": 4, "mode": "standard"}],
    }
    assert shown == Settings.model_validate({"trunk": [required], **shown_tables})
    lines = find_key_lines(opened)
    tables = ("trunk", "store", "metrics", "api", "tapi", "destinations", "log")
    for name in (*tables, *shown_tables):
        of_name = getattr(shown, name)
        table, at = (of_name[0], (name, 0)) if isinstance(of_name, tuple) else (of_name, (name,))
        keys = {field.alias or key for key, field in type(table).model_fields.items()}
        unnamed = {key for key in keys if (*at, key) not in lines}
        assert unnamed <= {"password", "token", "password_env", "token_file", "token_env"}
    keys = set(AmiSettings.model_fields)
    unnamed = {key for key in keys if ("feeds", "ami", key) not in lines}
    assert unnamed == {"password", "password_env"}
