"""Tokens of a hospital's own provider: where its claims stand, what its roles mean, which key is for what. Hostile ones are refused."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from hub.auth.errors import InvalidToken
from hub.auth.keys import KeySet, SeveralKeys, SharedSecret, key_set
from hub.auth.settings import ClaimPaths
from hub.auth.tokens import Claims, Role
from hub.auth.verification import TokenForm, TokenVerifier
from tests.support.hostile_tokens import GOOD, signed
from tests.support.identity_provider import ISSUER, SigningKey

RSA, EC, ED = SigningKey("rsa"), SigningKey("ec", "ES256"), SigningKey("ed", "EdDSA")
STRANGER = SigningKey("rsa")
ROLES = {"ward-nurse": Role.CLINICIAN, "it-admin": Role.ADMIN}


def key_set_of(*keys: SigningKey) -> KeySet:
    return key_set(json.dumps({"keys": [key.jwk for key in keys]}).encode())


class Learned:
    """Keys that don't change."""

    def __init__(self, *keys: SigningKey) -> None:
        self._set = key_set_of(*keys)

    def find(self, algorithm: str, key_id: str | None) -> Any:
        return self._set.find(algorithm, key_id)

    async def learn(self) -> bool:
        return False


def verify(token: str, **form: Any) -> Claims:
    keys = SeveralKeys(SharedSecret(b"x" * 32), Learned(RSA, EC, ED))
    verifier = TokenVerifier(keys, TokenForm(issuer=ISSUER, audience="bedside", max_bytes=8192, **form))
    return verifier.verify(token, now=datetime.now(UTC))


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=lambda key: key.algorithm)
def test_a_token_of_each_algorithm_is_believed(key: SigningKey):
    assert verify(key.token(hospitals=["h1"])).hospitals == {"h1"}


def test_claims_are_found_where_the_settings_say():
    token = RSA.token(
        sub="f81d4fae", preferred_username="nurse1", uti="t1", aud=["account", "bedside"],
        realm_access={"roles": ["offline_access", "ward-nurse"]}, bedside={"wards": ["h1:w1"]},
        **{"https://hospital.example/hospitals": ["h2"], "roles": ["admin"], "hospitals": ["*"], "jti": "other"},
    )  # fmt: skip
    paths = ClaimPaths(
        sub="preferred_username",
        jti="uti",
        roles="realm_access.roles",
        wards="bedside.wards",
        hospitals="https://hospital.example/hospitals",
        patients="bedside.patients.list",
    )
    claims = verify(token, paths=paths, role_names=ROLES, lone_audience=False)
    assert (claims.sub, claims.jti, claims.roles) == ("nurse1", "t1", {Role.CLINICIAN})
    assert (claims.hospitals, claims.wards, claims.patients) == ({"h2"}, {"h1:w1"}, frozenset())


@pytest.mark.parametrize(
    "roles", [[], ["offline_access"], ["admin"], "it-admin", {"it-admin": True}, None, [["it-admin"]]]
)
def test_with_a_map_of_roles_other_names_mean_nothing(roles: object):
    with pytest.raises(InvalidToken):
        verify(RSA.token(roles=roles), role_names=ROLES)


def test_the_issuers_clock_may_be_a_little_ahead_but_the_end_is_exact():
    now = int(datetime.now(UTC).timestamp())
    assert verify(RSA.token(iat=now + 3), leeway_seconds=5)
    for claims in ({"iat": now + 30}, {"nbf": now + 30}, {"exp": now - 1}):
        with pytest.raises(InvalidToken):
            verify(RSA.token(**claims), leeway_seconds=5)


