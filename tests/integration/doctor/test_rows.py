"""Every row of `acd doctor` with its failure provoked, against SIPp, sockets and databases.

Each test runs the program itself. The rows that are not its subject are looked at where the
failure must not spread to them.
"""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from acd.store import open_store_sync
from acd.store.schema import SCHEMA_REVISION
from tests.integration.doctor.conftest import (
    NETWORK,
    PASSWORD,
    ROWS_SECONDS,
    Office,
    PbxMaker,
    trunk,
)
from tests.peers.addresses import Addresses
from tests.peers.dns import run_dns
from tests.peers.postgres import running_postgres
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real


def test_everything_well_is_exit_code_0(office: Office, pbx: PbxMaker) -> None:
    with pbx() as peer:
        office.write(trunk(str(peer.bind)))
        visit = office.visit()
    assert visit.failed() == set()
    assert visit.exit_code == 0
    assert visit.report["pjsua2"]["max_calls"] >= 4
    assert [check["name"] for check in visit.report["checks"]] == [
        "binding",
        "open files",
        "database",
        "RTP ports (main)",
        "encryption (main)",
        "OPTIONS (main)",
        "credentials (main)",
        "REFER (main)",
    ]
    assert visit.row("REFER (main)")["detail"] == "SIPp as a PBX allows REFER"
    assert visit.row("credentials (main)")["detail"] == 'accepted in realm "pbx" (REGISTER: 200 OK)'


def test_the_same_over_tcp(office: Office, pbx: PbxMaker) -> None:
    with pbx(transport="t1") as peer:
        office.write(trunk(str(peer.bind), 'transport = "tcp"'))
        visit = office.visit()
    assert visit.failed() == set()


def test_plain_rows_have_words_and_one_remedy_line_each(office: Office, pbx: PbxMaker) -> None:
    with pbx(options_header="Allow: INVITE") as peer:
        office.write(trunk(str(peer.bind)))
        done = office.run()
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "not ok  REFER (main): SIPp as a PBX allows INVITE, no REFER" in lines
    assert lines[-1].startswith("        remedy: allow transfers (REFER)")
    assert lines[0].startswith("ok      binding: pjsua2 ")


def test_config_may_stand_after_the_command(office: Office, pbx: PbxMaker) -> None:
    with pbx() as peer:
        office.write(trunk(str(peer.bind))).rename(office.folder / "other.toml")
        assert office.visit("--config", "other.toml").exit_code == 0


def test_refer_missing_in_allow_fails_its_row_alone(office: Office, pbx: PbxMaker) -> None:
    with pbx(options_header="Allow: INVITE, ACK, BYE") as peer:
        office.write(trunk(str(peer.bind)))
        visit = office.visit()
    assert visit.exit_code == 1
    assert visit.failed() == {"REFER (main)"}
    assert visit.row("REFER (main)")["detail"] == "SIPp as a PBX allows ACK, BYE, INVITE, no REFER"


def test_a_proxy_that_names_no_methods_is_named(office: Office, pbx: PbxMaker) -> None:
    with pbx(options_header="X-Nothing: 1") as peer:
        office.write(trunk(str(peer.bind)))
        visit = office.visit()
    assert visit.failed() == {"REFER (main)"}
    assert "does not say what it allows" in visit.row("REFER (main)")["detail"]


def test_options_goes_to_the_extension_that_is_named(office: Office, pbx: PbxMaker) -> None:
    with pbx(trace_messages=True) as peer:
        office.write(trunk(str(peer.bind)))
        assert office.visit("--to", "600").exit_code == 0
        assert f"OPTIONS sip:600@{peer.bind} SIP/2.0" in peer.messages_file.read_text()


def test_a_wrong_password_fails_the_credentials_alone(office: Office, pbx: PbxMaker) -> None:
    with pbx(password="another") as peer:
        office.write(trunk(str(peer.bind)))
        visit = office.visit()
    assert visit.failed() == {"credentials (main)"}
    detail = visit.row("credentials (main)")["detail"]
    assert detail == 'REGISTER was refused with 401 Unauthorized for dialer in realm "pbx"'


def test_a_realm_that_is_not_the_domain_is_left_unanswered(office: Office, pbx: PbxMaker) -> None:
    with pbx() as peer:
        office.write(trunk(str(peer.bind), "realm_check = true"))
        visit = office.visit()
    assert visit.failed() == {"credentials (main)"}
    assert "realm_check = false" in visit.row("credentials (main)")["remedy"]


