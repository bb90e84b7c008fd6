"""What a caller answers to a challenge of the lab."""

from acd.lab.digest import Account, read_parameters, response_of

ACCOUNT = Account(realm="acd-lab", user="acd", password="lab")


def credentials(challenge: str, *, account: Account = ACCOUNT, method: str = "INVITE") -> str:
    given = {
        "username": account.user,
        "realm": read_parameters(challenge)["realm"],
        "nonce": read_parameters(challenge)["nonce"],
        "uri": "sip:+436601234500@127.0.0.1",
        "nc": "00000001",
        "cnonce": "0a4f113b",
        "qop": "auth",
    }
    response = response_of(account.hashed(), given, method)
    quoted = ", ".join(f'{name}="{value}"' for name, value in given.items())
    return f'Digest {quoted}, response="{response}", algorithm=MD5'