def public_pem(key: SigningKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.private.public_key().public_bytes(serialization.Encoding.PEM, form)


def by_hand(secret: bytes, header: dict[str, Any]) -> str:
    return signed(GOOD | {"iss": ISSUER}, header, secret=secret)


def signed_by(key: SigningKey, algorithm: str, name: str) -> str:
    """A token that would be believed, were it not for its algorithm or the name of its key."""
    claims = jwt.decode(key.token(), options={"verify_signature": False})
    return jwt.encode(claims, key.private, algorithm=algorithm, headers={"typ": "JWT", "kid": name})


HOSTILE = {
    "signed by a stranger under the same name": STRANGER.token(),
    "a name that isn't published": SigningKey("other").token(),
    "no name among several keys": SigningKey(None).token(),
    "a public key taken for a secret": by_hand(public_pem(RSA), {"alg": "HS256", "typ": "JWT", "kid": "rsa"}),
    "an RSA key named for a curve": signed_by(RSA, "RS256", "ec"),
    "RS512 of the same key": signed_by(RSA, "RS512", "rsa"),
    "PS256 of the same key": signed_by(RSA, "PS256", "rsa"),
    "a key of its own": STRANGER.token({"jwk": STRANGER.jwk}),
    "a key behind an address": STRANGER.token({"jku": "https://evil.example/keys"}),
    "a certificate of its own": STRANGER.token({"x5c": ["MIIB"]}),
    "another type": RSA.token({"typ": "at+jwt"}),
    "an ID token for another client": RSA.token(aud="portal"),
    "several audiences": RSA.token(aud=["bedside", "portal"]),
    "another realm": RSA.token(iss=ISSUER + "2"),
    "critical extensions": RSA.token({"crit": ["x"], "x": 1}),
}


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_token_is_not_believed(token: str):
    with pytest.raises(InvalidToken):
        verify(token)


def without(*names: str) -> str:
    claims = GOOD | {"iss": ISSUER}
    return signed({name: value for name, value in claims.items() if name not in names}, secret=b"x" * 32)


ROLE = "`roles` names a role that is not known here; see auth.roles"
TYP = "the token's typ is not in auth.token_types"
REFUSALS = {
    "no id": (without("jti"), "`jti` is missing (looked for at `jti`; see auth.claims.jti)"),
    "no issuing time": (without("iat"), "the token lacks `iat`"),
    "no roles": (without("roles"), "`roles` is missing (looked for at `roles`; see auth.claims.roles)"),
    "a hospital": (RSA.token(hospitals="h7"), "`hospitals` must be a list"),
    "a number": (RSA.token(wards=[7]), "`wards` must be a list of texts"),
    "a ward": (RSA.token(wards=["h7"]), "`wards` has another form"),
    "a role": (RSA.token(roles=["h7"]), ROLE),
    "a place in a value": (RSA.token(roles=["h7' - at `$.sub`"]), ROLE),
    "half a second": (RSA.token(iat=1.5), "`iat` must be a whole number"),
    "an id that is a number": (RSA.token(jti=7), "`jti` must be a text"),
    "another type": (by_hand(b"x" * 32, {"alg": "HS256", "typ": "h7"}), TYP),
    "an access token": (RSA.token({"typ": "at+jwt"}), TYP),
}


@pytest.mark.parametrize(("token", "said"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_names_the_claim_and_the_setting_and_nothing_of_the_value(token: str, said: str):
    with pytest.raises(InvalidToken) as refusal:
        verify(token)
    assert str(refusal.value) == said


def test_a_refusal_names_where_the_settings_look_also_for_roles_that_are_mapped():
    paths = ClaimPaths(jti="uti", roles="realm_access.roles")
    with pytest.raises(InvalidToken, match=r"^`jti` is missing \(looked for at `uti`; see auth\.claims\.jti\)$"):
        verify(RSA.token(realm_access={"roles": ["ward-nurse"]}), paths=paths, role_names=ROLES)
    with pytest.raises(InvalidToken, match=r"^`realm_access\.roles` must be a list$"):
        verify(RSA.token(uti="t1", realm_access={"roles": "ward-nurse"}), paths=paths, role_names=ROLES)


def test_a_token_that_lives_too_long_is_refused_for_its_revocation_would_be_forgotten():
    now = datetime.now(UTC)
    with pytest.raises(InvalidToken, match="too long"):
        verify(RSA.token(exp=int((now + timedelta(days=500)).timestamp())))
