"""The fields of a certificate that a person recognises it by."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.doctor.certificate import Certificate, read_certificate
from tests.peers.certificates import make_certificate, valid_until


def _der(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


@pytest.mark.parametrize("days", [2, -1, 20_000])
def test_names_and_date_are_those_that_openssl_shows(tmp_path: Path, days: int) -> None:
    certificate, _ = make_certificate(tmp_path, name="pbx.example.com", days=days)
    read = read_certificate(_der(certificate))
    assert read == Certificate("pbx.example.com", "pbx.example.com", valid_until(certificate))
    assert str(read).startswith("it names pbx.example.com, issued by pbx.example.com, valid until ")


@given(st.binary(max_size=80))
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"no X\.509 certificate"):
        read_certificate(data)


def test_a_certificate_that_was_cut_is_a_value_error(tmp_path: Path) -> None:
    whole = _der(make_certificate(tmp_path, name="pbx.example.com")[0])
    for length in range(0, len(whole), 7):
        with pytest.raises(ValueError, match=r"no X\.509 certificate"):
            read_certificate(whole[:length])
