"""Reading a 3xx's Contact."""

from __future__ import annotations

import pytest

from acd.sip.redirect import contact_user


def _moved(*lines: str) -> str:
    return "\r\n".join(("SIP/2.0 302 Moved", *lines, "Content-Length: 0", "", ""))


@pytest.mark.parametrize(
    ("lines", "user"),
    [
        (("Contact: <sip:+431505641@pbx>",), "+431505641"),
        (("m: sips:+431505641@pbx;q=1",), "+431505641"),
        (("Contact: tel:+431505641;phone-context=x",), "+431505641"),
        (("Contact: <sip:+431505641;npdi@pbx;user=phone>",), "+431505641"),
        (("Contact: <sip:%2B431505641:word@pbx>",), "+431505641"),
        (("Contact: <sip:1@pbx>;q=0.2, <sip:2@pbx>;q=0.7",), "2"),
        (("Contact: <sip:1@pbx>;q=0.2", "Contact:", " <sip:2@pbx>"), "2"),
        (('Contact: "a, <sip:112@x>" <sip:1@pbx>',), "1"),
        (("Contact: <sip:pbx>",), None),
        (("Contact: *",), None),
        ((), None),
    ],
)
def test_the_preferred_contacts_user_is_what_counts(
    lines: tuple[str, ...], user: str | None
) -> None:
    assert contact_user(_moved(*lines)) == user
