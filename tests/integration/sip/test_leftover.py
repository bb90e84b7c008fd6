"""The BYE for a dialog of a process that died, on every transport; 127.3.7.x."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from acd.lines import DialogId
from acd.settings import TrunkSettings
from acd.sip.leftover import hang_up_leftover
from acd.sip.plan import TrunkPlan, plan_trunks
from tests.integration.doctor.tls_peer import tls_pbx
from tests.peers.certificates import make_certificate
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import receive, reply, write
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

ENGINE = "127.3.7.1"
PBX = "127.3.7.2"
WHOLE_SECONDS = 30


def _plan(domain: str, **settings: object) -> TrunkPlan:
    values: dict[str, object] = {"domain": domain, "user": "acd", "lines": 1}
    trunk = TrunkSettings.model_validate(values | {"bind_address": ENGINE} | settings)
    (plan,) = plan_trunks([trunk], probe=None)
    return plan


def _dialog(where: str, transport: str) -> DialogId:
    return DialogId(
        call_id="leftover@127.3.7.1",
        local="<sip:acd@127.3.7.1>;tag=ours",
        remote="<sip:43150564100@127.3.7.2>;tag=theirs",
        target=f"sip:pbx@{where};transport={transport}",
        routes=(),
        cseq=7,
    )


@pytest.mark.parametrize(
    ("status", "over"), [("200 OK", True), ("481 Gone", True), ("500 Broken", False)]
)
@pytest.mark.parametrize(("transport", "option"), [("udp", "u1"), ("tcp", "t1")])
async def test_the_pbx_says_whether_the_dialog_is_over(
    tmp_path: Path, transport: str, option: str, status: str, over: bool
) -> None:
    steps = write(tmp_path, receive("BYE"), reply(status), answers_options=False)
    with ExitStack() as stack, trio.fail_after(WHOLE_SECONDS):
        wire = stack.enter_context(Wire(PBX))
        pbx = stack.enter_context(Sipp.uas(steps, Bind(PBX), transport=option))
        where = str(pbx.bind)
        found = await hang_up_leftover(_dialog(where, transport), _plan(where, transport=transport))
        sent = select(wire.sip(), "BYE")
    assert found is over
    assert {m.get("Via").split()[0] for m in sent} == {f"SIP/2.0/{transport.upper()}"}
    assert {(m.get("From"), m.get("To")) for m in sent} == {
        ("<sip:acd@127.3.7.1>;tag=ours", "<sip:43150564100@127.3.7.2>;tag=theirs")
    }


async def test_the_bye_goes_by_tls_to_a_pbx_whose_certificate_is_trusted(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, name=PBX)
    with tls_pbx(PBX, certificate, key) as port, trio.fail_after(WHOLE_SECONDS):
        where = f"{PBX}:{port}"
        plan = _plan(where, transport="tls", tls_ca_file=certificate)
        assert await hang_up_leftover(_dialog(where, "tls"), plan)


async def test_an_untrusted_certificate_gets_no_bye_and_no_error(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, name=PBX)
    other = tmp_path / "other"
    other.mkdir()
    authority, _ = make_certificate(other, name=PBX)
    with tls_pbx(PBX, certificate, key) as port, trio.fail_after(WHOLE_SECONDS):
        where = f"{PBX}:{port}"
        plan = _plan(where, transport="tls", tls_ca_file=authority)
        assert not await hang_up_leftover(_dialog(where, "tls"), plan)


async def test_a_closed_port_is_no_answer() -> None:
    with trio.fail_after(WHOLE_SECONDS):
        plan = _plan(f"{PBX}:9", transport="tcp")
        assert not await hang_up_leftover(_dialog(f"{PBX}:9", "tcp"), plan)
