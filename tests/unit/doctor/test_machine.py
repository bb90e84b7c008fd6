"""The rows about the machine: each one ok, and each one failing with its figure and remedy."""

from __future__ import annotations

import resource
from typing import Any

import pytest

from acd.doctor.machine import (
    Compiled,
    binding_row,
    encryption_row,
    open_files_row,
    rtp_ports_row,
    told_binding,
)
from acd.errors import BadInput
from acd.settings import Settings, TrunkSettings
from acd.sip.limits import raise_file_limit

WHEEL = Compiled("2.15.1.post1", calls=4, accounts=8)
OURS = Compiled("2.17", calls=4096, accounts=1024)


def settings(*tables: dict[str, Any]) -> Settings:
    required = {"domain": "pbx.example.com", "user": "dialer"}
    return Settings.model_validate({"trunk": [required | table for table in tables or ({},)]})


def trunk(**keys: Any) -> TrunkSettings:
    return settings(keys).trunk[0]


def test_a_wheel_of_4_calls_fails_the_row_with_both_numbers() -> None:
    row = binding_row(WHEEL, settings({"lines": 30}))
    assert not row.ok
    assert row.detail.startswith("pjsua2 2.15.1.post1 holds 4 calls and 8 accounts; 30 lines")
    assert "make setup" in row.remedy
    assert "lines = 4" in row.remedy


def test_a_wheel_of_4_calls_is_enough_for_4_lines_and_says_how_to_get_999() -> None:
    row = binding_row(WHEEL, settings({"lines": 4}))
    assert row.ok
    assert row.detail.endswith(
        "enough for 4 lines (make setup builds a pjsua2 that holds 999 calls)"
    )


def test_the_lines_of_all_trunks_count() -> None:
    assert binding_row(OURS, settings({"lines": 999}, {"lines": 999})).ok
    assert not binding_row(WHEEL, settings({"lines": 3}, {"lines": 2})).ok


def test_more_trunks_than_accounts_fail_the_row() -> None:
    row = binding_row(WHEEL, settings(*[{"lines": 1, "name": f"t{n}"} for n in range(4)]))
    assert row.ok
    few = Compiled("2.15", calls=999, accounts=2)
    row = binding_row(few, settings(*[{"lines": 1, "name": f"t{n}"} for n in range(3)]))
    assert not row.ok
    assert "holds 999 calls and 2 accounts; 3 trunks are configured" in row.detail


def test_a_missing_binding_is_a_row_and_not_a_traceback() -> None:
    row = binding_row("pjsua2 is not installed", settings())
    assert not row.ok
    assert "make setup" in row.remedy
    assert told_binding("pjsua2 is not installed").max_calls == 0
    assert told_binding(OURS).max_calls == 4096


def test_too_few_open_files_fail_the_row() -> None:
    row = open_files_row(settings({"lines": 999}), (1024, 2000))
    assert not row.ok
    assert row.detail == "2254 needed for 999 lines; soft limit 1024, hard limit 2000"
    assert "2254" in row.remedy


def test_a_soft_limit_that_can_be_raised_is_ok() -> None:
    row = open_files_row(settings({"lines": 999}), (1024, 4096))
    assert row.ok
    assert row.detail.endswith("(raised at start)")
    assert open_files_row(settings({"lines": 999}), (-1, -1)).detail.endswith("unlimited")


@pytest.mark.parametrize("limit", [315, 316])
def test_the_row_counts_files_as_the_sip_side_does(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    if open_files_row(settings({"lines": 30})).ok:
        raise_file_limit(lines=30)
        assert limit == 316
        return
    with pytest.raises(BadInput, match="30 lines need 316 open files"):
        raise_file_limit(lines=30)


@pytest.mark.parametrize(("ports", "ok"), [(2498, True), (2497, True), (2496, False)])
def test_rtp_ports_are_two_and_a_half_a_line(ports: int, ok: bool) -> None:
    table = {"lines": 999, "rtp_port_min": 20000, "rtp_port_max": 20000 + ports}
    row = rtp_ports_row(trunk(**table), settings(table))
    assert row.ok is ok
    assert f"{ports + 1} in 20000-{20000 + ports}, 2498 needed for 999 lines" in row.detail


def test_trunks_that_share_rtp_ports_need_the_sum() -> None:
    both = settings(
        {"name": "one", "lines": 300, "rtp_port_min": 20000, "rtp_port_max": 20999},
        {"name": "two", "lines": 300, "rtp_port_min": 20500, "rtp_port_max": 20999},
        {"name": "far", "lines": 300, "rtp_port_min": 30000, "rtp_port_max": 30999},
    )
    row = rtp_ports_row(both.trunk[0], both)
    assert not row.ok
    assert "1000 in 20000-20999, 1500 needed for 600 lines of 2 trunks that share" in row.detail
    assert "by 500 ports" in row.remedy
    assert rtp_ports_row(both.trunk[2], both).ok


@pytest.mark.parametrize(
    ("keys", "ok", "said"),
    [
        ({}, True, "nothing is encrypted"),
        ({"srtp": "optional"}, True, "its keys travel in clear text"),
        ({"srtp": "required"}, False, "its keys travel in clear text"),
        ({"srtp": "required", "transport": "tls"}, True, "certificate checked"),
        ({"transport": "tls", "tls_verify": False}, False, "can pose as the PBX"),
    ],
)
def test_encryption_that_promises_too_much_fails_the_row(
    keys: dict[str, Any], ok: bool, said: str
) -> None:
    row = encryption_row(trunk(**keys))
    assert row.ok is ok
    assert said in row.detail
    assert ok or row.remedy
