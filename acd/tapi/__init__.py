"""The gateway for applications that use TAPI: `lineMakeCall`, `lineBlindTransfer` and the rest.

`server` speaks the protocol of `docs/tapi-protocol.md` (JSON lines over TCP) to any number of
clients; `client` is the other side, in TAPI's own words. A TAPI call goes the way of every other
call: a line from the shared pool, the one door, the do-not-call lists, and a row that is
committed before its INVITE.
"""
