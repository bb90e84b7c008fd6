"""SIPp scenarios of a caller, put together from steps.

scenario(*call("+43...0", authenticated=True), recv(100, optional=True), recv(200), ACK, ...)
"""

from __future__ import annotations

PASSWORD = "lab"
_HEADERS = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:acd@[local_ip]:[local_port]>;tag=[pid]T[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>%s
      Call-ID: [call_id]
      Contact: <sip:acd@[local_ip]:[local_port]>
      Max-Forwards: 70"""

_SDP = """Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=- 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [media_port] RTP/AVP 0
      a=rtpmap:0 PCMU/8000"""

_REPLY = """
  <send><![CDATA[

      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:acd@[local_ip]:[local_port]>
      Content-Length: 0

  ]]></send>"""


def scenario(*steps: str) -> str:
    """The whole file."""
    head = '<?xml version="1.0" encoding="utf-8" ?>\n<scenario name="caller">'
    return f"{head}{''.join(steps)}\n</scenario>\n"


def _request(
    method: str, uri: str, sequence: int, *lines: str, body: str = "Content-Length: 0"
) -> str:
    # An INVITE that answers a challenge starts a new dialog (RFC 3261 22.2).
    headers = _HEADERS % ("" if method == "INVITE" else "[peer_tag_param]")
    retransmits = "" if method == "ACK" else ' retrans="500"'
    head = "".join(f"\n      {line}" for line in lines)
    return f"""
  <send{retransmits}><![CDATA[

      {method} {uri} SIP/2.0
      {headers}
      CSeq: {sequence} {method}{head}
      {body}

  ]]></send>"""


def invite(*, user: str = "", password: str = PASSWORD, sequence: int = 1) -> str:
    """INVITE [service]; with the account's credentials where `user` is given."""
    credentials = [f"[authentication username={user} password={password}]"] if user else []
    uri = "sip:[service]@[remote_ip]:[remote_port]"
    return _request("INVITE", uri, sequence, *credentials, body=_SDP)


def options() -> str:
    """OPTIONS."""
    return _request("OPTIONS", "sip:[remote_ip]:[remote_port]", 1)


def recv(status: int, *, optional: bool = False, auth: bool = False) -> str:
    """A response."""
    flags = (' optional="true"' if optional else "") + (' auth="true"' if auth else "")
    record = ' rrs="true"' if status == 200 else ""
    return f'\n  <recv response="{status}"{flags}{record} timeout="20000"></recv>'


REFUSED_ACK = """
  <send><![CDATA[

      ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      CSeq: [cseq] ACK
      Max-Forwards: 70
      Content-Length: 0

  ]]></send>"""
"""ACK of a final status other than 2xx: of the same transaction."""

CHALLENGED = recv(401, auth=True) + REFUSED_ACK
CALL = invite() + recv(100, optional=True) + CHALLENGED + invite(user="acd", sequence=2)
"""INVITE, 401, and the INVITE with the right answer."""


def answered(sequence: int = 2) -> str:
    """100 and 180 if they come, 200, ACK."""
    ack = _request("ACK", "[next_url]", sequence)
    return recv(100, optional=True) + recv(180, optional=True) + recv(200) + ack


def refused(status: int) -> str:
    """100 and 180 if they come, the status, ACK."""
    return recv(100, optional=True) + recv(180, optional=True) + recv(status) + REFUSED_ACK


def refer(target: str, sequence: int = 3) -> str:
    """REFER to a whole URI."""
    return _request("REFER", "[next_url]", sequence, f"Refer-To: <{target}>")


def notified(status: int) -> str:
    """A NOTIFY whose sipfrag has this status, and our 200."""
    return f"""
  <recv request="NOTIFY" timeout="20000"><action>
    <ereg regexp="SIP/2.0 {status}" search_in="msg" check_it="true" assign_to="1"/>
  </action></recv>{_REPLY}
  <Reference variables="1"/>"""


def bye(sequence: int = 4) -> str:
    """We hang up."""
    return _request("BYE", "[next_url]", sequence) + recv(200)


CANCEL = """
  <send retrans="500"><![CDATA[

      CANCEL sip:[service]@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch-{back}]
      From: <sip:acd@[local_ip]:[local_port]>;tag=[pid]T[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>
      Call-ID: [call_id]
      CSeq: 2 CANCEL
      Max-Forwards: 70
      Content-Length: 0

  ]]></send>"""

HUNG_UP_BY_THEM = f"""
  <recv request="BYE" timeout="40000"></recv>{_REPLY}"""


def cancelled_after_ringing() -> str:
    """180, CANCEL, 200 to it, 487, ACK."""
    # The INVITE stands three messages before the CANCEL: 100, 180, CANCEL.
    return (
        recv(100, optional=True)
        + recv(180)
        + CANCEL.replace("{back}", "3")
        + recv(200)
        + recv(487)
        + REFUSED_ACK
    )
