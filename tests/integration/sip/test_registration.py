"""REGISTER on the wire: too brief an interval, a registration that is lost, no way there."""

from __future__ import annotations

import socket

import pytest

from acd.lines import TrunkStatus
from tests.integration.sip.conftest import PBX_HOST, Bench, wait_status
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import receive, reply, write
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real


def _registrar(bench: Bench, *steps: str) -> Sipp:
    """Every REGISTER of an account has one Call-ID, so these are the answers to it in turn."""
    bench.wire = bench.stack.enter_context(Wire(PBX_HOST))
    scenario = write(bench.folder, *steps, answers_options=False)
    return bench.stack.enter_context(Sipp.uas(scenario, Bind(PBX_HOST)))


def _register(status: str, *headers: str) -> str:
    return receive("REGISTER") + reply(status, *headers)


async def test_an_interval_that_is_too_brief_is_asked_for_again_as_the_registrar_wants(
    bench: Bench,
) -> None:
    registrar = _registrar(
        bench,
        _register("423 Interval Too Brief", "Min-Expires: 900"),
        _register("200 OK", "Expires: 900"),
        _register("200 OK"),
    )
    await bench.trunk(str(registrar.bind), register=True)
    sent = [message.get("Expires") for message in select(bench.messages(), "REGISTER")]
    assert sent == ["300", "900"]


async def test_a_registration_that_is_lost_is_shown_and_comes_back_by_itself(
    bench: Bench,
) -> None:
    registrar = _registrar(
        bench,
        _register("200 OK", "Expires: 6"),
        _register("500 Restarting"),
        _register("200 OK", "Expires: 300"),
        _register("200 OK"),
    )
    trunk = await bench.trunk(str(registrar.bind), register=True)
    lost = await wait_status(trunk, TrunkStatus.UNREACHABLE)
    assert lost.detail == "REGISTER was answered 500"
    await wait_status(trunk, TrunkStatus.UP)


async def test_a_503_of_the_registrar_is_told_as_its_own(bench: Bench) -> None:
    registrar = _registrar(bench, _register("503 Service Unavailable"))
    trunk = await bench.started_trunk(str(registrar.bind), register=True)
    health = await wait_status(trunk, TrunkStatus.UNREACHABLE)
    assert health.detail == "REGISTER was answered 503"


async def test_a_closed_port_is_not_told_as_an_answer_of_the_registrar(bench: Bench) -> None:
    with socket.socket() as unused:
        unused.bind((PBX_HOST, 0))
        domain = "{}:{}".format(*unused.getsockname())
        trunk = await bench.started_trunk(domain, register=True, transport="tcp")
        health = await wait_status(trunk, TrunkStatus.UNREACHABLE)
    assert health.detail.startswith("the PBX does not answer: there is no way to it (")
    assert "refused" in health.detail.lower()
