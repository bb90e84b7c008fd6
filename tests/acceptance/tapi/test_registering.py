"""Row 24: an account's registration from its first REGISTER to its last, as the line tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.tapi.client import line_initialize_ex
from tests.acceptance.tapi.office import open_office, trunk_toml
from tests.acceptance.tapi.test_profiles import line_profile
from tests.peers.addresses import Addresses
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import receive, reply, write
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real


KEPT = (
    ("423 Interval Too Brief", "Min-Expires: 400"),
    ("200 OK", "Expires: 6"),
    ("200 OK", "Expires: 400"),
    ("200 OK", "Expires: 0"),
)
LOST = (("200 OK", "Expires: 6"), ("500 Restarting",))
"""What a registrar answers, in turn."""


def registrar(folder: Path, address: str, answers: tuple[tuple[str, ...], ...]) -> Sipp:
    """A registrar for one account; it also answers OPTIONS."""
    # An account's REGISTERs are one call of SIPp's; each OPTIONS is another.
    scenario = write(
        folder,
        '<recv request="OPTIONS" optional="true" next="alive"/>\n',
        *(receive("REGISTER") + reply(*answer) for answer in answers),
        '<nop next="end"/>\n<label id="alive"/>\n',
        reply("200 OK"),
        '<label id="end"/>\n',
        answers_options=False,
    )
    return Sipp.uas(scenario, Bind(address, 5060))


async def test_row_24_refresh_423_unregister_and_a_registration_that_is_lost(
    tmp_path: Path,
) -> None:
    addresses = Addresses.free()
    places = {"kept": addresses.pbx, "lost": addresses.carrier}
    trunks = "".join(trunk_toml(name, place, user="31") for name, place in places.items())
    profiles = "".join(
        line_profile(line, f'trunk = "{name}"') for line, name in enumerate(places, start=1)
    )
    with (
        registrar(tmp_path, addresses.pbx, KEPT),
        registrar(tmp_path, addresses.carrier, LOST),
        Wire(addresses.pbx) as wire,
    ):
        async with (
            open_office(
                tmp_path, trunks=trunks, profiles=profiles, wire=wire, up=("kept",)
            ) as office,
            line_initialize_ex(office.gateway) as app,
        ):
            await app.line_open(2)
            while (lost := app.line_get_dev_caps()[1]).in_service or lost.registered:
                await app.wait_devices_changed()
            kept = app.line_get_dev_caps()[0]
            assert (kept.in_service, kept.registered) == (True, True)
            await office.seen(lambda: len(select(office.wire.sip(), 200, cseq="REGISTER")) == 2)
        messages = wire.sip()
    sent = list({each.get("cseq"): each for each in select(messages, "REGISTER")}.values())
    # As the registrar wants it, again before the 6 seconds are over, and taken back at the end.
    assert [each.get("expires") for each in sent] == ["300", "400", "400", "0"]
    assert len({each.call_id for each in sent}) == 1
    assert sent[2].at_seconds - sent[1].at_seconds < 6.0
