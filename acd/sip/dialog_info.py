"""What a NOTIFY says about an extension: dialog-info (RFC 4235) and presence (RFC 3863).

The words for people beside it ("On the phone") are in the PBX's language and are not read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree import ElementTree

from acd.lines import ExtensionState

_ALERTING = frozenset({"trying", "proceeding", "early"})
_MOST_BODY_CHARACTERS = 65_536


@dataclass(slots=True)
class Dialogs:
    """The dialogs of one extension, kept over partial notifications (RFC 4235 4.4)."""

    _states: dict[str, ExtensionState] = field(default_factory=dict)

    def take(self, body: str) -> bool:
        """Take the body of a NOTIFY; return whether it was dialog-info."""
        root = _root(body, "dialog-info")
        if root is None:
            return False
        if root.get("state") != "partial":
            self._states.clear()
        for dialog in root:
            if _name(dialog) == "dialog":
                self._take(dialog)
        return True

    @property
    def state(self) -> ExtensionState:
        """The busiest of them."""
        states = self._states.values()
        for state in (ExtensionState.IN_USE, ExtensionState.RINGING):
            if state in states:
                return state
        return ExtensionState.IDLE

    def _take(self, dialog: ElementTree.Element) -> None:
        number = dialog.get("id", "")
        word = next((e.text or "" for e in dialog if _name(e) == "state"), "").strip().lower()
        if word == "confirmed" or (word in _ALERTING and dialog.get("direction") == "initiator"):
            self._states[number] = ExtensionState.IN_USE
        elif word in _ALERTING:
            self._states[number] = ExtensionState.RINGING
        else:
            self._states.pop(number, None)


def is_reachable(body: str) -> bool | None:
    """Whether a phone is there, by presence's `<basic>`; None where the body says nothing."""
    root = _root(body, "presence")
    if root is None:
        return None
    words = [(e.text or "").strip().lower() for e in root.iter() if _name(e) == "basic"]
    return "open" in words if words else None


def _root(body: str, name: str) -> ElementTree.Element | None:
    """The document's root where it has this name; a DOCTYPE could only carry entities."""
    if len(body) > _MOST_BODY_CHARACTERS or "<!DOCTYPE" in body:
        return None
    try:
        root = ElementTree.fromstring(body.strip())  # noqa: S314 # no entities: see above
    except (ElementTree.ParseError, ValueError):
        return None
    return root if _name(root) == name else None


def _name(element: ElementTree.Element) -> str:
    """Without its namespace."""
    return element.tag.rpartition("}")[2]
