"""What NOTIFY bodies say of an extension."""

from __future__ import annotations

import pytest

from acd.lines import ExtensionState
from acd.sip.dialog_info import Dialogs, is_reachable

_OPEN = '<?xml version="1.0"?>\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" '


def _info(*dialogs: str, state: str = "full") -> str:
    inner = "".join(dialogs)
    return f'{_OPEN}version="0" state="{state}" entity="sip:1@pbx">{inner}</dialog-info>'


def _dialog(state: str, *, number: str = "1", direction: str = "recipient") -> str:
    return f'<dialog id="{number}" direction="{direction}"><state>{state}</state></dialog>'


@pytest.mark.parametrize(
    ("dialogs", "expected"),
    [
        ((), ExtensionState.IDLE),
        ((_dialog("terminated"),), ExtensionState.IDLE),
        ((_dialog("early"),), ExtensionState.RINGING),
        ((_dialog("early", direction="initiator"),), ExtensionState.IN_USE),
        ((_dialog("confirmed"),), ExtensionState.IN_USE),
        ((_dialog("early"), _dialog("confirmed", number="2")), ExtensionState.IN_USE),
    ],
)
def test_the_busiest_dialog_is_the_extensions_state(
    dialogs: tuple[str, ...], expected: ExtensionState
) -> None:
    seen = Dialogs()
    assert seen.take(_info(*dialogs))
    assert seen.state is expected


def test_a_partial_notification_changes_only_what_it_names() -> None:
    seen = Dialogs()
    seen.take(_info(_dialog("confirmed"), _dialog("early", number="2")))
    seen.take(_info(_dialog("terminated"), state="partial"))
    assert seen.state is ExtensionState.RINGING


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no XML",
        "<dialog-info",
        "<presence/>",
        '<!DOCTYPE x [<!ENTITY a "aa">]><dialog-info/>',
        f"<dialog-info>{' ' * 70_000}</dialog-info>",
    ],
)
def test_what_is_no_dialog_info_changes_nothing(body: str) -> None:
    seen = Dialogs()
    seen.take(_info(_dialog("confirmed")))
    assert not seen.take(body)
    assert seen.state is ExtensionState.IN_USE


@pytest.mark.parametrize(
    ("tuples", "expected"), [("open", True), ("closed", False), ("", None), ("Open ", True)]
)
def test_presence_tells_by_its_basic_status_alone(tuples: str, expected: bool | None) -> None:
    status = f"<tuple><status><basic>{tuples}</basic></status></tuple>" if tuples else ""
    body = f'<presence xmlns="urn:ietf:params:xml:ns:pidf"><note>Ready</note>{status}</presence>'
    assert is_reachable(body) is expected
