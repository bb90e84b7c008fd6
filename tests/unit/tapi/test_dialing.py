"""What TAPI applications write as an address, and what is dialed for it."""

from __future__ import annotations

import pytest

from acd.tapi.constants import LineErr
from acd.tapi.dialing import dialed_number, transfer_target


@pytest.mark.parametrize(
    ("written", "dialed"),
    [
        ("+43 (1) 505641", "+431505641"),
        ("T505641", "505641"),
        ("0,01 505641", "001505641"),
        ("P 01/505641", "01505641"),
        ("*97#", "*97#"),
        ("+43 (1) 505641|7^Mr Smith", "+431505641"),
        ("01505641\r\n01505642", "01505641"),
    ],
)
def test_canonical_and_dialable_addresses_become_what_is_dialed(written: str, dialed: str) -> None:
    assert dialed_number(written) == dialed


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("0W505641", LineErr.DIALDIALTONE),
        ("0w505641", LineErr.DIALDIALTONE),
        ("0@505641", LineErr.DIALQUIET),
        ("505641$1234", LineErr.DIALBILLING),
        ("505641?", LineErr.DIALPROMPT),
        ("", LineErr.INVALADDRESS),
        ("   ", LineErr.INVALADDRESS),
        ("+", LineErr.INVALADDRESS),
        ("T,P", LineErr.INVALADDRESS),
        ("1+2", LineErr.INVALADDRESS),
        ("50ü41", LineErr.INVALADDRESS),
        ("5" * 200, LineErr.INVALADDRESS),
    ],
)
def test_what_sip_cannot_do_is_refused_with_its_own_error(written: str, error: LineErr) -> None:
    assert dialed_number(written) is error


@pytest.mark.parametrize(
    "target",
    [
        "agent7",
        "queue",
        "sales-2",
        "sip:agent7@127.0.0.1",
        "7001",
        "hr",
        "q1",
        "Q1",
        "x",
        "s.2",
        "tk",
    ],
)
def test_names_of_agents_and_queues_are_kept(target: str) -> None:
    assert transfer_target(target) == target


@pytest.mark.parametrize(("written", "dialed"), [("t1", "1"), ("pt12", "12"), ("T7001", "7001")])
def test_what_could_be_dialed_is_dialed(written: str, dialed: str) -> None:
    assert transfer_target(written) == dialed
    # A pattern that fits whatever there is does not say that these are names.
    assert transfer_target(written, listed=["*", "7001", "sales"]) == dialed


@pytest.mark.parametrize("written", ["t1", "pt12", "bd", "W2", "d-7"])
def test_a_short_name_that_the_operator_has_listed_is_a_name(written: str) -> None:
    assert transfer_target(written, listed=["70??", "t?", "pt*", "bd", "W2", "d-*"]) == written
