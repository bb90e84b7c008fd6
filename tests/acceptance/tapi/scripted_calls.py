"""What a scripted PBX does, by the name that is dialed, and how each failure is to be told."""

from __future__ import annotations

from tests.peers.sipp.steps import (
    ack,
    answer,
    answer_cancelled,
    answer_refer,
    bye,
    cancel,
    hang_up,
    notify,
    offer_again,
    offer_by_update,
    pause,
    refer,
    refer_received,
    reject,
    repeat,
    request,
    ring,
    terminate_cancelled,
    trying,
)

STATUS_MODES = {
    **dict.fromkeys((486, 600), 0x20),
    **dict.fromkeys((408, 480), 0x100),
    **dict.fromkeys((404, 484, 485, 604), 0x80),
    **dict.fromkeys((301, 410), 0x2000),
    302: 0x10,
    **dict.fromkeys((603, 607), 0x4),
    **dict.fromkeys((403, 433, 608), 0x20000),
    503: 0x200,
    **dict.fromkeys((500, 504, 513), 0x8000),
    502: 0x4000,
    **dict.fromkeys((415, 488, 606), 0x400),
    580: 0x10000,
    487: 0x80000,
    420: 0x800,
}
"""Each final status and its LINEDISCONNECTMODE in tapi.h's numbers. Written down here once more
and by hand: tables that are tested with themselves are always right.

401 and 407 stop the trunk: `test_failing_trunks.py` has them."""
RANG_MODES = dict.fromkeys((408, 480), 0x40)
"""… after a 180 to 183."""
Q850_MODES = {
    **dict.fromkeys((1, 28), 0x80),
    17: 0x20,
    **dict.fromkeys((18, 19), 0x40),
    20: 0x100,
    21: 0x4,
    22: 0x2000,
    27: 0x4000,
    **dict.fromkeys((34, 38, 41, 42), 0x200),
}
"""… with a `Reason: Q.850`, whatever the status is."""
_UP = (answer(), ack())
_TAKES = (refer(202), notify(100), notify(200, final=True), bye())
REFRESHES = 14
"""Of ten minutes with timers of 90 s, whose refresher asks every 45 s; here every 0.2 s. The time
itself passes in `tests/integration/sip/test_session_timers.py`: 135 s."""
_REFRESH = ("Supported: timer", "Session-Expires: 90;refresher=uac")
BRANCHES = {
    **{
        f"status{status}": (reject(f"{status} As asked", "Contact: <sip:other@127.3.0.9>"),)
        for status in STATUS_MODES
    },
    **{f"rang{status}": (ring(), reject(f"{status} As asked")) for status in RANG_MODES},
    **{
        f"network{q850}": (reject("500 As asked", f"Reason: Q.850;cause={q850}"),)
        for q850 in Q850_MODES
    },
    **{
        f"refuses{status}": (*_UP, refer(status), *_TAKES)
        for status in (403, 405, 488, 500, 503, 603)
    },
    "ignores": (*_UP, refer_received(), pause(2500), answer_refer("503 Too late"), bye()),
    "agentbusy": (*_UP, refer(202), notify(100), notify(486, final=True), bye()),
    "nosuchagent": (*_UP, refer(202), notify(404, final=True), *_TAKES),
    "overtakes": (*_UP, refer_received(), notify(100), answer_refer(), *_TAKES[2:]),
    "silentrefer": (*_UP, refer(202), bye()),
    "takes": (*_UP, *_TAKES),
    "hangsup": (*_UP, pause(300), hang_up()),
    "mute": (pause(1500), trying(), cancel(), terminate_cancelled()),
    "rings": (trying(), ring(), cancel(), terminate_cancelled()),
    "crosses": (ring(), cancel(), answer_cancelled(), ack(), bye()),
    "answered": (*_UP, bye()),
    "progress": (
        trying(),
        ring(status="181 Call Is Being Forwarded"),
        ring(status="182 Queued"),
        ring(status="183 Session Progress"),
        ring(),
        ring(),
        *_UP,
        bye(),
    ),
    "renegotiates": (
        *_UP,
        offer_again(),
        offer_by_update(),
        request("OPTIONS"),
        request("UPDATE"),
        offer_again("Supported: timer", "Session-Expires: 90;refresher=uac"),
        bye(),
    ),
    "tenminutes": (
        *(answer("Session-Expires: 90;refresher=uas", "Require: timer"), ack()),
        repeat(
            REFRESHES // 2,
            *(pause(200), request("UPDATE", *_REFRESH), pause(200), offer_again(*_REFRESH)),
        ),
        *_TAKES,
    ),
}
