"""URIs, header values, RTP ranges, codecs, timers, tokens: small pure things."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.errors import BadInput, BadSettings, BindingTooSmall
from acd.lines import CallerId, Destination, DestinationKind, PersonWith
from acd.lines.token_bucket import TokenBucket
from acd.settings import AfterFailedTransfer, Codec, Transport, TrunkSettings
from acd.sip.limits import (
    BUDDIES_PER_WATCH,
    BUILT_ACCOUNTS,
    BUILT_WATCHES,
    BindingLimits,
    check_binding,
    check_watches,
)
from acd.sip.pj_config import codec_priorities
from acd.sip.plan import plan_trunks
from acd.sip.timers import Timers
from acd.sip.uris import (
    checked_headers,
    destination_uri,
    from_header,
    host_and_port,
    local_address_towards,
    refer_target,
    route_uri,
)

CONFIG_SITE = Path(__file__).parents[3] / "acd" / "sip" / "binding" / "config_site.h"


def lead(user: str, uri: str = "") -> Destination:
    return Destination(kind=DestinationKind.LEAD, user=user, uri=uri)


@pytest.mark.parametrize(
    ("destination", "transport", "uri"),
    [
        (lead("+43150564"), Transport.UDP, "sip:+43150564@pbx:5070"),
        (lead("*97#"), Transport.TCP, "sip:*97%23@pbx:5070;transport=tcp"),
        (lead("a b@c"), Transport.TLS, "sip:a%20b%40c@pbx:5070;transport=tls"),
        (lead("x", uri="sip:desk@10.0.0.1"), Transport.TCP, "sip:desk@10.0.0.1"),
    ],
)
def test_a_destination_becomes_a_request_uri(
    destination: Destination, transport: Transport, uri: str
) -> None:
    assert destination_uri(destination, domain="pbx:5070", transport=transport) == uri


def test_a_refer_target_names_no_transport_and_stands_in_brackets() -> None:
    assert refer_target(lead("queue"), domain="pbx") == "<sip:queue@pbx>"
    assert refer_target(lead("q", uri="sip:q@x;lr"), domain="pbx") == "<sip:q@x;lr>"


@pytest.mark.parametrize("evil", ["x\r\nEvil: 1", "x\n", "a\0b", "\x7f"])
def test_no_line_break_reaches_a_header(evil: str) -> None:
    with pytest.raises(BadInput):
        destination_uri(lead("", uri=evil), domain="pbx", transport=Transport.UDP)
    with pytest.raises(BadInput):
        from_header(CallerId(number="1", display_name=evil), domain="pbx")
    with pytest.raises(BadInput):
        checked_headers((("X-A", evil),))


@given(st.text())
def test_any_user_part_stays_one_word(user: str) -> None:
    uri = destination_uri(
        lead(user.encode("utf-8", "replace").decode()), domain="pbx", transport=Transport.UDP
    )
    assert not set(uri) & set(' \t\r\n<>"')
    assert uri.count("@") == 1


def test_a_header_name_is_a_token() -> None:
    with pytest.raises(BadInput, match="no name"):
        checked_headers((("X A:", "1"),))


def test_quotes_in_a_display_name_are_escaped() -> None:
    shown = from_header(CallerId(number="+431", display_name='A "b" \\'), domain="pbx")
    assert shown == '"A \\"b\\" \\\\" <sip:+431@pbx>'


def test_a_proxy_is_a_loose_route_over_the_trunks_transport() -> None:
    assert route_uri("edge:5080", Transport.TLS) == "<sip:edge:5080;lr;transport=tls>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("pbx", ("pbx", 5060)), ("10.0.0.1:5080", ("10.0.0.1", 5080)), ("[::1]:5", ("[::1]", 5))],
)
def test_a_domain_is_a_host_and_perhaps_a_port(text: str, expected: tuple[str, int]) -> None:
    assert host_and_port(text, Transport.UDP) == expected


def test_tls_has_its_own_default_port() -> None:
    assert host_and_port("pbx", Transport.TLS) == ("pbx", 5061)


@pytest.mark.parametrize("text", ["", "a:b:c", "sip:pbx", "p bx", "<pbx>"])
def test_anything_else_is_no_domain(text: str) -> None:
    with pytest.raises(BadInput):
        host_and_port(text, Transport.UDP)


def test_the_local_address_is_the_one_that_routes_to_the_pbx() -> None:
    assert local_address_towards("127.0.0.9", 5060) == "127.0.0.1"
    assert local_address_towards("no-such-host.invalid", 5060) == ""


def trunk(**values: object) -> TrunkSettings:
    return TrunkSettings.model_validate({"domain": "127.0.0.1", "user": "acd"} | values)


def test_trunks_that_name_the_same_rtp_ports_share_them_by_lines() -> None:
    plans = plan_trunks(
        [
            trunk(name="a", lines=100),
            trunk(name="b", lines=300),
            trunk(name="c", rtp_port_min=40000, rtp_port_max=40999, lines=30),
        ],
        probe=None,
    )
    ranges = [(plan.rtp_port_min, plan.rtp_port_max) for plan in plans]
    assert ranges == [(20000, 22499), (22500, 29999), (40000, 40999)]


def test_too_few_rtp_ports_are_refused_before_a_call_finds_out() -> None:
    with pytest.raises(BadSettings, match="999 lines share the 2000 RTP ports"):
        plan_trunks([trunk(lines=999, rtp_port_min=20000, rtp_port_max=21999)], probe=None)


@pytest.mark.parametrize("said", AfterFailedTransfer)
def test_a_plan_knows_who_has_the_person_after_a_failed_transfer(said: AfterFailedTransfer) -> None:
    plan = plan_trunks([trunk(after_failed_transfer=said)], probe=None)[0]
    expected = {"pbx": PersonWith.PBX, "ours": PersonWith.US}[said]
    assert plan.after_failed_transfer is expected


def test_a_plan_never_shows_the_password() -> None:
    plan = plan_trunks([trunk(password="hunter2")], probe=None)[0]
    assert plan.password == "hunter2"
    assert "hunter2" not in repr(plan)


def test_only_the_wanted_codecs_are_offered_in_their_order() -> None:
    known = ["speex/8000/1", "PCMU/8000/1", "PCMA/8000/1", "G722/16000/1"]
    priorities = codec_priorities(known, [Codec.PCMA, Codec.PCMU])
    assert priorities["PCMA/8000/1"] > priorities["PCMU/8000/1"] > 0
    assert priorities["speex/8000/1"] == priorities["G722/16000/1"] == 0


def test_the_small_wheel_is_refused_with_both_numbers_and_the_way_out() -> None:
    with pytest.raises(BindingTooSmall, match=r"30 lines .* holds 4 calls .* make setup"):
        check_binding(BindingLimits(calls=4), lines=30, accounts=1)
    with pytest.raises(BindingTooSmall, match=r"9 trunks .* holds 8 accounts; make setup .* 1024"):
        check_binding(BindingLimits(calls=999), lines=9, accounts=9)


def test_what_make_setup_builds_is_refused_without_naming_make_setup() -> None:
    ours = BindingLimits(calls=4096, accounts=1024, buddies=1024)
    with pytest.raises(
        BindingTooSmall, match=r"5000 lines .* 4096 calls .*; configure fewer lines"
    ):
        check_binding(ours, lines=5000, accounts=9)
    with pytest.raises(BindingTooSmall, match=r"1025 trunks .* 1024 accounts; configure fewer"):
        check_binding(ours, lines=1025, accounts=1025)
    check_watches(ours, watches=512)
    with pytest.raises(BindingTooSmall, match=r"513 extensions .* watches 512; have fewer agents"):
        check_watches(ours, watches=513)


def test_more_watches_than_the_small_wheel_has_are_refused_with_both_numbers() -> None:
    wheel = BindingLimits(calls=4)
    check_watches(wheel, watches=128)
    told = "129 extensions are to be watched, but this pjsua2 watches 128; make setup builds one"
    with pytest.raises(BindingTooSmall, match=f"{told} that holds 512"):
        check_watches(wheel, watches=129)


def test_what_make_setup_is_said_to_build_is_what_it_builds() -> None:
    told = dict(re.findall(r"^#define (\w+) (\d+)$", CONFIG_SITE.read_text(), re.MULTILINE))
    assert int(told["PJSUA_MAX_ACC"]) == BUILT_ACCOUNTS
    assert int(told["PJSUA_MAX_BUDDIES"]) == BUILT_WATCHES * BUDDIES_PER_WATCH


def test_timers_run_in_the_order_of_their_moments_and_not_when_cancelled() -> None:
    timers = Timers()
    ran: list[str] = []
    timers.at(2.0, lambda: ran.append("second"))
    timers.at(1.0, lambda: ran.append("first"))
    cancelled = timers.at(0.5, lambda: ran.append("never"))
    cancelled.cancel()
    assert timers.next_at() == 1.0
    timers.run_due(1.5)
    assert ran == ["first"]
    timers.run_due(9.0)
    assert ran == ["first", "second"]
    assert timers.next_at() is None


def test_a_timer_may_set_another_that_is_due_too() -> None:
    timers = Timers()
    ran: list[str] = []

    def outer() -> None:
        timers.at(1.0, lambda: ran.append("inner"))

    timers.at(1.0, outer)
    timers.run_due(1.0)
    assert ran == ["inner"]


def test_a_bucket_lets_its_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(10, burst=3)
    assert [bucket.take(0.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.1)]
    assert bucket.take(0.1) == 0
    assert bucket.take(0.15) == pytest.approx(0.05)


def test_a_bucket_that_rounding_left_just_empty_is_not_taken_for_a_new_one() -> None:
    bucket = TokenBucket(1.0)
    now, taken = 0.0, 0
    for gap in (0.517603777635452, 1.0, 0.0):
        now += gap
        taken += bucket.take(now) == 0
    assert taken == 2


@given(
    st.floats(0.5, 500),
    st.floats(1, 50),
    st.lists(st.floats(0, 2), min_size=1, max_size=60),
)
def test_no_window_lets_more_through_than_rate_and_burst(
    rate: float, burst: float, gaps: list[float]
) -> None:
    bucket = TokenBucket(rate, burst=burst)
    now, taken = 0.0, 0
    for gap in gaps:
        now += gap
        taken += bucket.take(now) == 0
    assert taken <= burst + rate * now + 1e-6


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (5, 0.5)])
def test_a_bucket_that_lets_nothing_through_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="token bucket"):
        TokenBucket(rate, burst=burst)
