import pytest

from acd.lab.digest import (
    NONCE_SECONDS,
    Account,
    DigestDoor,
    Verdict,
    read_parameters,
    response_of,
)
from tests.unit.lab.credentials import ACCOUNT, credentials

DOOR = DigestDoor(ACCOUNT, b"secret")


def judged(authorization: str, *, now_seconds: float = 0.0) -> Verdict:
    return DOOR.check(authorization, method="INVITE", now_seconds=now_seconds)


def test_rfc_2617_example() -> None:
    account = Account(realm="testrealm@host.com", user="Mufasa", password="Circle Of Life")
    given = read_parameters(
        'Digest username="Mufasa", realm="testrealm@host.com", uri="/dir/index.html", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", qop=auth, nc=00000001, cnonce="0a4f113b"'
    )

    assert response_of(account.hashed(), given, "GET") == "6629fae49393a05397450978507c4ef1"


def test_right_credentials_are_accepted_again_and_again() -> None:
    authorization = credentials(DOOR.challenge(Verdict.MISSING, now_seconds=0.0))

    assert judged(authorization) is Verdict.ACCEPTED
    assert judged(authorization, now_seconds=NONCE_SECONDS - 1) is Verdict.ACCEPTED


def test_an_old_nonce_is_stale_and_the_challenge_says_so() -> None:
    authorization = credentials(DOOR.challenge(Verdict.MISSING, now_seconds=0.0))

    verdict = judged(authorization, now_seconds=NONCE_SECONDS)

    assert verdict is Verdict.STALE
    assert "stale=true" in DOOR.challenge(verdict, now_seconds=NONCE_SECONDS)


def test_a_nonce_of_another_lab_is_stale() -> None:
    other = DigestDoor(ACCOUNT, b"another")

    assert judged(credentials(other.challenge(Verdict.MISSING, now_seconds=0.0))) is Verdict.STALE


@pytest.mark.parametrize(
    "account",
    [
        Account(realm="acd-lab", user="acd", password="wrong"),
        Account(realm="acd-lab", user="somebody", password="lab"),
    ],
)
def test_wrong_user_or_password(account: Account) -> None:
    challenge = DOOR.challenge(Verdict.MISSING, now_seconds=0.0)

    assert judged(credentials(challenge, account=account)) is Verdict.WRONG
    assert "stale" not in DOOR.challenge(Verdict.WRONG, now_seconds=0.0)


def test_credentials_of_another_method_are_wrong() -> None:
    challenge = DOOR.challenge(Verdict.MISSING, now_seconds=0.0)

    assert judged(credentials(challenge, method="REGISTER")) is Verdict.WRONG


@pytest.mark.parametrize("header", ["", "Basic YWNkOmxhYg==", "Digest", "Digest ,,,"])
def test_nothing_usable_is_missing(header: str) -> None:
    assert judged(header) is Verdict.MISSING


@pytest.mark.parametrize("nonce", ["", "zz", "-1.00", "."])
def test_a_forged_nonce_is_no_crash(nonce: str) -> None:
    challenge = f'Digest realm="acd-lab", nonce="{nonce}"'

    assert judged(credentials(challenge)) is Verdict.STALE
