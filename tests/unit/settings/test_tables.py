"""What a person may write into acd.toml, and what they are told when it is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from acd.errors import BadSettings
from acd.settings import Codec, Srtp, Transport, load_settings
from tests.unit.settings.files import AMI, API_CLIENT, SECRET, TRUNK, load, refusal


def test_two_keys_are_enough(tmp_path: Path) -> None:
    settings = load(tmp_path, TRUNK)
    trunk = settings.trunk[0]
    assert (trunk.name, trunk.lines, trunk.transport) == ("main", 30, Transport.UDP)
    assert trunk.tls_verify
    assert trunk.register_account
    assert settings.store.url == f"sqlite:///{tmp_path}/acd.sqlite"
    assert settings.campaigns_folder == tmp_path / "campaigns"


def test_every_key_of_a_trunk_is_read(tmp_path: Path) -> None:
    for name in ("ca.pem", "acd.pem", "acd.key"):
        (tmp_path / name).write_text("x")
    trunk = load(
        tmp_path,
        TRUNK
        + """
        name = "second"
        outbound_proxy = "192.0.2.1:5061"
        dns_servers = ["192.0.2.53"]
        auth_user = "dialer-auth"
        password_env = "ACD_PASSWORD"
        realm_check = true
        register = false
        register_expiry_seconds = 600
        transport = "tls"
        tls_ca_file = "ca.pem"
        tls_certificate_file = "acd.pem"
        tls_key_file = "acd.key"
        srtp = "required"
        lines = 999
        calls_per_second = 12
        ring_timeout_seconds = 30
        codecs = ["PCMU", "PCMA"]
        rtp_port_min = 10000
        rtp_port_max = 12499
        bind_address = "192.0.2.7"
        bind_port = 5062
        public_address = "198.51.100.7"
        user_agent = "our dialer"
        """,
        {"ACD_PASSWORD": SECRET},
    ).trunk[0]
    assert trunk.password.get_secret_value() == SECRET
    assert not trunk.register_account
    assert trunk.codecs == (Codec.PCMU, Codec.PCMA)
    assert (trunk.srtp, trunk.lines, trunk.rtp_ports) == (Srtp.REQUIRED, 999, 2500)
    assert trunk.tls_ca_file == tmp_path / "ca.pem"
    assert trunk.tls_certificate_file == tmp_path / "acd.pem"
    assert trunk.tls_key_file == tmp_path / "acd.key"


def test_the_first_trunk_is_the_default(tmp_path: Path) -> None:
    settings = load(tmp_path, TRUNK + 'name = "vienna"\n' + TRUNK + 'name = "berlin"\n')
    assert [trunk.name for trunk in settings.trunk] == ["vienna", "berlin"]


def test_all_wrong_values_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
[[trunk]]
user = "dialer"
lines = 1000
transport = "udpp"
rtp_port_min = 30000
rtp_port_max = 20000
password_env = "ACD_PASSWORD"
[store]
url = "mysql://localhost/acd"
[metrics]
bind_address = "0.0.0.0"
"""
    assert refusal(tmp_path, text) == [
        "acd.toml: trunk[0].domain (line 1): is missing; allowed: a host name or address, with its"
        ' port if unusual, e.g. "pbx.example.com"',
        "acd.toml: trunk[0].lines (line 3): 1000 is too large; allowed: a whole number from 1 to"
        " 999",
        'acd.toml: trunk[0].transport (line 4): "udpp" is not allowed; allowed: "udp", "tcp" or'
        ' "tls"',
        "acd.toml: trunk[0].rtp_port_max (line 6): 20000 is below rtp_port_min, 30000; allowed: a"
        " range with 2.5 ports or more a line",
        "acd.toml: trunk[0].password_env (line 7): the environment variable ACD_PASSWORD is not"
        " set; set it for the process that runs acd, or use password_file",
        "acd.toml: store.url (line 9): the value (not shown here) is no database that acd can use;"
        ' allowed: "sqlite:///FILE" or "postgresql://USER@HOST/DATABASE"',
        'acd.toml: metrics.bind_address (line 11): "0.0.0.0" can be reached from other machines and'
        ' needs a token; set token_env or token_file, or bind_address = "127.0.0.1"',
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("lines = 0", "0 is too small; allowed: a whole number from 1 to 999"),
        ("lines = 1000", "1000 is too large; allowed: a whole number from 1 to 999"),
        ("lines = true", "true is not allowed; allowed: a whole number from 1 to 999"),
        ('lines = "30"', '"30" is not allowed; allowed: a whole number from 1 to 999'),
        ("calls_per_second = 0", "0 is too small; allowed: a number above 0, at most 200"),
        ("calls_per_second = inf", "Infinity is not allowed; allowed: a number above 0, at most"),
        ("ring_timeout_seconds = 14.9", "14.9 is too small; allowed: a number from 15 to 180"),
        ("register_expiry_seconds = 10", "10 is too small; allowed: a whole number from 60 to"),
        ('register = "no"', '"no" is not allowed; allowed: true or false'),
        ('srtp = "on"', '"on" is not allowed; allowed: "off", "optional" or "required"'),
        ("codecs = []", '[] is not allowed; allowed: a list in order of preference, of "PCMA"'),
        ('codecs = ["PCMA", "PCMA"]', '["PCMA", "PCMA"] names a codec twice'),
        ("bind_port = 65536", "65536 is too large; allowed: a whole number from 0 to 65535"),
        ('bind_address = "eth0"', '"eth0" is no IP address'),
        ('public_address = "pbx"', '"pbx" is no IP address'),
        ('outbound_proxy = "sip:1.2.3.4"', 'allowed: "host" or "host:port" without sip:'),
        ('user_agent = "a\\r\\nVia: b"', '"a\\r\\nVia: b" is not allowed'),
        ('auth_user = "a\\nb"', "allowed: the digest user name, on one line"),
        ('name = "Vienna"', "allowed: 1 to 32 lower-case letters"),
        ("tls_ca_file = 3", "3 is not allowed; allowed: a file name in quotes"),
        ('tls_ca_file = "none.pem"', "there is no file"),
        ('tls_certificate_file = "acd.toml"', "there is no tls_key_file to it"),
        ('tls_key_file = "acd.toml"', "there is no tls_certificate_file to it"),
        ('dns_servers = ["dns.example.com"]', "is no IP address"),
        ('number_prefix = "+43"', "allowed: digits, * or #"),
        ('outbound_prox = ""', "is no key that acd knows; did you mean outbound_proxy?"),
    ],
)
def test_a_wrong_value_of_a_trunk_is_told_with_what_is_allowed(
    tmp_path: Path, line: str, told: str
) -> None:
    (problem,) = refusal(tmp_path, TRUNK + line)
    key = line.partition(" ")[0]
    assert re.match(rf"acd\.toml: trunk\[0\]\.{key}(\[\d\])? \(line 4\): ", problem)
    assert told in problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "acd.toml: trunk: is missing"),
        ("trunk = []", "acd.toml: trunk (line 1): [] names no trunk"),
        ('[trunk]\ndomain = "x"', "one or more tables, each headed [[trunk]] with two brackets"),
        ("trunk = 3", "acd.toml: trunk (line 1): 3 is not allowed"),
        (TRUNK + "[[store]]", "store (line 4): a list of tables is not allowed"),
        (TRUNK + "[stor]", "stor (line 4): is no key that acd knows; did you mean store?"),
        (TRUNK + '[log]\nlevel = "loud"', '"debug", "info", "warning" or "error"'),
        (TRUNK + '[destinations]\ndefault_region = "UK"', '"UK" is no region that has phone'),
        (TRUNK + '[destinations]\nallowed_regions = ["at"]', "allowed_regions[0] (line 5)"),
        (TRUNK + '[destinations]\nallow = ["a b"]', 'destinations.allow[0] (line 5): "a b"'),
        (TRUNK + '[store]\nurl = "sqlite://"', "is no database that acd can use"),
        (TRUNK + '[metrics]\nbind_address = "all"', 'an IP address of this machine, or "localhost'),
        (TRUNK + "[feeds.amo]", "feeds.amo (line 4): is no key that acd knows; did you mean ami?"),
        (
            AMI + "prot = 5039",
            "feeds.ami.prot (line 8): is no key that acd knows; did you mean port",
        ),
        (AMI + 'device = "PJSIP/"', 'feeds.ami.device (line 8): "PJSIP/" is not allowed; allowed:'),
        (
            AMI + "port = 0",
            "feeds.ami.port (line 8): 0 is too small; allowed: a whole number from 1",
        ),
        (AMI + 'tls_ca_file = "no.pem"', "feeds.ami.tls_ca_file (line 8): there is no file"),
        ("feeds = 1\n" + TRUNK, "is not allowed; allowed: a table headed [feeds]"),
        ("[feeds]\ndialog_info = 1\n" + TRUNK, "allowed: a table headed [feeds.dialog_info]"),
        ("destinations = 1\n" + TRUNK, "allowed: a table headed [destinations]"),
        ("api_client = [1]\n" + TRUNK, "allowed: a table headed [[api_client]]"),
        ("[[trunk]]\ndomain = x", "acd.toml: line 2, column 10: is not TOML: invalid value"),
        ("[[trunk", "acd.toml: end of document: is not TOML"),
    ],
)
def test_a_wrong_table_is_told(tmp_path: Path, text: str, told: str) -> None:
    (problem,) = refusal(tmp_path, text, {"ACD_AMI": SECRET})
    assert told in problem


