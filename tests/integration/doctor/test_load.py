"""`acd doctor --load` against SIPp with a call limit of its own; few calls, for any binding."""

from __future__ import annotations

import re

import pytest

from tests.integration.doctor.conftest import NETWORK, Office, PbxMaker, trunk
from tests.peers.sipp.runner import Sipp

pytestmark = pytest.mark.real

FAST = "calls_per_second = 50"


def requests(pbx: Sipp, method: str) -> list[str]:
    """Request lines of a method that the PBX saw, one a Call-ID."""
    messages = re.split(r"(?m)^-{20,}.*$", pbx.messages_file.read_text(errors="replace"))
    seen = {}
    for message in messages:
        call_id = re.search(r"(?im)^Call-ID: *(\S+)", message)
        if call_id and (line := re.search(rf"(?m)^{method} .*$", message)):
            seen[call_id[1]] = line[0].strip()
    return list(seen.values())


def test_the_limit_of_the_pbx_is_found_with_its_code(office: Office, limited_pbx: PbxMaker) -> None:
    with limited_pbx(carries=3) as pbx:
        office.write(trunk(str(pbx.bind), FAST))
        visit = office.visit("--load", "4", "--to", "600")
        assert len(requests(pbx, "INVITE")) == 4
        assert len(requests(pbx, "BYE")) == 3, "what was reached must be hung up"
    assert visit.exit_code == 1
    assert visit.failed() == {"load (main)"}
    load = visit.report["load"]
    assert (load["asked"], load["carried"], load["stopped_at"]) == (4, 3, 4)
    assert (load["sip_status"], load["q850_cause"]) == (503, 42)
    row = visit.row("load (main)")
    assert row["detail"].startswith("3 of 4 calls at once; call 4 ended with 503 ")
    assert "set lines = 3" in row["remedy"]


def test_an_account_that_carries_what_was_asked_is_ok(
    office: Office, limited_pbx: PbxMaker
) -> None:
    with limited_pbx(carries=4) as pbx:
        office.write(trunk(str(pbx.bind), FAST))
        visit = office.visit("--load", "4", "--to", "600")
        assert set(requests(pbx, "INVITE")) == {f"INVITE sip:600@{pbx.bind} SIP/2.0"}
    assert visit.exit_code == 0
    assert visit.row("load (main)")["detail"] == "4 of 4 calls at once"
    assert visit.report["load"]["sip_status"] is None


def test_more_calls_than_configured_lines_may_be_tried(
    office: Office, limited_pbx: PbxMaker
) -> None:
    with limited_pbx(carries=4) as pbx:
        office.write(trunk(str(pbx.bind), FAST).replace("lines = 4", "lines = 1"))
        assert office.visit("--load", "3", "--to", "600").report["load"]["carried"] == 3


def test_without_load_nobody_is_rung(office: Office, limited_pbx: PbxMaker) -> None:
    with limited_pbx(carries=4) as pbx:
        office.write(trunk(str(pbx.bind)))
        assert office.visit("--to", "600").exit_code == 0
        assert requests(pbx, "OPTIONS")
        assert requests(pbx, "INVITE") == []


def test_a_dead_pbx_is_a_row_and_no_climb(office: Office) -> None:
    office.write(trunk(f"{NETWORK}.9:9", FAST))
    visit = office.visit("--load", "4", "--to", "600")
    row = visit.row("load (main)")
    assert not row["ok"]
    assert "may not dial" in row["detail"]
    assert visit.report["load"]["started"] == 0


def test_an_emergency_number_is_never_dialed(office: Office, limited_pbx: PbxMaker) -> None:
    with limited_pbx(carries=4) as pbx:
        office.write(trunk(str(pbx.bind)))
        done = office.run("--load", "1", "--to", "112")
        assert requests(pbx, "INVITE") == []
    assert done.returncode == 2
    assert "emergency" in done.stderr


def test_load_without_an_extension_is_bad_input(office: Office) -> None:
    office.write(trunk(f"{NETWORK}.9:9"))
    done = office.run("--load", "4")
    assert done.returncode == 2
    assert "--to EXTENSION" in done.stderr


@pytest.mark.parametrize("calls", ["0", "1000"])
def test_load_is_1_to_999(office: Office, calls: str) -> None:
    done = office.run("--load", calls, "--to", "600")
    assert done.returncode == 2
    assert "1<=x<=999" in done.stderr
