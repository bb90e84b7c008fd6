"""No INVITE for a listed number: not of a lead that waits for its line, nor where a 302 leads."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.acceptance.support.carrier import (
    FIRST_NUMBER,
    Carrier,
    dialing_installation,
    handed_over,
)
from tests.acceptance.support.installation import Installation
from tests.peers.addresses import Addresses
from tests.peers.sipp.steps import only_for, reject

pytestmark = pytest.mark.real

RING_MS = 9000
"""The only line is taken for so long: time for another process to list the next lead's number."""
NUMBERS = {f"+{FIRST_NUMBER + lead}" for lead in range(3)}


async def test_a_claimed_leads_number_that_another_process_lists_gets_no_invite(
    tmp_path: Path,
) -> None:
    steps = handed_over(ring_ms=RING_MS)
    with Carrier(tmp_path / "carrier", Addresses.free().carrier, steps) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=3, lines=1)
        async with installation.engine("acd run --until-finished") as engine:
            await carrier.wait(lambda seen: seen.calls == 1)
            with trio.fail_after(RING_MS / 1000):
                while states(installation) != {"claimed"}:  # noqa: ASYNC110 - only SQL says it
                    await trio.sleep(0.02)
            # Leads that are claimed together are dialed in any order.
            (first,) = carrier.invites()
            listed, last = sorted(NUMBERS - {first})
            await installation.succeed(f"acd dnc add {listed}")
            assert carrier.calls == 1, "it was listed while its lead waited for the line"
            assert await engine.wait(timeout_seconds=60) == 0, engine.log()
    assert set(carrier.invites()) == {first, last}
    assert '"lead.blocked"' in engine.log()
    (waiting,) = (row for row in installation.rows("leads") if row["state"] == "waiting")
    assert waiting["attempts"] == 0
    assert len(installation.rows("attempts")) == 2


async def test_a_redirect_to_a_listed_number_gets_no_invite(tmp_path: Path) -> None:
    to_listed, to_called = (f"{FIRST_NUMBER + lead}" for lead in range(2))
    listed, called = (f"+{FIRST_NUMBER + 50 + lead}" for lead in range(2))
    steps = (
        only_for(to_listed, reject("302 Moved", f"Contact: <sip:{listed}@127.3.0.9>")),
        only_for(to_called, reject("302 Moved", f"Contact: <sip:{called}@127.3.0.9>")),
        *handed_over(),
    )
    with Carrier(tmp_path / "carrier", Addresses.free().carrier, steps) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=2)
        settings = tmp_path / "acd.toml"
        follows = "[[trunk]]\nfollow_redirects = true"
        settings.write_text(settings.read_text().replace("[[trunk]]", follows))
        await installation.succeed(f"acd dnc add {listed}")
        async with installation.engine("acd run --until-finished") as engine:
            assert await engine.wait(timeout_seconds=60) == 0, engine.log()
    assert set(carrier.invites()) == {f"+{to_listed}", f"+{to_called}", called}
    ends = {row["lead_id"]: row["disposition"] for row in installation.rows("attempts")}
    assert sorted(ends.values()) == ["forwarded", "handed_over"]
    (refused,) = (row for row in installation.rows("attempts") if row["disposition"] == "forwarded")
    (shown,) = await installation.succeed(f"acd calls show {refused['attempt_id']}")
    assert "it stands on a do-not-call list" in " ".join(shown.stdout.split())


def states(installation: Installation) -> set[str]:
    return {row["state"] for row in installation.rows("leads")}
