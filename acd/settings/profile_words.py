"""The words of a `[[profile]]`."""

from __future__ import annotations

from enum import StrEnum


class LineMode(StrEnum):
    """Who is called first on a TAPI line, and what happens then."""

    ACD = "acd"
    """The number; then the application hands the person over with `lineBlindTransfer`."""
    STANDARD = "standard"
    """The user's own phone; then it is sent to the number by REFER."""
    REVERSE = "reverse"
    """The number; then the person is sent to the user's phone by REFER."""
    ALTERNATIVE = "alternative"
    """As standard, straight to a phone at the address in the trunk's `outbound_proxy`."""


class AutoAnswer(StrEnum):
    """Whose words ask the user's own phone to pick up by itself."""

    OFF = "off"
    ANY = "any"
    """All of them."""
    SNOM = "snom"
    GRANDSTREAM = "grandstream"
    POLYCOM = "polycom"
    AASTRA = "aastra"