def test_a_missing_file_is_told_with_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"does not exist; cp acd\.example\.toml .*/acd\.toml"):
        load_settings(tmp_path / "acd.toml", {})


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="cannot be read: Is a directory"):
        load_settings(tmp_path, {})


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "acd.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(BadSettings, match="byte 5 is not UTF-8; save the file as UTF-8"):
        load_settings(tmp_path / "acd.toml", {})


def test_two_trunks_of_one_name_are_refused(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, TRUNK + TRUNK)
    assert 'trunk[1].name (line 4): "main" is already the name of trunk[0]' in problem


@pytest.mark.parametrize("address", ["", "127.0.0.1"])
def test_two_trunks_on_one_local_port_are_refused(tmp_path: Path, address: str) -> None:
    other = f'{TRUNK}name = "other"\nbind_port = 5062\nbind_address = "{address}"'
    (problem,) = refusal(tmp_path, TRUNK + "bind_port = 5062\n" + other)
    assert "trunk[1].bind_port (line 9): 5062 is already the bind_port of trunk[0]" in problem


def test_udp_and_tcp_may_share_a_local_port(tmp_path: Path) -> None:
    other = TRUNK + 'name = "other"\nbind_port = 5062\ntransport = "tcp"'
    assert len(load(tmp_path, TRUNK + "bind_port = 5062\n" + other).trunk) == 2


