"""Every `action` of a log line, and what it means; a test holds the source against this table.

One action has one meaning wherever it is written; a campaign's call and a TAPI client's share
theirs. Lines of a call carry campaign and lead (or tapi_client and tapi_call), attempt and call.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "ami.lost": "the connection to Asterisk's manager interface broke; it is tried again",
        "api.asked": "a client of the HTTP API asked for a change",
        "api.denied": "an HTTP request had no token that is known",
        "api.failed": "an HTTP request failed by a fault of ours",
        "api.serving": "the HTTP API is served at this address",
        "attempt.closed": "the attempt's row is closed with this disposition",
        "attempt.orphaned": "an attempt that an engine left open is marked unknown",
        "call.abandoned": "a live answer was not joined to an agent within the limit",
        "call.answered": "200 OK came",
        "call.ended": "our leg is over, for this cause; sip_call_id is the PBX's name of it",
        "call.originate": "the row is committed and the INVITE leaves",
        "campaign.finished": "no lead of the campaign can be dialed any more",
        "campaign.left": "the engine dials this campaign no longer",
        "campaign.reloaded": "the campaign goes on with a new version of its definition",
        "campaign.started": "the engine dials this campaign from now on",
        "comfort.unheard": "the person hung up before the comfort audio was played",
        "comfort.unplayable": "the comfort audio's file cannot be played; the person hears silence",
        "demo.stopping": "Ctrl-C ends the demo",
        "destination.refused": "the one door let a lead's number not through, for this rule",
        "dnc.lists_fresh": "every do-not-call list that the campaign requires is fresh again",
        "dnc.lists_stale": "do-not-call lists that the campaign requires are missing or too old",
        "engine.ending": "the second signal ends the present calls",
        "engine.stopping": "the first signal stops the dialing; present calls finish",
        "feed.agent_unknown": "no state of an agent's phone is known; they are not ready",
        "feed.full": "the binding cannot watch more extensions; the other agents are not ready",
        "feed.lost": "an agent feed is silent; its agents count as not ready",
        "feed.up": "an agent feed tells again",
        "lab.auth.refused": "the lab refused wrong credentials",
        "lab.call.over": "a person of the lab has gone",
        "lab.called": "somebody called the lab",
        "lab.closed": "the lab takes no more calls",
        "lab.full": "the lab has no call slot free and answered 503",
        "lab.ready": "the lab takes calls",
        "lab.small_binding": "the lab's pjsua2 holds few calls",
        "lead.blocked": "a rule kept a claimed lead from being dialed at the last moment",
        "lead.undisposed": "an agent left wrap-up without saying what came of it",
        "leftover.ended": "a call that a dead engine had left was ended with BYE",
        "leftover.kept": "a call that a dead engine had left could not be ended yet",
        "line.lease_expired": "a line was held beyond its deadline and was hung up",
        "log.level": "the log's level was changed while the engine runs",
        "message.unheard": "the person hung up before the message was played",
        "message.unplayable": "the message's file cannot be played",
        "metrics.serving": "/metrics is served at this address",
        "node.died": "another engine's lease ran out",
        "outcome.unwritten": "the engine ended with an outcome that SQL did not take",
        "sip.callback_failed": "a callback of ours failed; a bug",
        "sip.thread_stuck": "the SIP thread did not end in time",
        "sip_trace.broken": "the SIP trace's file cannot be written; the trace is off",
        "sip_trace.off": "SIP messages are no longer written",
        "sip_trace.on": "SIP messages are written into a file from now on",
        "store.down": "the database does not answer; nothing new is dialed",
        "store.up": "the database answers again",
        "tapi.connected": "a TAPI client has logged in",
        "tapi.cut": "a TAPI client's connection was cut by us",
        "tapi.denied": "a TAPI client's login was refused",
        "tapi.gone": "a TAPI client's connection is gone; its calls live for the grace time",
        "tapi.grace_over": "a TAPI client did not come back; its ringing calls end",
        "tapi.lines": "the number of TAPI lines was changed while the engine runs",
        "tapi.serving": "the TAPI gateway listens at this address",
        "transfer.end": "the REFER has its result",
        "transfer.refused": "the one door let an agent's extension not through",
        "transfer.start": "REFER leaves",
        "trunk.health": "a trunk may dial, or may not, from now on",
    }
)
