"""A campaign and TAPI clients on one trunk: its calls per second and the lists hold for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import trio

from acd.tapi.client import GatewayAddress, LineApp, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineDisconnectMode, LineErr
from tests.acceptance.support.carrier import (
    FIRST_NUMBER,
    Carrier,
    dialing_installation,
    handed_over,
)
from tests.acceptance.tapi.call_centre import TOKEN, open_scripted_centre
from tests.peers.addresses import Addresses, free_port
from tests.peers.sipp.steps import reject

pytestmark = pytest.mark.real

CALLS_PER_SECOND, SLOW_CALLS_PER_SECOND = 5.0, 1.0
LEADS, FAST, SLOW = 15, 10, 3
FAST_BLOCK, SLOW_BLOCK, LISTED = 10_000, 20_000, 30_000
"""How far behind the leads' numbers the others stand."""
LATE_SECONDS = 0.4
"""By which one INVITE may be later on the wire than another, on a busy machine."""
GATEWAY = """
[tapi]
enabled = true
port = {port}
lines = 10
[[tapi_client]]
name = "fast"
token_env = "TAPI_TOKEN"
calls_per_second = 50.0
keep_calling_hours = false
wait_limit_seconds = 0
last_line = 5
[[tapi_client]]
name = "slow"
token_env = "TAPI_TOKEN"
calls_per_second = {slow}
keep_calling_hours = false
wait_limit_seconds = 0
first_line = 6
"""


def number(block: int, each: int = 0) -> str:
    return f"+{FIRST_NUMBER + block + each}"


async def test_calls_per_second_and_do_not_call_lists_hold_for_everybody(tmp_path: Path) -> None:
    port = free_port()
    with Carrier(tmp_path / "carrier", Addresses.free().carrier, handed_over()) as carrier:
        installation = await dialing_installation(
            tmp_path, carrier, leads=LEADS, lines=20, calls_per_second=CALLS_PER_SECOND
        )
        await installation.succeed(f"acd dnc add {number(LISTED)}")
        with (tmp_path / "acd.toml").open("a") as settings:
            settings.write(GATEWAY.format(port=port, slow=SLOW_CALLS_PER_SECOND))
        async with installation.engine(f"env TAPI_TOKEN={TOKEN} acd run") as engine:
            await carrier.wait(Carrier.invites)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(dial_all, port, "fast", range(1, 6), FAST_BLOCK, FAST)
                nursery.start_soon(dial_all, port, "slow", range(6, 9), SLOW_BLOCK, SLOW)
            await carrier.wait(lambda seen: seen.calls == LEADS + FAST + SLOW)
            assert await engine.end() == 0, engine.log()
        first = first_invites(carrier)
    assert number(LISTED) not in first
    assert all(len(call_ids) == 1 for call_ids in carrier.invites().values())
    assert_no_faster(sorted(first.values()), per_second=CALLS_PER_SECOND)
    slow = sorted(first[number(SLOW_BLOCK, each)] for each in range(SLOW))
    assert_no_faster(slow, per_second=SLOW_CALLS_PER_SECOND)


async def dial_all(port: int, client: str, lines: Sequence[int], block: int, calls: int) -> None:
    """Dial as fast as the gateway lets us; a number on a list is refused."""
    address = GatewayAddress(host="127.0.0.1", port=port, client=client, token=TOKEN)
    numbers = iter([number(block, each) for each in range(calls)])
    async with line_initialize_ex(address) as app, trio.open_nursery() as nursery:
        for line in lines:
            nursery.start_soon(work_line, app, line, numbers)


async def work_line(app: LineApp, number_of_line: int, numbers: Iterator[str]) -> None:
    line = await app.line_open(number_of_line)
    with pytest.raises(LineError) as refused:
        await app.line_make_call(line, number(LISTED))
    assert (refused.value.code, refused.value.rule) == (LineErr.ADDRESSBLOCKED, "dnc")
    for dialed in numbers:
        call = await app.line_make_call(line, dialed)
        assert await app.wait_connected(call)
        await app.line_blind_transfer(call, "101")
        await call.wait_states(S.IDLE)
        app.line_deallocate_call(call)


def first_invites(carrier: Carrier) -> Mapping[str, float]:
    """Dialed number → when its INVITE came first."""
    first: dict[str, float] = {}
    for said in carrier.said():
        if said.received and said.number:
            first.setdefault(said.number, said.at_seconds)
    return first


def assert_no_faster(moments: Sequence[float], *, per_second: float) -> None:
    """Between any two INVITEs passed the time that the calls between them take."""
    for earlier, first in enumerate(moments):
        for later, last in enumerate(moments[earlier:]):
            assert last - first >= later / per_second - LATE_SECONDS, (earlier, later)


async def test_the_number_that_a_clients_call_is_redirected_to_is_asked_of_the_lists(
    tmp_path: Path,
) -> None:
    moved = {"aside": (reject("302 Moved", f"Contact: <sip:{number(LISTED)}@127.3.0.9>"),)}
    async with (
        open_scripted_centre(
            tmp_path, moved, follow_redirects="true", default_region='"DE"'
        ) as centre,
        line_initialize_ex(centre.gateway) as app,
    ):
        add = f"env TAPI_TOKEN={TOKEN} acd dnc add {number(LISTED)}"
        await centre.installation.succeed(add)
        call = await app.line_make_call(await app.line_open(1), "aside")
        await call.wait_states(S.IDLE)
        assert call.disconnect_mode is LineDisconnectMode.FORWARDED
        invites = {message.request_uri.partition("@")[0] for message in centre.sent("INVITE")}
        show = f"env TAPI_TOKEN={TOKEN} acd calls show 1"
        (shown,) = await centre.installation.succeed(show)
    assert invites == {"sip:aside"}
    assert "it stands on a do-not-call list" in " ".join(shown.stdout.split())
