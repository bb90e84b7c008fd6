"""The whole table of causes, row by row, over the wire."""

from __future__ import annotations

import pytest

from acd.calls import DisconnectCause
from acd.lines import Ended, Line, TrunkStatus
from acd.sip.causes import Q850_CAUSES, STATUS_CAUSES
from tests.integration.sip.conftest import Bench, released, request, wait_status
from tests.peers.sipp.steps import invite, reject, ring
from tests.peers.wire import select

pytestmark = pytest.mark.real

_CHALLENGES = {401, 407}
_ROWS = {
    **{status: cause for status, cause in STATUS_CAUSES.items() if status not in _CHALLENGES},
    420: DisconnectCause.UNAVAILABLE,
    513: DisconnectCause.TEMPORARY_FAILURE,
}


async def _cause(line: Line, user: str = "1") -> DisconnectCause:
    await line.originate(request(user=user))
    (ended,) = [event for event in await released(line) if isinstance(event, Ended)]
    return ended.cause


@pytest.mark.parametrize(("status", "cause"), sorted(_ROWS.items()))
async def test_every_final_status_ends_the_leg_with_its_cause(
    bench: Bench, status: int, cause: DisconnectCause
) -> None:
    pbx = bench.pbx(
        invite(), reject(f"{status} Row of the table", "Contact: <sip:other@127.3.0.9>")
    )
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    assert await _cause(line) is cause
    # A 302 is a cause and not an order: nothing else was dialed.
    assert len(select(bench.messages(), "INVITE")) == 1


async def test_every_cause_of_the_network_overrides_the_status(bench: Bench) -> None:
    reason = 'Reason: Q.850;cause=[$9];text="From the network"'
    pbx = bench.pbx(invite(), reject("500 Server Internal Error", reason))
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    causes = {number: await _cause(line, str(number)) for number in Q850_CAUSES}
    assert causes == dict(Q850_CAUSES)


async def test_a_reason_that_is_no_utf_8_is_text_that_can_be_written(bench: Bench) -> None:
    # The scenario is a file of Latin-1, and SIPp sends its bytes as they are.
    reason = 'Reason: Q.850;cause=17;text="Für heute genug"'
    pbx = bench.pbx(invite(), reject("486 Busy Here", reason))
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    (ended,) = [event for event in await released(line) if isinstance(event, Ended)]
    assert ended.reason_text == "F\ufffdr heute genug"
    assert ended.reason_text.encode()


@pytest.mark.parametrize("status", [408, 480])
async def test_480_and_408_after_ringing_are_no_answer(bench: Bench, status: int) -> None:
    pbx = bench.pbx(invite(), ring(), reject(f"{status} After ringing"))
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    assert await _cause(line) is DisconnectCause.NO_ANSWER


async def test_407_that_cannot_be_answered_is_an_alarm_of_the_trunk(bench: Bench) -> None:
    pbx = bench.pbx(
        invite(),
        reject(
            "407 Proxy Authentication Required",
            'Proxy-Authenticate: Digest realm="elsewhere", nonce="n", algorithm=MD5',
        ),
    )
    trunk = await bench.trunk(str(pbx.bind), realm_check=True)
    line = await bench.line(trunk)
    await line.originate(request())
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.UNAVAILABLE
    await wait_status(trunk, TrunkStatus.CREDENTIALS_REFUSED)
    # The realm is another's: the password was not sent there.
    assert not any(message.get("Proxy-Authorization") for message in bench.messages())


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (403, DisconnectCause.REJECTED),
        (480, DisconnectCause.NO_ANSWER),
        (603, DisconnectCause.BUSY),
    ],
)
async def test_a_trunk_reads_403_480_and_603_as_its_settings_say(
    bench: Bench, status: int, cause: DisconnectCause
) -> None:
    pbx = bench.pbx(invite(), reject(f"{status} Of this PBX"))
    trunk = await bench.trunk(str(pbx.bind), causes={str(status): cause.value})
    assert await _cause(await bench.line(trunk)) is cause
