"""The SIP side on pjsua2: `open_sip` is its door; `acd.lines` says what comes out of it."""

from acd.sip.endpoint import Sip, open_sip
from acd.sip.plan import ProbeTiming

__all__ = ["ProbeTiming", "Sip", "open_sip"]
