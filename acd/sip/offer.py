"""What one trunk says of codecs, cut out of what pjsua says for all of them.

pjsua has one list of codecs a process, and with several trunks it holds what any of them wants.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from acd.settings import Codec

_PAYLOAD_TYPES = {Codec.PCMU: "0", Codec.PCMA: "8"}
"""Static ones (RFC 3551 6)."""
_AUDIO = re.compile(r"^(m=audio \d+ [\w/]+)((?: \d+)+)", re.MULTILINE)


def with_only(sdp: str, codecs: Sequence[Codec]) -> str:
    """An SDP with these codecs, in this order, and whatever else is no codec of ours.

    An answer in which nothing would be left stays as it is: pjsua then refuses it by itself.
    """
    wanted = [_PAYLOAD_TYPES[codec] for codec in codecs]
    dropped = [number for number in _PAYLOAD_TYPES.values() if number not in wanted]
    found = _AUDIO.search(sdp)
    if found is None:
        return sdp
    said = found[2].split()
    kept = [number for number in wanted if number in said]
    if not kept:
        return sdp
    kept += [number for number in said if number not in _PAYLOAD_TYPES.values()]
    sdp = _AUDIO.sub(rf"\1 {' '.join(kept)}", sdp, count=1)
    for number in dropped:
        sdp = re.sub(rf"^a=(?:rtpmap|fmtp):{number} .*\r?\n", "", sdp, flags=re.MULTILINE)
    return sdp
