"""Row 29 where a call's failure is its trunk's: nobody answers, or the account is refused."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import trio

from acd.tapi.client import LineApp, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from tests.acceptance.tapi.office import Office, open_office, trunk_toml
from tests.acceptance.tapi.test_profiles import line_profile
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import invite, pause, reject, write
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

UNREACHABLE = 0x100
UNAVAIL = 0x800
LONG_SECONDS = 60
"""A dwNoAnswerTimeout that ends later than RFC 3261's timer B."""
REALM = 'Digest realm="elsewhere", nonce="n", algorithm=MD5'
"""No trunk here answers it: each has its realm check."""
PBXES = {
    "silent": (pause(60_000),),
    "asks401": (reject("401 Unauthorized", f"WWW-Authenticate: {REALM}"),),
    "asks407": (reject("407 Proxy Authentication Required", f"Proxy-Authenticate: {REALM}"),),
    "ends": (reject("486 Busy Here"),),
}
"""What each does with an INVITE; OPTIONS are answered by all."""
TCP = "ends"
"""The one that is reached by TCP, and that ends before it is called."""


async def fails(app: LineApp, number: int, mode: int) -> None:
    """Line NUMBER's call ends with this mode, and the line is told that it is out of service."""
    line = await app.line_open(number)
    call = await app.line_make_call(line, phones.ANSWERS, no_answer_timeout_seconds=LONG_SECONDS)
    await call.wait_states(S.IDLE)
    assert [(event.state, event.mode) for event in call.events] == [
        *((S.DIALING, 0), (S.DISCONNECTED, mode), (S.IDLE, 0))
    ]
    told = await app.line_get_call_status(call)
    assert (told["state"], told["disconnect_mode"]) == (S.IDLE, mode)
    # LINEDEVSTATE: whoever has the line open need not find out by a call that fails.
    while app.line_get_dev_caps()[number - 1].in_service:
        await app.wait_devices_changed()


def alive(office: Office, place: str) -> int:
    """How many OPTIONS a PBX has answered."""
    answers = select(office.wire.sip(), 200, cseq="OPTIONS")
    return sum(each.source[0] == place for each in answers)


def more_answers(office: Office, place: str, than: int) -> bool:
    """Whether a PBX has answered more OPTIONS than that."""
    return alive(office, place) > than


async def test_row_29_a_trunk_that_fails_has_its_mode_and_takes_its_lines_out_of_service(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    places = dict(
        zip(
            PBXES,
            (addresses.pbx, addresses.carrier, addresses.agent_101, addresses.agent_102),
            strict=True,
        )
    )
    trunks = "".join(
        trunk_toml(
            name,
            place,
            user="31",
            register="false",
            realm_check="true",
            transport='"tcp"' if name == TCP else '"udp"',
        )
        for name, place in places.items()
    )
    lines = {name: number for number, name in enumerate(PBXES, start=1)}
    profiles = "".join(line_profile(line, f'trunk = "{name}"') for name, line in lines.items())
    with ExitStack() as stack:
        wire = stack.enter_context(Wire(*places.values()))
        peers = {
            name: stack.enter_context(
                Sipp.uas(
                    write(tmp_path, invite(), *steps),
                    Bind(places[name], 5060),
                    transport="t1" if name == TCP else "u1",
                )
            )
            for name, steps in PBXES.items()
        }
        async with (
            open_office(
                tmp_path, trunks=trunks, profiles=profiles, wire=wire, up=tuple(PBXES)
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            # Just after an OPTIONS was answered the next one is seconds away: a call comes first.
            await office.seen(
                partial(more_answers, office, places[TCP], alive(office, places[TCP]))
            )
            peers[TCP].stop(grace_seconds=0)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fails, app, lines[TCP], UNREACHABLE)
                nursery.start_soon(fails, app, lines["silent"], UNREACHABLE)
                for name in ("asks401", "asks407"):
                    nursery.start_soon(fails, app, lines[name], UNAVAIL)
            sent = office.wire.sip()
    # Sent again and again until timer B, and the password to nobody.
    assert (
        len([each for each in select(sent, "INVITE") if each.destination[0] == places["silent"]])
        > 2
    )
