"""Tokens are believed in one form only. Hostile ones are made with the standard library, not with our own code."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.auth.tokens import Claims, InvalidToken, Role, TokenVerifier, load_secret, mint, new_secret
from hub.errors import ConfigurationError

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = datetime.now(UTC)
GOOD = {
    "sub": "nurse1",
    "iss": "bedside",
    "aud": "bedside",
    "iat": int(NOW.timestamp()) - 10,
    "exp": int(NOW.timestamp()) + 600,
    "jti": "j1",
    "roles": ["viewer"],
    "hospitals": ["h1"],
    "wards": [],
    "patients": [],
}
HEADER = {"alg": "HS256", "typ": "JWT"}


def encoded(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: object, header: object = HEADER, *, secret: bytes = SECRET, digest: str = "sha256") -> str:
    text = f"{encoded(header)}.{encoded(claims)}"
    return f"{text}.{encoded(hmac.new(secret, text.encode(), digest).digest())}"


def without(*names: str) -> dict:
    return {name: value for name, value in GOOD.items() if name not in names}


def verify(token: str) -> Claims:
    return TokenVerifier(SECRET, issuer="bedside", audience="bedside", max_bytes=8192).verify(token, now=NOW)


def test_a_good_token_is_believed():
    claims = verify(signed(GOOD))
    assert (claims.sub, claims.roles, claims.hospitals) == ("nurse1", {Role.VIEWER}, {"h1"})


def test_what_is_minted_is_believed_and_says_what_was_asked():
    token = mint(
        SECRET,
        subject="a",
        role="admin",
        hospitals=["*"],
        wards=["h:w"],
        patients=["p"],
        ttl=timedelta(hours=8),
        now=NOW,
    )
    claims = verify(token)
    assert (claims.roles, claims.hospitals, claims.wards, claims.patients) == ({Role.ADMIN}, {"*"}, {"h:w"}, {"p"})
    assert claims.expires == datetime.fromtimestamp(int(NOW.timestamp()) + 8 * 3600, UTC)


def test_two_minted_tokens_have_ids_of_their_own():
    one, two = (verify(mint(SECRET, subject="a", role="viewer", ttl=timedelta(hours=1), now=NOW)) for _ in range(2))
    assert one.jti != two.jti


def test_an_unknown_role_is_not_minted():
    with pytest.raises(ValueError, match="root"):
        mint(SECRET, subject="a", role="root", ttl=timedelta(hours=1), now=NOW)


_seconds = int(NOW.timestamp())
HOSTILE = {
    "empty": "",
    "one part": "abc",
    "two parts": "a.b",
    "four parts": signed(GOOD) + ".x",
    "no signature": signed(GOOD).rpartition(".")[0] + ".",
    "alg none": f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(GOOD)}.",
    "alg None": f"{encoded({'alg': 'None', 'typ': 'JWT'})}.{encoded(GOOD)}.",
    "alg none, signed": signed(GOOD, {"alg": "none", "typ": "JWT"}),
    "alg HS384": signed(GOOD, {"alg": "HS384", "typ": "JWT"}, digest="sha384"),
    "alg HS512": signed(GOOD, {"alg": "HS512", "typ": "JWT"}, digest="sha512"),
    "alg RS256": signed(GOOD, {"alg": "RS256", "typ": "JWT"}),
    "alg hs256": signed(GOOD, {"alg": "hs256", "typ": "JWT"}),
    "no alg": signed(GOOD, {"typ": "JWT"}),
    "alg a number": signed(GOOD, {"alg": 1, "typ": "JWT"}),
    "no typ": signed(GOOD, {"alg": "HS256"}),
    "another typ": signed(GOOD, {"alg": "HS256", "typ": "refresh"}),
    "at+jwt": signed(GOOD, {"alg": "HS256", "typ": "at+jwt"}),
    "crit": signed(GOOD, HEADER | {"crit": ["exp"]}),
    "detached payload": signed(GOOD, HEADER | {"b64": False, "crit": ["b64"]}),
    "header a list": signed(GOOD, []),
    "header not JSON": signed(GOOD, b"{"),
    "another secret": signed(GOOD, secret=b"x" * 32),
    "empty secret": signed(GOOD, secret=b""),
    "changed claims": f"{encoded(HEADER)}.{encoded(GOOD | {'roles': ['admin']})}.{signed(GOOD).rpartition('.')[2]}",
    "claims a list": signed([1]),
    "claims not JSON": signed(b"\xff"),
    "deep claims": signed(b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"),
    **{f"no {name}": signed(without(name)) for name in ("sub", "iss", "aud", "iat", "exp", "jti", "roles")},
    "expired": signed(GOOD | {"exp": _seconds - 1}),
    "expires now": signed(GOOD | {"exp": _seconds}),
    "exp a text": signed(GOOD | {"exp": "never"}),
    "exp null": signed(GOOD | {"exp": None}),
    "exp infinite": signed(b'{"exp":1e999,' + json.dumps(without("exp")).encode()[1:]),
    "issued in the future": signed(GOOD | {"iat": _seconds + 600}),
    "not before the future": signed(GOOD | {"nbf": _seconds + 600}),
    "another audience": signed(GOOD | {"aud": "other"}),
    "several audiences": signed(GOOD | {"aud": ["bedside", "other"]}),
    "another issuer": signed(GOOD | {"iss": "other"}),
    "several issuers": signed(GOOD | {"iss": ["bedside"]}),
    "empty subject": signed(GOOD | {"sub": ""}),
    "subject a number": signed(GOOD | {"sub": 1}),
    "a long subject": signed(GOOD | {"sub": "x" * 201}),
    "a subject with a NUL": signed(GOOD | {"sub": "a\0b"}),
    "a subject with half a surrogate pair": signed(GOOD | {"sub": "a\ud800"}),
    "empty id": signed(GOOD | {"jti": ""}),
    "no role in the list": signed(GOOD | {"roles": []}),
    "an unknown role": signed(GOOD | {"roles": ["root"]}),
    "roles a text": signed(GOOD | {"roles": "admin"}),
    "every hospital, no admin": signed(GOOD | {"hospitals": ["*"]}),
    "every patient, no admin": signed(GOOD | {"patients": ["*"]}),
    "every ward, no admin": signed(GOOD | {"wards": ["*"]}),
    "a pattern of hospitals": signed(GOOD | {"hospitals": ["h*"]}),
    "oversized": signed(GOOD | {"patients": [f"p{n}" for n in range(2000)]}),
    "huge": "x" * 1_000_000,
    "not ASCII": "é.é.é",
    "null bytes": "\0.\0.\0",
}


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_token_is_not_believed_and_the_refusal_holds_nothing_of_it(token: str):
    with pytest.raises(InvalidToken) as refusal:
        verify(token)
    assert len(str(refusal.value)) < 80
    assert "nurse1" not in str(refusal.value)


def test_forty_hostile_tokens_and_more_are_tried():
    assert len(HOSTILE) >= 40


def test_a_short_secret_is_refused(tmp_path: Path):
    (tmp_path / "short").write_bytes(b"x" * 31 + b"\n")
    with pytest.raises(ConfigurationError, match="31 bytes"):
        load_secret(tmp_path / "short")
    with pytest.raises(ConfigurationError, match="can't read"):
        load_secret(tmp_path / "none")


def test_a_new_secret_can_be_loaded(tmp_path: Path):
    secret = new_secret()
    (tmp_path / "secret").write_bytes(secret + b"\n")
    assert load_secret(tmp_path / "secret") == secret
    assert secret != new_secret()
