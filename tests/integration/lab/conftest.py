from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from tests.integration.lab.scenarios import (
    CALL,
    HUNG_UP_BY_THEM,
    answered,
    scenario,
)
from tests.peers.addresses import Addresses
from tests.peers.lab import Lab
from tests.peers.sipp.runner import Bind, Sipp, SippCounts
from tests.peers.wire import Wire, select

_ADDRESSES = Addresses.free()
LAB_HOST = _ADDRESSES.pbx
CALLER_HOST = _ADDRESSES.dialer
OTHER_HOST = _ADDRESSES.agent_101

Dial = Callable[[str, str], SippCounts]
"""(number, scenario) → what SIPp counted once the call was over."""
Occupied = Callable[[str], None]
"""Have somebody else ring this agent."""
T = TypeVar("T")


def wait_until(found: Callable[[], T], timeout_seconds: float = 10.0) -> T:
    """What `found` returns once it is not empty."""
    deadline = time.monotonic() + timeout_seconds
    while not (seen := found()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return seen


def sipp_call(lab: Lab, folder: Path, number: str, steps: str) -> SippCounts:
    """One call from SIPp, to its end."""
    file = folder / "scenario.xml"
    file.write_text(steps)
    bind = Bind(CALLER_HOST)
    with Sipp.uac(file, bind, lab.bind, calls=1, extra=["-s", number], folder=folder) as caller:
        return caller.wait(40)


def ring_somebody(stack: ExitStack, lab: Lab, folder: Path, user: str) -> None:
    """A call of another caller, ringing when this returns; over at the latest with `stack`."""
    folder.mkdir()
    (folder / "scenario.xml").write_text(scenario(CALL, answered(), HUNG_UP_BY_THEM))
    wire = stack.enter_context(Wire(OTHER_HOST))
    stack.enter_context(
        Sipp.uac(
            folder / "scenario.xml",
            Bind(OTHER_HOST),
            lab.bind,
            calls=1,
            extra=["-s", user],
            folder=folder,
        )
    )
    wait_until(lambda: [m for m in select(wire.sip(), 180) if f"sip:{user}@" in m.get("to")])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    options = ["--agents", "9", "--agent-answer", "0.2", "--talk", "1", "--ring", "1-2"]
    with Lab(LAB_HOST, tmp_path_factory.mktemp("lab"), options) as running:
        yield running


@pytest.fixture
def small_lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(LAB_HOST, tmp_path, ["--agents", "2", "--agent-answer", "0.2-0.5"]) as running:
        yield running


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire(LAB_HOST) as capture:
        yield capture


@pytest.fixture
def dial(lab: Lab, tmp_path: Path) -> Dial:
    return lambda number, steps: sipp_call(lab, tmp_path, number, steps)


@pytest.fixture
def dial_small(small_lab: Lab, tmp_path: Path) -> Dial:
    return lambda number, steps: sipp_call(small_lab, tmp_path, number, steps)


@pytest.fixture
def occupied(small_lab: Lab, tmp_path: Path) -> Iterator[Occupied]:
    with ExitStack() as stack:
        yield lambda extension: ring_somebody(stack, small_lab, tmp_path / extension, extension)