def test_a_silent_pbx_gives_its_rows_within_8_seconds(office: Office) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((f"{NETWORK}.2", 0))
        domain = f"{NETWORK}.2:{silent.getsockname()[1]}"
        office.write(trunk(domain))
        visit = office.visit()
    assert visit.seconds < ROWS_SECONDS
    assert visit.failed() == {"OPTIONS (main)", "credentials (main)", "REFER (main)"}
    assert visit.row("OPTIONS (main)")["detail"] == f"{domain} gave no answer in 5 s"


def test_a_closed_port_is_known_at_once(office: Office) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((f"{NETWORK}.3", 0))
        domain = f"{NETWORK}.3:{taken.getsockname()[1]}"
    office.write(trunk(domain))
    visit = office.visit()
    assert visit.row("OPTIONS (main)")["detail"] == f"{domain}: nothing listens there"
    assert visit.seconds < ROWS_SECONDS  # the detail says that nothing was waited for


def test_options_ask_for_the_probe_user(office: Office, pbx: PbxMaker) -> None:
    with pbx() as peer, Wire(peer.bind.host) as wire:
        office.write(trunk(str(peer.bind), 'probe_user = "acd-probe"'))
        office.visit()
        (asked, *_) = select(wire.sip(), "OPTIONS")
    assert asked.request_uri == f"sip:acd-probe@{peer.bind}"


def test_an_unknown_host_name_is_said(office: Office) -> None:
    office.write(trunk("pbx.invalid"))  # RFC 6761 6.4: never resolves
    visit = office.visit()
    assert "OPTIONS (main)" in visit.failed()
    assert visit.row("OPTIONS (main)")["detail"].startswith("pbx.invalid:5060")
    assert visit.seconds < ROWS_SECONDS


def test_a_domain_is_found_by_its_srv_record(office: Office, pbx: PbxMaker) -> None:
    server = Addresses.free().carrier
    with pbx() as peer:
        records = (
            f"--host-record=one.pbx.test,{peer.bind.host}",
            f"--srv-host=_sip._udp.pbx.test,one.pbx.test,{peer.bind.port}",
        )
        with run_dns(server, *records):
            office.write(trunk("pbx.test", f'dns_servers = ["{server}"]'))
            assert office.visit().failed() == set()
            office.write(trunk("none.test", f'dns_servers = ["{server}"]'))
            row = office.visit().row("OPTIONS (main)")
    assert row["detail"] == f"{server} does not know none.test"


def test_a_pbx_that_is_down_for_calls_fails_the_row(office: Office, pbx: PbxMaker) -> None:
    with pbx(options_line="503 Service Unavailable") as peer:
        office.write(trunk(str(peer.bind)))
        visit = office.visit()
    assert "503 Service Unavailable" in visit.row("OPTIONS (main)")["detail"]
    assert not visit.row("OPTIONS (main)")["ok"]


def test_more_lines_than_the_binding_holds_fail_with_both_numbers(office: Office) -> None:
    # 999 a trunk: more than any pjsua2 that we build or find was compiled for.
    text = "".join(trunk(f"{NETWORK}.4:9", f'name = "t{n}"') for n in range(5))
    office.write(text.replace("lines = 4", "lines = 999"))
    visit = office.visit()
    row = visit.row("binding")
    assert not row["ok"]
    assert f"holds {visit.report['pjsua2']['max_calls']} calls" in row["detail"]
    assert "4995 lines are configured" in row["detail"]
    assert "make setup" in row["remedy"]


def test_a_missing_binding_is_a_row(office: Office, tmp_path: Path) -> None:
    (tmp_path / "pjsua2.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'pjsua2'\", name='pjsua2')"
    )
    office.write(trunk(f"{NETWORK}.4:9"))
    visit = office.visit()  # python -m puts the present folder first in the module path
    assert visit.row("binding")["detail"] == "pjsua2 is not installed"
    assert visit.report["pjsua2"] == {"version": None, "max_calls": 0}


def test_a_low_hard_limit_of_open_files_fails_the_row(office: Office) -> None:
    office.write(trunk(f"{NETWORK}.4:9").replace("lines = 4", "lines = 30"))
    visit = office.visit(limits="ulimit -n 300")
    row = visit.row("open files")
    assert not row["ok"]
    assert row["detail"] == "316 needed for 30 lines; soft limit 300, hard limit 300"
    assert "LimitNOFILE" in row["remedy"]


