"""The rows about the PBX: does it answer, does it take our password, does it allow REFER?

Each row is a pure function of what was asked and answered; nothing here rings anyone.
"""

from __future__ import annotations

from dataclasses import dataclass

import trio

from acd.doctor.asking import Answer, NoAnswer, ask
from acd.doctor.check import Check
from acd.doctor.messages import Method
from acd.settings import TrunkSettings

_SICK = frozenset({408, 500, 502, 503, 504})
"""Answers to OPTIONS that say: here, or behind me, nothing works."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one trunk's PBX said; a string says why there is no answer."""

    trunk: TrunkSettings
    options: Answer | str
    register: Answer | str


async def ask_pbx(trunk: TrunkSettings, *, extension: str = "") -> Asked:
    """Ask both questions at once: a dead PBX costs the wait for one answer."""
    answers: dict[Method, Answer | str] = {}

    async def put(method: Method) -> None:
        try:
            answers[method] = await ask(trunk, method, extension=extension)
        except NoAnswer as why:
            answers[method] = str(why)

    async with trio.open_nursery() as nursery:
        for method in Method:
            nursery.start_soon(put, method)
    return Asked(trunk, answers[Method.OPTIONS], answers[Method.REGISTER])


def options_row(asked: Asked) -> Check:
    """Does the PBX answer OPTIONS? Any answer of its own shows that it is there."""
    name = f"OPTIONS ({asked.trunk.name})"
    answer = asked.options
    if isinstance(answer, str):
        remedy = "check domain, outbound_proxy and transport, the firewall, and that the PBX runs"
        return Check(name, answer, remedy, ok=False)
    detail = f"{answer.reply.element or 'an element without a name'} answered {answer.reply.line}"
    if answer.reply.status in _SICK:
        return Check(
            name, detail, "look into the PBX's own log: it can take no calls now", ok=False
        )
    return Check(name, detail, ok=True)


def credentials_row(asked: Asked) -> Check:
    """Does the PBX take user and password?

    A REGISTER without Contact is asked: it changes no binding, also where `register` is off.
    """
    name = f"credentials ({asked.trunk.name})"
    trunk, answer = asked.trunk, asked.register
    if isinstance(answer, str):
        return Check(name, f"REGISTER: {answer}", "see the row OPTIONS", ok=False)
    reply = answer.reply
    if answer.unanswered:
        return Check(name, f"not given: {answer.unanswered}", _unanswered_remedy(answer), ok=False)
    if answer.refused or reply.status in {401, 403, 407}:
        who = trunk.auth_user or trunk.user
        detail = f"REGISTER was refused with {reply.line} for {who}"
        detail += f' in realm "{answer.realm}"' if answer.realm else ""
        return Check(name, detail, "check user, auth_user and the password at the PBX", ok=False)
    detail = f"{_proof(asked)} (REGISTER: {reply.line})"
    if reply.status < 300 or not trunk.register_account:
        return Check(name, detail, ok=True)
    remedy = "set register = false if this account does not register; else allow it at the PBX"
    return Check(name, detail, remedy, ok=False)


def _proof(asked: Asked) -> str:
    """Which challenge was answered; a PBX that challenges neither request proves nothing."""
    for answer in (asked.register, asked.options):
        if isinstance(answer, str) or answer.refused or answer.unanswered:
            continue
        if answer.realm:
            return f'accepted in realm "{answer.realm}"'
    return "not proved: nobody asked for the password; acd doctor --load 1 --to EXTENSION tries it"


def _unanswered_remedy(answer: Answer) -> str:
    if not answer.realm:
        return "let the PBX offer digest with MD5 or SHA-256"
    if "realm" in answer.unanswered:
        return "set domain to that realm, or realm_check = false"
    return "set password_file or password_env"


_ALLOW_REFER = "allow transfers (REFER) for this account at the PBX or its border element"
_ASK_FURTHER = (
    "acd doctor --to EXTENSION asks the element that calls reach"
    " (OPTIONS to an agent's extension rings nobody)"
)


def refer_row(asked: Asked) -> Check:
    """Which element answers REFER, and does its Allow header (RFC 3261 20.5) list it?"""
    name = f"REFER ({asked.trunk.name})"
    answer = asked.options
    if isinstance(answer, str):
        return Check(name, "unknown without an answer to OPTIONS", "see the row OPTIONS", ok=False)
    reply = answer.reply
    element = reply.element or "an element without a name"
    if reply.methods is None:
        detail = f"{element} answered {reply.line} and does not say what it allows"
        return Check(name, detail, _ASK_FURTHER, ok=False)
    if "REFER" in reply.methods:
        return Check(name, f"{element} allows REFER", ok=True)
    allowed = ", ".join(sorted(reply.methods)) or "nothing"
    return Check(name, f"{element} allows {allowed}, no REFER", _ALLOW_REFER, ok=False)
