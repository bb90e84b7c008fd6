"""TLS: a certificate that is trusted, and each way in which one is not."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.doctor.conftest import NETWORK, ROWS_SECONDS, Office, trunk
from tests.integration.doctor.tls_peer import tls_pbx
from tests.peers.certificates import lock_key, make_certificate, valid_until

pytestmark = pytest.mark.real

HOST = f"{NETWORK}.6"


def test_a_certificate_of_a_named_authority_is_trusted(office: Office, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, name=HOST)
    with tls_pbx(HOST, certificate, key) as port:
        more = f'transport = "tls"\ntls_ca_file = "{certificate.name}"'
        office.write(trunk(f"{HOST}:{port}", more))
        visit = office.visit()
    assert visit.failed() == set()
    assert visit.row("encryption (main)")["detail"].endswith("certificate checked")


TOMORROW = 2


@dataclass(frozen=True, slots=True)
class Bad:
    """A certificate that must not be taken, and what OpenSSL says of it."""

    name: str
    days: int
    trusted: bool
    complaint: str


@pytest.mark.parametrize(
    "bad",
    [
        Bad(HOST, TOMORROW, False, "self-signed certificate"),
        Bad(HOST, -1, True, "certificate has expired"),
        Bad("pbx.example.com", TOMORROW, True, "IP address mismatch, certificate is not valid for"),
    ],
    ids=["untrusted", "expired", "wrong name"],
)
def test_a_bad_certificate_fails_the_row_which_names_it_and_what_is_wrong(
    office: Office, tmp_path: Path, bad: Bad
) -> None:
    certificate, key = make_certificate(tmp_path, name=bad.name, days=bad.days)
    with tls_pbx(HOST, certificate, key) as port:
        trusts = f'tls_ca_file = "{certificate.name}"' if bad.trusted else ""
        office.write(trunk(f"{HOST}:{port}", f'transport = "tls"\n{trusts}'))
        visit = office.visit()
    until = valid_until(certificate)
    assert visit.row("OPTIONS (main)")["detail"].startswith(
        f"{HOST}:{port}: its TLS certificate is not trusted: it names {bad.name}, "
        f"issued by {bad.name}, valid until {until}; {bad.complaint}"
    )


def test_the_certificate_of_an_outbound_proxy_names_the_proxy(
    office: Office, tmp_path: Path
) -> None:
    certificate, key = make_certificate(tmp_path, name=HOST)
    with tls_pbx(HOST, certificate, key) as port:
        more = f'transport = "tls"\ntls_ca_file = "{certificate.name}"'
        office.write(trunk("pbx.example.com", f'{more}\noutbound_proxy = "{HOST}:{port}"'))
        visit = office.visit()
    assert visit.failed() == set()


def test_checking_that_is_off_connects_and_fails_the_encryption(
    office: Office, tmp_path: Path
) -> None:
    with tls_pbx(HOST, *make_certificate(tmp_path, name=HOST)) as port:
        office.write(trunk(f"{HOST}:{port}", 'transport = "tls"\ntls_verify = false'))
        visit = office.visit()
    assert visit.failed() == {"encryption (main)"}


def test_a_pbx_that_asks_for_our_certificate_gets_it(office: Office, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, name=HOST)
    ours, _ = make_certificate(tmp_path, name="dialer.example.com")
    more = f'transport = "tls"\ntls_ca_file = "{certificate.name}"'
    shown = f'tls_certificate_file = "{ours.name}"\ntls_key_file = "dialer.example.com.key"'
    with tls_pbx(HOST, certificate, key, client_authority=ours) as port:
        office.write(trunk(f"{HOST}:{port}", more))
        assert "OPTIONS (main)" in office.visit().failed()
        office.write(trunk(f"{HOST}:{port}", f"{more}\n{shown}"))
        assert office.visit().failed() == set()


def test_a_key_that_asks_for_a_passphrase_is_one_sentence_and_asks_nobody(
    office: Office, tmp_path: Path
) -> None:
    certificate, key = make_certificate(tmp_path, name="dialer.example.com")
    lock_key(key, "nobody is there to type it")
    more = f'tls_certificate_file = "{certificate.name}"\ntls_key_file = "{key.name}"'
    office.write(trunk(f"{HOST}:9", f'transport = "tls"\n{more}'))
    done = office.run()
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert f"trunk[0].tls_key_file (line 8): {key} asks for a passphrase, which acd" in sentence
    assert "write it without one, mode 0600: openssl pkey -in " in sentence


def test_a_port_that_does_not_speak_tls_gives_no_answer(office: Office) -> None:
    with socket.socket() as mute:
        mute.bind((HOST, 0))
        mute.listen()
        office.write(trunk(f"{HOST}:{mute.getsockname()[1]}", 'transport = "tls"'))
        visit = office.visit()
    assert visit.row("OPTIONS (main)")["detail"].endswith("gave no answer in 5 s")
    assert visit.seconds < ROWS_SECONDS


def test_a_closed_tls_port_is_known_at_once(office: Office) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
    office.write(trunk(f"{HOST}:{port}", 'transport = "tls"'))
    visit = office.visit()
    assert visit.row("OPTIONS (main)")["detail"] == f"{HOST}:{port}: nothing listens there"
    assert visit.seconds < ROWS_SECONDS  # the detail says that nothing was waited for
