"""A provider's key set: what of it is believed, and that each key is for one algorithm alone."""

import json
from typing import Any

import pytest

from hub.auth.keys import InvalidKeys, KeySet, SharedSecret, UnknownKey, key_set
from tests.support.identity_provider import SigningKey

RSA, EC, ED = SigningKey("rsa"), SigningKey("ec", "ES256"), SigningKey("ed", "EdDSA")
SMALL = SigningKey("small", bits=1024)


def published(*members: Any) -> KeySet:
    return key_set(json.dumps({"keys": members}).encode())


def test_keys_of_three_kinds_are_found_by_their_names_each_for_its_algorithm():
    keys = published(RSA.jwk, EC.jwk, ED.jwk)
    for key in (RSA, EC, ED):
        assert keys.find(key.algorithm, key.name).algorithm == key.algorithm
    for algorithm, name in (("HS256", "rsa"), ("PS256", "rsa"), ("RS256", "ec"), ("ES256", None), ("RS256", "none")):
        with pytest.raises(UnknownKey):
            keys.find(algorithm, name)


def test_a_token_that_names_no_key_is_for_a_set_of_one_alone():
    assert published(RSA.jwk).find("RS256", None).algorithm == "RS256"
    with pytest.raises(UnknownKey):
        published(RSA.jwk, SigningKey("other").jwk).find("RS256", None)


REFUSED = {
    "a small RSA key": SMALL.jwk,
    "a private key": RSA.private_jwk,
    "a private curve key": EC.private_jwk,
    "a secret": {"kty": "oct", "k": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg", "alg": "HS256", "kid": "x"},
    "for encryption": RSA.jwk | {"use": "enc"},
    "for signing only": RSA.jwk | {"key_ops": ["sign"]},
    "for another algorithm": RSA.jwk | {"alg": "HS256"},
    "for RS512": RSA.jwk | {"alg": "RS512"},
    "on another curve": EC.jwk | {"crv": "P-384"},
    "off the curve": EC.jwk | {"x": EC.jwk["y"]},
    "without its number": {name: value for name, value in RSA.jwk.items() if name != "n"},
    "a number that is none": RSA.jwk | {"n": "!"},
    "a name that is a number": RSA.jwk | {"kid": 1},
    "an operation that is no list": RSA.jwk | {"key_ops": "sign"},
    "of no kind": {"kid": "x"},
}


@pytest.mark.parametrize("member", REFUSED.values(), ids=REFUSED.keys())
def test_a_key_that_can_not_be_believed_is_left_out_and_said(member: dict[str, Any]):
    keys = published(ED.jwk, member)
    assert (len(keys), len(keys.refused)) == (1, 1)
    assert keys.refused[0].startswith("key 2 ")
    with pytest.raises(InvalidKeys, match="no key that can be used"):
        published(member)


def test_of_two_keys_of_one_name_the_second_is_left_out():
    keys = published(RSA.jwk, EC.jwk | {"kid": "rsa"})
    assert keys.find("RS256", "rsa").algorithm == "RS256"
    assert keys.refused == ("key 2 has the name of another",)


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[]", b'{"keys": 1}', b'{"keys": [1]}', b"\xff", b'{"keys": []}', b"[" * 5000]
)
def test_what_is_no_key_set_is_refused(document: bytes):
    with pytest.raises(InvalidKeys):
        key_set(document)


def test_a_shared_secret_is_for_hs256_alone():
    assert SharedSecret(b"x" * 32).find("HS256", "any").material == b"x" * 32
    with pytest.raises(UnknownKey):
        SharedSecret(b"x" * 32).find("HS512", None)
