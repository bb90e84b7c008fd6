"""From the answer to the agent: who has the person, and whose word counts."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from acd.agents import AgentState, Phone
from acd.calls import CallState, DisconnectCause
from acd.dialer.dialing import CallsInFlight
from acd.dialer.handover import Handover
from acd.dialer.places import AgentPlace
from acd.lines import (
    PersonWith,
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferUnconfirmed,
)
from tests.fakes.lines import Script
from tests.integration.dialer.stages import WAIT_LIMIT_SECONDS, SeeingFeed, StageMaker


@pytest.mark.parametrize(
    "said",
    [
        30.0,
        TransferFailed(at_seconds=0.0, sip_status=503, person_with=PersonWith.PBX),
    ],
    ids=["the PBX says nothing", "the PBX says 503"],
)
async def test_an_agent_who_was_seen_picking_up_has_the_person_whatever_the_pbx_says(
    stages: StageMaker, monkeypatch: pytest.MonkeyPatch, said: TransferFailed | float
) -> None:
    stage = await stages.make(Script(transfers=deque([said])))
    roster = stage.dialing.roster

    def follow(place: AgentPlace, handover: Handover) -> None:
        for phone in (Phone.RINGING, Phone.IN_USE):
            handover.take(phone, trio.current_time())

    monkeypatch.setattr(roster, "follow", follow)
    row = await stage.run()
    assert (row["disposition"], row["transfer_result"]) == ("handed_over", "answered")
    assert not row["abandoned"]


@pytest.mark.parametrize(
    "said",
    [
        TransferAnswered(at_seconds=0.0),
        TransferFailed(at_seconds=0.0, sip_status=503, person_with=PersonWith.PBX),
    ],
    ids=["the PBX calls the ringing an answer", "the PBX says 503"],
)
async def test_who_was_seen_to_hang_up_while_the_phone_rang_was_not_abandoned_nor_missed(
    stages: StageMaker,
    monkeypatch: pytest.MonkeyPatch,
    said: TransferAnswered | TransferFailed,
) -> None:
    stage = await stages.make(
        Script(transfers=deque([said])), agents={"extensions": ["201"], "no_answer_limit": 1}
    )
    roster, feed = stage.dialing.roster, SeeingFeed(stages.nursery)
    stage.dialing = replace(stage.dialing, feed=feed)

    def follow(place: AgentPlace, handover: Handover) -> None:
        handover.take(Phone.RINGING, trio.current_time())
        handover.hang_up(trio.current_time())

    monkeypatch.setattr(roster, "follow", follow)
    row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("handed_over_unconfirmed", False)
    assert row["transferred_at"] is None
    assert stage.count("acd_abandoned") == stage.count("acd_live_answers") == 0
    assert roster.states() == {AgentState.READY: 1}, "one more who is not taken would bench them"


async def test_a_person_who_hangs_up_inside_the_limit_after_a_refusal_is_not_abandoned(
    stages: StageMaker,
) -> None:
    refused = TransferRefused(at_seconds=0.0, sip_status=480)
    hurried = Script(transfers=deque([refused]), hangs_up_after=WAIT_LIMIT_SECONDS / 4)
    stage = await stages.make(hurried)
    row = await stage.run()
    assert (row["cause"], row["abandoned"]) == (DisconnectCause.NORMAL, False)
    assert row["transfer_result"] == "refused"
    assert stage.count("acd_abandoned") == 0


@pytest.mark.parametrize(
    "result",
    [
        TransferRefused(at_seconds=0.0, sip_status=480),
        TransferFailed(at_seconds=0.0, sip_status=486, person_with=PersonWith.US),
    ],
    ids=["refused", "failed"],
)
async def test_a_person_who_is_still_ours_goes_to_the_next_agent(
    stages: StageMaker, result: TransferRefused | TransferFailed
) -> None:
    stage = await stages.make(
        Script(transfers=deque([result])), agents={"extensions": ["201", "202"]}
    )
    row = await stage.run()
    assert row["disposition"] == "handed_over"
    assert [target.user for target in stage.line.targets] == ["201", "202"]
    assert stage.dialing.roster.states() == {AgentState.READY: 1, AgentState.ON_CALL: 1}


async def test_an_agent_who_cannot_be_reached_is_tried_once_a_person(stages: StageMaker) -> None:
    refused = TransferRefused(at_seconds=0.0, sip_status=404)
    stage = await stages.make(Script(transfers=deque([refused] * 5)))
    row = await stage.run()
    assert row["disposition"] == "abandoned"
    assert [target.user for target in stage.line.targets] == ["201"]


async def test_a_person_whom_the_pbx_lost_is_abandoned_and_nothing_is_played(
    stages: StageMaker, tmp_path: Path
) -> None:
    lost = TransferFailed(at_seconds=0.0, sip_status=503, person_with=PersonWith.PBX)
    stage = await stages.make(
        Script(transfers=deque([lost])), abandon_message=str(tmp_path / "sorry.wav")
    )
    row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("abandoned", True)
    assert row["transfer_sip_status"] == 503
    assert stage.line.played == []
    assert stage.dialing.roster.states() == {AgentState.READY: 1}


async def test_an_agent_who_answers_after_the_limit_is_an_abandoned_call(
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script(transfers=deque([WAIT_LIMIT_SECONDS * 2])))
    row = await stage.run()
    assert (row["transfer_result"], row["abandoned"]) == ("with_pbx", True)
    assert row["disposition"] == "abandoned"
    assert stage.dialing.roster.states() == {AgentState.ON_CALL: 1}
    assert stage.count("acd_transfers", result="with_pbx") == stage.count("acd_abandoned") == 1
    assert stage.count("acd_live_answers") == 1, "abandoned and then joined is one person"


async def test_the_ledger_knows_of_a_person_left_with_the_pbx_before_the_pbx_says_a_word(
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script(transfers=deque([30.0])))
    in_flight = CallsInFlight()
    async with trio.open_nursery() as running:
        running.start_soon(stage.run, in_flight)
        with trio.fail_after(20):
            while not in_flight.abandoned:  # noqa: ASYNC110 - a set has no event
                await trio.sleep(0.01)
        assert stage.line.state is CallState.TRANSFERRING
        assert stage.count("acd_abandoned") == 1
        running.cancel_scope.cancel()
    row = await stage.row()
    assert row["abandoned"]


async def test_an_unconfirmed_transfer_is_never_called_lost(stages: StageMaker) -> None:
    unconfirmed = TransferUnconfirmed(at_seconds=trio.current_time())
    stage = await stages.make(Script(transfers=deque([unconfirmed])))
    row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("handed_over_unconfirmed", False)
