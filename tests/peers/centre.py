"""A call centre on loopback: the documented Asterisk, a carrier, agents' phones, and the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import Asterisk, run_asterisk
from tests.peers.sipp.runner import Sipp
from tests.peers.wire import SipMessage, Wire, select


@dataclass(frozen=True, slots=True)
class Centre:
    """What runs, and what the wire saw."""

    addresses: Addresses
    pbx: Asterisk
    wire: Wire

    def traffic(self) -> Traffic:
        """Everything up to now."""
        return Traffic(self.addresses, self.wire.sip())


@dataclass(frozen=True, slots=True)
class Traffic:
    """SIP messages, read from the engine's side: the peers have addresses, all else is acd."""

    addresses: Addresses
    messages: list[SipMessage]

    @property
    def _peers(self) -> set[str]:
        known = self.addresses
        return {known.pbx, known.carrier, known.agent_101, known.agent_102}

    def from_engine(self, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """Requests with this method, or responses with this status, that acd sent."""
        found = select(self.messages, what, cseq=cseq)
        return [m for m in found if m.source[0] not in self._peers]

    def to_engine(self, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """The same, sent to acd."""
        found = select(self.messages, what, cseq=cseq)
        return [m for m in found if m.destination[0] not in self._peers]

    def to(self, address: str, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """The same, sent to one peer."""
        found = select(self.messages, what, cseq=cseq)
        return [m for m in found if m.destination[0] == address]

    def of(self, address: str, what: str | int, *, cseq: str = "") -> list[SipMessage]:
        """The same, sent by one peer."""
        found = select(self.messages, what, cseq=cseq)
        return [m for m in found if m.source[0] == address]

    def final_notify(self) -> SipMessage:
        """The NOTIFY that ended the transfer's subscription (RFC 3515 2.4.7)."""
        ended = [
            m
            for m in self.to_engine("NOTIFY")
            if m.get("subscription-state").startswith("terminated")
            and m.get("event").startswith("refer")
        ]
        assert len(ended) == 1, f"one final NOTIFY, not {len(ended)}:\n{self}"
        return ended[0]

    def __str__(self) -> str:
        return "\n".join(str(message) for message in self.messages)


@asynccontextmanager
async def open_centre(
    addresses: Addresses,
    *agents: Sipp,
    answer_ms: int = 300,
    dialer: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Centre]:
    """A PBX that knows agents 101 and 102; those given are at their phones.

    People answer `answer_ms` after their phones began to ring; `dialer` are more keys of the
    dialer's endpoint.
    """
    known = {"101": f"{addresses.agent_101}:5060", "102": f"{addresses.agent_102}:5060"}
    async with run_asterisk(
        address=addresses.pbx, carrier=f"{addresses.carrier}:5060", agents=known, dialer=dialer
    ) as pbx:
        with ExitStack() as stack:
            wire = stack.enter_context(Wire(addresses.pbx))
            for peer in (phones.carrier(addresses.carrier, answer_ms=answer_ms), *agents):
                stack.enter_context(peer)
                # People who still talk when a test has seen enough are not waited for.
                stack.callback(peer.stop, grace_seconds=0.2)
            yield Centre(addresses, pbx, wire)
