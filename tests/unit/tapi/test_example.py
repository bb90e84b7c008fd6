"""What `examples/tapi_dialer.py` says where it cannot dial."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.acceptance.support.installation import REPOSITORY
from tests.peers.addresses import free_port
from tests.unit.tapi.stage import NUMBER, TOKEN, stage


async def test_without_a_gateway_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    port = free_port()
    code, said = await _run_example(tmp_path, port=port, token="any")
    assert code == 1
    assert said.startswith(f"tapi_dialer.py: no TAPI gateway at 127.0.0.1:{port}: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("token", "said"), [("other", "the gateway refused us"), (TOKEN, "LINEERR_ALLOCATED")]
)
async def test_what_the_gateway_refuses_is_one_sentence(
    tmp_path: Path, token: str, said: str
) -> None:
    async with stage() as on:
        await on.app.line_open(1)
        code, told = await _run_example(tmp_path, port=on.address.port, token=token)
    assert code == 1
    assert told.startswith(f"tapi_dialer.py: {said}")
    assert told.count("\n") == 1


async def test_without_a_token_it_names_the_variable(tmp_path: Path) -> None:
    code, said = await _run_example(tmp_path, port=1, token="")
    assert (code, said.splitlines()[-1]) == (2, "tapi_dialer.py: error: TAPI_TOKEN holds no token")


async def _run_example(folder: Path, *, port: int, token: str) -> tuple[int, str]:
    """Its exit code, and what it said on stderr."""
    numbers = folder / "numbers.txt"
    numbers.write_text(f"{NUMBER}\n")
    done = await trio.run_process(
        [
            sys.executable,
            str(REPOSITORY / "examples" / "tapi_dialer.py"),
            *("--port", str(port), str(numbers), "7001"),
        ],
        env={"TAPI_TOKEN": token, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        capture_stderr=True,
        check=False,
    )
    return done.returncode, done.stderr.decode()
