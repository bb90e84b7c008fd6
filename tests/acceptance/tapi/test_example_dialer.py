"""`examples/tapi_dialer.py` dials 200 numbers on 20 lines for 5 agents, through a real Asterisk."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
import trio

from tests.acceptance.support.installation import REPOSITORY
from tests.acceptance.tapi.call_centre import (
    AGENTS,
    FIRST_AGENT,
    LINES,
    TOKEN,
    TapiCentre,
    open_tapi_centre,
)
from tests.peers.wire import SipMessage

pytestmark = pytest.mark.real

# Not 70: they hang up by themselves, perhaps while the agent's phone rings.
_ENDS = [f"{number:02}" for number in range(100) if number != 70]
NUMBERS = [f"+493023125{block}{ends}" for block in range(3) for ends in _ENDS][:200]
BUSY, SILENT, UNKNOWN = ("86",), ("80",), ("04",)


async def test_the_example_dials_200_numbers_on_20_lines_for_5_agents(tmp_path: Path) -> None:
    async with open_tapi_centre(tmp_path, talk_ms=200) as centre:
        said = await run_example(centre, tmp_path)
        results = dict(line.split(" ", 1) for line in said.splitlines())
        assert sorted(results) == sorted(NUMBERS), said
        assert_every_number_was_dialed_once(centre)
        assert_failures_were_told_apart(results)
        assert_who_was_handed_over_reached_an_agent(centre, results)
    assert_the_books_say_the_same(centre, results)


async def run_example(centre: TapiCentre, folder: Path) -> str:
    """What the example prints; it must end by itself."""
    (folder / "numbers.txt").write_text("\n".join(NUMBERS) + "\n")
    agents = [str(FIRST_AGENT + each) for each in range(AGENTS)]
    with trio.fail_after(150):
        done = await trio.run_process(
            [
                sys.executable,
                str(REPOSITORY / "examples" / "tapi_dialer.py"),
                *("--port", str(centre.gateway.port), "--lines", str(LINES), "--handle", "0.6"),
                str(folder / "numbers.txt"),
                *agents,
            ],
            env={**os.environ, "TAPI_TOKEN": TOKEN, "PYTHONPATH": str(REPOSITORY)},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode() + centre.engine.log()
    return done.stdout.decode()


def dialed(invite: SipMessage) -> str:
    found = re.match(r"INVITE sip:(\+\d+)@", invite.first_line.replace("%2B", "+"))
    assert found is not None, invite.first_line
    return found[1]


def assert_every_number_was_dialed_once(centre: TapiCentre) -> None:
    """By the carrier's side of the wire; a retransmission has the Call-ID of its INVITE."""
    invites = centre.to(centre.addresses.carrier, "INVITE")
    calls = {(dialed(each), each.call_id) for each in invites}
    assert Counter(number for number, _ in calls) == Counter(NUMBERS)


def assert_failures_were_told_apart(results: dict[str, str]) -> None:
    for ends, mode in ((BUSY, "BUSY"), (SILENT, "NOANSWER"), (UNKNOWN, "BADADDRESS")):
        found = {result for number, result in results.items() if number.endswith(ends)}
        assert found == {mode}


def assert_who_was_handed_over_reached_an_agent(
    centre: TapiCentre, results: dict[str, str]
) -> None:
    """Each transfer that the dialer believes in is an INVITE that an agent's phone answered."""
    believed = Counter(
        result.removeprefix("agent ") for result in results.values() if result.startswith("agent ")
    )
    reached: Counter[str] = Counter()
    for each in range(AGENTS):
        extension = FIRST_AGENT + each
        phone = centre.agent(extension)
        reached[str(extension)] = len({m.call_id for m in centre.to(phone, "INVITE")})
    assert sum(believed.values()) > 100
    assert believed == reached, Counter(results.values())


def assert_the_books_say_the_same(centre: TapiCentre, results: dict[str, str]) -> None:
    rows = centre.installation.rows("attempts")
    assert len(rows) == len(NUMBERS)
    assert {row["state"] for row in rows} == {"closed"}
    assert {row["tapi_client"] for row in rows} == {"overdialer"}
    by_number = {row["tapi_number"]: row for row in rows}
    handed = {number for number, result in results.items() if result.startswith("agent ")}
    assert {n for n, row in by_number.items() if row["transferred_at"]} == handed
    # Nobody waited in silence for longer than the limit without being counted.
    for number, row in by_number.items():
        if row["answered_at"] and number not in handed:
            assert row["abandoned"], row
