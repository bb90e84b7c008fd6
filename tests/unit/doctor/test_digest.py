"""Digest answers, against the examples that the RFCs print."""

from __future__ import annotations

from acd.doctor.digest import Challenge, credentials, usable_challenge

# RFC 7616 3.9.1
_MUFASA = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={},'
    ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",'
    ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


def _answer(challenge: Challenge, uri: str = "/dir/index.html") -> str:
    return credentials(
        challenge,
        user="Mufasa",
        password="Circle of Life",
        method="GET",
        uri=uri,
        client_nonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )


def test_md5_with_qop_gives_the_response_of_rfc_7616() -> None:
    challenge = usable_challenge([_MUFASA.format("MD5")])
    assert challenge is not None
    assert 'response="8ca523f5e9506fed4657c9700eebdbec"' in _answer(challenge)


def test_sha_256_with_qop_gives_the_response_of_rfc_7616() -> None:
    challenge = usable_challenge([_MUFASA.format("SHA-256")])
    assert challenge is not None
    answer = _answer(challenge)
    expected = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    assert f'response="{expected}"' in answer
    assert "qop=auth, nc=00000001" in answer
    assert "algorithm=SHA-256" in answer
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in answer


def test_a_server_without_qop_gets_the_older_response() -> None:
    # The example of RFC 2069 2.4 with the response of its erratum 749.
    challenge = usable_challenge(
        [
            'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
            ' opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        ]
    )
    assert challenge is not None
    answer = credentials(
        challenge,
        user="Mufasa",
        password="CircleOfLife",
        method="GET",
        uri="/dir/index.html",
        client_nonce="never used",
    )
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in answer
    assert "qop" not in answer


def test_the_first_challenge_with_a_hash_we_have_is_answered() -> None:
    # RFC 8760 2.4: a server lists what it prefers first, each in a header of its own.
    challenge = usable_challenge(
        [
            'Digest realm="a", nonce="1", algorithm=SHA-512-256, qop="auth"',
            'Basic realm="a"',
            'Digest realm="a", nonce="2", algorithm=SHA-256, qop="auth"',
            'Digest realm="a", nonce="3", algorithm=MD5, qop="auth"',
        ]
    )
    assert challenge is not None
    assert challenge.nonce == "2"


def test_no_challenge_that_we_could_answer_is_said() -> None:
    assert usable_challenge(['Digest realm="a", nonce="1", algorithm=AKAv1-MD5']) is None
    assert usable_challenge(['Digest realm="a", nonce="1", qop="auth-int"']) is None
    assert usable_challenge([]) is None


def test_quotes_in_a_realm_stay_inside_it() -> None:
    challenge = usable_challenge([r'Digest realm="the \"inner\" realm", nonce="1", stale=TRUE'])
    assert challenge is not None
    assert challenge.realm == 'the "inner" realm'
    assert challenge.stale
    assert r'realm="the \"inner\" realm"' in _answer(challenge)