def test_api_and_metrics_may_not_share_a_port(tmp_path: Path) -> None:
    text = TRUNK + "[api]\nenabled = true\nport = 9464\n" + API_CLIENT
    (problem,) = refusal(tmp_path, text, {"ACD_API": SECRET})
    assert "api.port (line 6): 9464 is already the port of [metrics]" in problem


def test_an_api_that_nobody_may_use_or_that_is_in_the_clear_is_refused(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, TRUNK + "[api]\nenabled = true")
    assert "nobody may connect; add an [[api_client]]" in problem
    text = TRUNK + '[api]\nenabled = true\nbind_address = "0.0.0.0"\n' + API_CLIENT
    (problem,) = refusal(tmp_path, text, {"ACD_API": SECRET})
    assert "can be reached from other machines and needs TLS" in problem


def test_api_clients_have_names_and_tokens_of_their_own(tmp_path: Path) -> None:
    other = API_CLIENT.replace("integrator", "supervisor") + 'agent = "anna"\n'
    name, token, agent = refusal(tmp_path, TRUNK + API_CLIENT + other, {"ACD_API": SECRET})
    assert '"crm" is already the name of api_client[0]' in name
    assert 'a client of role "supervisor" speaks for no agent' in agent + token
    assert "its token is that of api_client[0] too" in agent + token


@pytest.mark.parametrize(
    "line",
    [
        *('outbound_proxy = "x:70000"', 'outbound_proxy = "[::1]:0"'),
        '[feeds.dialog_info]\ndomain = "pbx:65536"',
        '[[profile]]\nname = "a"\nfirst_line = 1\nlast_line = 1\nphone = "31@192.0.2.7:0"',
    ],
)
def test_a_port_out_of_range_is_refused(tmp_path: Path, line: str) -> None:
    (problem,) = refusal(tmp_path, TRUNK + line)
    assert "has a port that is no number from 1 to 65535; allowed:" in problem


@pytest.mark.parametrize("domain", ["pbx:99999", "pbx:0", "[2001:db8::1]:70000"])
def test_a_pbx_at_a_port_out_of_range_is_refused(tmp_path: Path, domain: str) -> None:
    (problem,) = refusal(tmp_path, TRUNK.replace("pbx.example.com", domain))
    assert f'trunk[0].domain (line 2): "{domain}" has a port that is no number' in problem


@pytest.mark.parametrize("domain", ["pbx:1", "pbx:65535", "[2001:db8::1]", "[2001:db8::1]:5060"])
def test_a_pbx_at_any_other_port_is_taken(tmp_path: Path, domain: str) -> None:
    assert load(tmp_path, TRUNK.replace("pbx.example.com", domain)).trunk[0].domain == domain
