"""A real baresip for tests: a softphone that encrypts, and that a test can listen to.

    with run_baresip("127.64.1.4", says=tone, encryption=Encryption.REQUIRED) as phone:
        ...                               # dial phone.address, user "agent"
        phone.heard()                     # the samples that it has decoded

It answers every call at once, says the same file to everybody, and records what it hears.
"""

from tests.peers.baresip.runner import USER, Baresip, BaresipError, Encryption, run_baresip

__all__ = ["USER", "Baresip", "BaresipError", "Encryption", "run_baresip"]
