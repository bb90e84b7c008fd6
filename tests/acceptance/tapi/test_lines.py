"""Rows about lines, transports and the engine's own coming and going."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from acd.tapi.client import HCall, LineApp, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineDisconnectMode as Mode
from tests.acceptance.tapi.call_centre import (
    TOKEN,
    open_scripted_centre,
    open_tapi_centre,
)
from tests.peers import phones
from tests.peers.certificates import make_certificate
from tests.peers.sipp.steps import ack, answer, bye, notify, refer

pytestmark = pytest.mark.real

ANSWERED = (answer(), ack(), bye())
# One who listens to nobody: sound for 999 is `tests/integration/sip/test_full_size.py`'s.
UP = (answer(direction="sendonly"), ack())
TAKES = (*UP, refer(202), notify(200, final=True), bye())
LINES = 999
AT_ONCE = 100


async def test_row_19_and_20_999_lines_of_one_account_carry_calls_at_once(tmp_path: Path) -> None:
    async with (
        open_scripted_centre(
            tmp_path,
            {"takes": TAKES, "dropped": (*UP, bye())},
            more="last_line = 999\nwait_limit_seconds = 0",
            lines="999",
            calls_per_second="100.0",
            full_size=True,
        ) as centre,
        line_initialize_ex(centre.gateway) as app,
    ):
        assert [each.number for each in app.line_get_dev_caps()] == list(range(1, LINES + 1))
        calls: list[HCall] = []
        # Each `lineMakeCall` waits for its turn for 60 s at most, however busy the machine is.
        at_once = trio.CapacityLimiter(AT_ONCE)

        async def dial(number: int) -> None:
            name = "takes" if number % 2 else "dropped"
            async with at_once:
                call = await app.line_make_call(await app.line_open(number), name)
                await app.wait_connected(call)
                calls.append(call)

        async with trio.open_nursery() as nursery:
            for number in range(1, LINES + 1):
                nursery.start_soon(dial, number)
        # All of them are up at the same moment, and no INVITE was lost.
        assert {call.state for call in calls} == {S.CONNECTED}
        invites = centre.sent("INVITE")
        assert len({m.call_id for m in invites}) == len(invites) == LINES
        accounts = {m.get("from").partition(";")[0] for m in invites}
        assert accounts == {f"<sip:dialer@{centre.addresses.pbx}>"}
        assert not centre.sent("BYE")

        async def end(call: HCall) -> None:
            with suppress(LineError):  # the wire and the rows will tell of it
                if call.line.number % 2:
                    await app.line_blind_transfer(call, "101")
                else:
                    await app.line_drop(call)
            await call.wait_states(S.IDLE)

        async with trio.open_nursery() as nursery:
            for call in calls:
                nursery.start_soon(end, call)
        assert all(call.disconnect_mode is None for call in calls)
        await centre.seen(lambda: centre.sent("BYE")[LINES - 1 :])
        assert len(centre.sent("REFER")) == (LINES + 1) // 2
        rows = await centre.closed_rows(LINES)
        assert sum(row["transfer_result"] == "answered" for row in rows) == (LINES + 1) // 2
        assert len(rows) == LINES
        for wrong in (0, 1000):
            refused = await centre.installation.command(
                f"TAPI_TOKEN={TOKEN} acd tapi lines {wrong}"
            )
            assert refused.exit_code == 2
            assert "allowed: 1 to 999 lines" in refused.stderr


async def test_row_33_calls_go_over_tcp_too(tmp_path: Path) -> None:
    async with (
        open_tapi_centre(tmp_path, more="wait_limit_seconds = 60", transport='"tcp"') as centre,
        line_initialize_ex(centre.gateway) as app,
    ):
        call = await app.line_make_call(await app.line_open(1), phones.ANSWERS)
        assert await app.wait_connected(call)
        await app.line_blind_transfer(call, "101")
        await call.wait_states(S.IDLE)
        for message in centre.sent("INVITE") + centre.sent("REFER"):
            assert message.get("via").startswith("SIP/2.0/TCP")


async def test_row_34_a_port_that_is_taken_is_named_and_the_first_engine_goes_on(
    tmp_path: Path,
) -> None:
    async with (
        open_scripted_centre(tmp_path, {"answered": ANSWERED}) as centre,
        line_initialize_ex(centre.gateway) as app,
    ):
        # The same settings, but for what tells two engines of one machine apart.
        settings = (tmp_path / "acd.toml").read_text()
        other = tmp_path / "other.toml"
        own = 'control_socket = "other.sock"\n'
        port = f"port = {centre.installation.metrics_port}"
        other.write_text(own + settings.replace(port, "port = 0"))
        done = await centre.installation.command(f"TAPI_TOKEN={TOKEN} acd --config {other} run")
        assert done.exit_code != 0
        assert f"[tapi] cannot listen on 127.0.0.1 port {centre.gateway.port}" in done.stderr
        assert "Traceback" not in done.stderr
        call = await app.line_make_call(await app.line_open(1), "answered")
        assert await app.wait_connected(call)


async def test_a_client_comes_in_by_tls_and_by_nothing_else(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, name="127.0.0.1")
    gateway = f'tls_certificate_file = "{certificate}"\ntls_key_file = "{key}"'
    async with open_scripted_centre(
        tmp_path, {"answered": ANSWERED}, gateway=gateway, more="wait_limit_seconds = 60"
    ) as centre:
        trusted = replace(centre.gateway, tls=ssl.create_default_context(cafile=str(certificate)))
        async with line_initialize_ex(trusted) as app:
            call = await app.line_make_call(await app.line_open(1), "answered")
            assert await app.wait_connected(call)
        strangers = replace(centre.gateway, tls=ssl.create_default_context())
        for wrong in (strangers, centre.gateway):
            with pytest.raises(BaseException) as refused:  # noqa: PT011 - trio's groups, or OSError
                async with line_initialize_ex(wrong):
                    pass
            assert "TOKEN" not in str(refused.value)
        async with line_initialize_ex(trusted) as app:
            await app.line_open(1)


async def test_row_39_a_client_sees_through_the_engines_crash_and_restart(tmp_path: Path) -> None:
    async with (
        open_scripted_centre(
            tmp_path, {"answered": ANSWERED}, more="wait_limit_seconds = 60"
        ) as centre,
        line_initialize_ex(centre.gateway) as app,
    ):
        lost = await app.line_make_call(await app.line_open(1), "answered")
        assert await app.wait_connected(lost)
        with trio.fail_after(30):
            # The dialog is written soon after the answer, by another program.
            while not centre.installation.rows("attempts")[0]["sip_call_id"]:  # noqa: ASYNC110
                await trio.sleep(0.05)
        centre.engine.process.kill()
        await centre.engine.process.wait()
        async with centre.installation.engine(f"env TAPI_TOKEN={TOKEN} acd run") as again:
            # The new engine knows no session: the client's call is over, and told so.
            await lost.wait_states(S.IDLE)
            assert lost.disconnect_mode is Mode.TEMPFAILURE
            # What the dead engine left on the wire is hung up by the new one.
            await centre.seen(lambda: centre.sent("BYE"))
            await again.wait_metric("acd_trunk_up", 1, trunk="main")
            call = await dial_when_back(app)
            assert await app.wait_connected(call)
            await app.line_drop(call)
            await call.wait_states(S.IDLE)
            await again.end()


async def dial_when_back(app: LineApp) -> HCall:
    """The client comes back by itself; lines are opened anew."""
    with trio.fail_after(40):
        while True:
            try:
                return await app.line_make_call(await app.line_open(1), "answered")
            except LineError:
                # It is not back yet, or the trunk is not: a client can only try again.
                await trio.sleep(0.2)