def test_a_low_soft_limit_is_raised_and_ok(office: Office) -> None:
    office.write(trunk(f"{NETWORK}.4:9").replace("lines = 4", "lines = 30"))
    row = office.visit(limits="ulimit -Sn 200").row("open files")
    assert row["ok"]
    assert "soft limit 200" in row["detail"]
    assert "(raised at start)" in row["detail"]


def test_a_small_rtp_range_fails_the_row(office: Office) -> None:
    office.write(trunk(f"{NETWORK}.4:9", "rtp_port_min = 20000\nrtp_port_max = 20008"))
    row = office.visit().row("RTP ports (main)")
    assert not row["ok"]
    assert row["detail"] == "9 in 20000-20008, 10 needed for 4 lines"


def test_srtp_keys_in_clear_text_fail_the_row(office: Office) -> None:
    office.write(trunk(f"{NETWORK}.4:9", 'srtp = "required"'))
    row = office.visit().row("encryption (main)")
    assert not row["ok"]
    assert row["remedy"] == 'set transport = "tls"'


def test_a_database_that_the_first_import_will_make_is_good(office: Office) -> None:
    (office.folder / "acd.sqlite").unlink()
    office.write(trunk(f"{NETWORK}.4:9"))
    row = office.visit().row("database")
    assert row["ok"]
    assert "the first `acd leads import` makes it" in row["detail"]
    assert not (office.folder / "acd.sqlite").exists()


def test_a_database_in_a_folder_that_is_not_there_fails_the_row(office: Office) -> None:
    office.write(trunk(f"{NETWORK}.4:9") + '[store]\nurl = "sqlite:///nowhere/acd.sqlite"')
    row = office.visit().row("database")
    assert not row["ok"]
    assert "folder" in row["detail"]


def test_a_closed_postgresql_port_fails_the_row_without_the_password(office: Office) -> None:
    with socket.socket() as taken:
        taken.bind((f"{NETWORK}.5", 0))
        where = f"{NETWORK}.5:{taken.getsockname()[1]}"
    url = f"postgresql://acd:{PASSWORD}@{where}/acd"
    office.write(trunk(f"{NETWORK}.4:9") + f'[store]\nurl = "{url}"')
    row = office.visit().row("database")
    assert not row["ok"]
    assert where in row["detail"]
    assert "refused" in row["detail"]


def test_an_empty_postgresql_database_fails_the_row_until_it_is_built(office: Office) -> None:
    with running_postgres() as server:
        url = server.new_database()
        office.write(trunk(f"{NETWORK}.4:9") + f'[store]\nurl = "{url}"')
        empty = office.visit().row("database")
        with open_store_sync(url, create=True):
            pass
        built = office.visit().row("database")
    assert not empty["ok"]
    assert "acd db upgrade" in empty["remedy"]
    assert built["ok"]
    assert built["detail"].startswith(f"{url} answered in ")
    assert f"schema {SCHEMA_REVISION}" in built["detail"]


def test_a_schema_of_another_age_fails_the_row(office: Office) -> None:
    with closing(sqlite3.connect(office.folder / "acd.sqlite")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    office.write(trunk(f"{NETWORK}.4:9"))
    row = office.visit().row("database")
    assert not row["ok"]
    assert "newer than this program" in row["detail"]


def test_a_database_that_never_answers_is_given_up_within_8_seconds(office: Office) -> None:
    with socket.socket() as mute:
        mute.bind((f"{NETWORK}.5", 0))
        mute.listen()
        url = f"postgresql://acd@{NETWORK}.5:{mute.getsockname()[1]}/acd"
        office.write(trunk(f"{NETWORK}.4:9") + f'[store]\nurl = "{url}"')
        visit = office.visit()
    assert visit.row("database")["detail"] == f"{url} gave no answer in 5 s"
    assert visit.seconds < ROWS_SECONDS


def test_bad_settings_are_exit_code_2_with_every_problem(office: Office) -> None:
    office.write(trunk(f"{NETWORK}.4:9", 'srtp = "on"').replace("lines = 4", "lines = 0"))
    done = office.run()
    assert done.returncode == 2
    assert "trunk[0].lines (line 5): 0 is too small" in done.stderr
    assert 'trunk[0].srtp (line 6): "on" is not allowed' in done.stderr
    assert done.stdout == ""
