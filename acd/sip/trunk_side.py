"""One trunk in the SIP thread: its account, its OPTIONS probe, and what is judged of it."""

from __future__ import annotations

import re
from time import perf_counter

import pjsua2 as pj

from acd.lines import TrunkHealth
from acd.settings import Transport
from acd.sip.callbacks import TrunkAccount
from acd.sip.causes import retry_after_seconds
from acd.sip.health import HealthJudge
from acd.sip.mailbox import ReportBox
from acd.sip.messages import CHALLENGES, Counted, Report, TrunkReport
from acd.sip.pj_config import add_headers
from acd.sip.plan import TrunkPlan
from acd.sip.seen import CertificateRefused, Inbox, ProbeAnswered, Registered
from acd.sip.timers import Timer, Timers
from acd.sip.transfer import TransferDone, TransferPermission, TransferTiming
from acd.sip.uris import host_and_port, transport_parameter, user_uri
from acd.sip.watches import Watches

_AUTH_CHALLENGES = frozenset({401, 407})


class TrunkSide:
    """Lives and dies in the SIP thread."""

    def __init__(
        self,
        plan: TrunkPlan,
        account: TrunkAccount,
        *,
        inbox: Inbox,
        timers: Timers,
        reports: ReportBox[Report],
        writes_referred_by: bool,
    ) -> None:
        self.plan = plan
        self.account = account
        self.timing = TransferTiming()
        self.referred_by = (
            f"<{user_uri(plan.user, domain=plan.domain)}>" if writes_referred_by else ""
        )
        """Who refers is the account, whatever caller ID the call shows (RFC 3892 2.1)."""
        self.watches = Watches(
            plan.name, lambda: self.account, inbox=inbox, timers=timers, reports=reports
        )
        self._permission = TransferPermission()
        self._judge = HealthJudge(
            registers=plan.register and not plan.rests,
            probes=plan.probe is not None,
            asks_beyond=bool(plan.probe is not None and plan.probe_user),
        )
        self._timers = timers
        self._reports = reports
        who = f"{plan.probe_user}@" if plan.probe_user else ""
        self._probed_uri = f"sip:{who}{plan.domain}{transport_parameter(plan.transport)}"
        self._told: TrunkHealth | None = None
        self._probe_timeout: Timer | None = None
        self._wake: Timer | None = None
        self._stopping = False

    @property
    def registered(self) -> bool:
        """The PBX holds a registration of ours."""
        return self._judge.registered

    def start(self) -> None:
        """Tell the first health and begin to probe."""
        self._publish()
        self._probe()

    def drop_account(self) -> None:
        """Let go of the pj object, in this thread and now; nothing else may be asked for after."""
        del self.account

    def rest(self, *, on: bool) -> None:
        """Take the registration back, or register again; one that never registers does neither."""
        if not self.plan.register or self._stopping or self._judge.registers is not on:
            return
        self._judge.registers = not on
        try:
            self.account.setRegistration(not on)
        except pj.Error:
            # There is no registration to take back, or no way to make one.
            if not on:
                self._judge.silent()
        self._publish()

    def unregister(self) -> None:
        """Ask the PBX to forget us; `registered` turns False when it did."""
        self._stopping = True
        if self._judge.registered:
            try:
                self.account.setRegistration(False)
            except pj.Error:
                self._judge.unregistered()

    def call_responded(self) -> None:
        """The PBX answered an INVITE with anything."""
        if self._judge.alive is not True:
            self._judge.answered()
            self._publish()

    def call_got_through(self, at_seconds: float) -> None:
        """The PBX said in a call what no proxy says by itself: more than 100, or BYE."""
        self._judge.call_got_through(at_seconds)

    def call_refused(
        self,
        sip_status: int,
        message: str,
        *,
        alerted: bool,
        number: str,
        invited_at_seconds: float,
    ) -> None:
        """An INVITE ended with 300 to 699 from the PBX."""
        now = perf_counter()
        self._judge.answered()
        self._judge.call_ended(
            sip_status,
            now,
            alerted=alerted,
            number=number,
            invited_at_seconds=invited_at_seconds,
        )
        if sip_status in _AUTH_CHALLENGES:
            self._reports.post(Counted(CHALLENGES, self.plan.name))
            self._judge.credentials_refused(sip_status, now)
        wait = retry_after_seconds(message) if sip_status == 503 else None
        if wait is not None:
            self._judge.told_to_wait(wait, now)
        self._publish()

    def call_unanswered(self) -> None:
        """An INVITE met silence, or a broken transport."""
        self._judge.silent()
        self._publish()

    def transfer_ended(self, done: TransferDone) -> None:
        """A blind transfer has its outcome."""
        refused_with = self._permission.note(done)
        if refused_with != self._judge.transfers_refused:
            self._judge.transfers_refused = refused_with
            self._publish()

    def seen_registration(self, seen: Registered) -> None:
        """REGISTER was answered."""
        if self._stopping or (seen.sip_status // 100 == 2 and seen.expires_seconds <= 0):
            self._judge.unregistered()
        else:
            self._judge.registration(
                seen.sip_status, perf_counter(), received=seen.received, reason=seen.reason
            )
        self._publish()

    def seen_certificate(self, seen: CertificateRefused) -> None:
        """Some connection was given up for its certificate; ours, if it leads to our PBX."""
        if not self._leads_to_us(seen.remote):
            return
        self._judge.silent(
            f"its TLS certificate is not trusted: it names {seen.subject or 'nobody'}, issued by "
            f"{seen.issuer or 'nobody'}, valid until {seen.valid_until}; "
            + "; ".join(text.rstrip(".") for text in seen.complaints)
        )
        self._publish()

    def _leads_to_us(self, remote: str) -> bool:
        """By port alone where the settings hold a name, whose address only pjsip knows."""
        plan = self.plan
        if plan.transport is not Transport.TLS:
            return False
        host, port = host_and_port(plan.proxy or plan.domain, plan.transport)
        there, _, there_port = remote.rpartition(":")
        named = not re.fullmatch(r"[\d.]+|\[.*\]", host)
        return int(there_port) == port and (named or there == host)

    def seen_probe(self, seen: ProbeAnswered) -> None:
        """OPTIONS was answered, perhaps late; its own time-out says nothing new."""
        if seen.sip_status == 0:
            return
        if self._probe_timeout is not None:
            self._probe_timeout.cancel()
            self._probe_timeout = None
        self._judge.probed(seen.sip_status)
        wait = retry_after_seconds(seen.message) if seen.sip_status == 503 else None
        if wait is not None:
            self._judge.told_to_wait(wait, perf_counter())
        self._publish()

    def _probe(self) -> None:
        timing = self.plan.probe
        if timing is None or self._stopping:
            return
        now = perf_counter()
        self._timers.at(now + timing.interval_seconds, self._probe)
        if self._probe_timeout is not None:
            return  # the last one is still open
        self._probe_timeout = self._timers.at(now + timing.timeout_seconds, self._probe_lost)
        request = pj.SendRequestParam()
        request.method = "OPTIONS"
        add_headers(request.txOption.headers, self.plan.own_headers)
        request.txOption.targetUri = self._probed_uri
        try:
            self.account.sendRequest(request)
        except pj.Error:
            # No way there at all (no route, connection refused): the same as silence, but sooner.
            self._probe_timeout.cancel()
            self._probe_lost()

    def _probe_lost(self) -> None:
        self._probe_timeout = None
        self._judge.silent()
        self._publish()

    def _publish(self) -> None:
        """Tell the health if it is another one: each alarm once."""
        now = perf_counter()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        wakes_at = self._judge.wakes_at(now)
        if wakes_at is not None:
            self._wake = self._timers.at(wakes_at, self._wakened)
        self.watches.pbx_is(alive=self._judge.alive is not False)
        health = self._judge.health(now)
        if health != self._told:
            self._told = health
            self._reports.post(TrunkReport(self.plan.name, health))

    def _wakened(self) -> None:
        """A back-off or the pause after refused credentials is over."""
        self._wake = None
        if self._judge.registers and not self._judge.registered and not self._stopping:
            try:
                self.account.setRegistration(True)
            except pj.Error:
                self._judge.silent()
        self._publish()
