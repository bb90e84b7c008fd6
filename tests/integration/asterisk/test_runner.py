"""The Asterisk peer itself: several at once, nothing left behind, a missing one is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.addresses import Addresses
from tests.peers.asterisk import run_asterisk
from tests.peers.asterisk.runner import AsteriskError

pytestmark = pytest.mark.real

ONE, OTHER = Addresses.free(), Addresses.free()
CARRIER = f"{ONE.carrier}:5060"


async def test_two_run_side_by_side() -> None:
    async with (
        run_asterisk(address=ONE.pbx, carrier=CARRIER) as one,
        run_asterisk(address=OTHER.pbx, carrier=CARRIER) as other,
    ):
        assert ONE.pbx in await one.cli("pjsip show transports")
        assert OTHER.pbx in await other.cli("pjsip show transports")


async def test_it_leaves_neither_a_process_nor_a_folder() -> None:
    async with run_asterisk(address=ONE.pbx, carrier=CARRIER) as pbx:
        folder = pbx.log_path.parents[1]
        assert folder.is_dir()
    assert not folder.exists()
    assert not Path(f"/proc/{pbx.pid}").exists()


async def test_a_command_that_fails_is_an_error() -> None:
    async with run_asterisk(address=ONE.pbx, carrier=CARRIER) as pbx:
        with pytest.raises(AsteriskError, match="queue pause"):
            await pbx.cli("queue pause member PJSIP/999 queue sales")


async def test_a_taken_address_is_one_sentence() -> None:
    async with run_asterisk(address=ONE.pbx, carrier=CARRIER):
        with pytest.raises(AsteriskError, match="already listens"):
            async with run_asterisk(address=ONE.pbx, carrier=CARRIER):
                pass


async def test_a_missing_folder_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ACD_ASTERISK_FOLDER", str(tmp_path))
    with pytest.raises(AsteriskError, match="make test-servers"):
        async with run_asterisk(address=ONE.pbx, carrier=CARRIER):
            pass
