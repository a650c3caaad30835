"""Tokens that must not be believed, made with the standard library alone, for a hub that believes HS256 tokens of one secret."""

import base64
import hmac
import json
import time
from typing import Any

SECONDS = int(time.time())
GOOD: dict[str, Any] = {
    "sub": "nurse1",
    "iss": "bedside",
    "aud": "bedside",
    "iat": SECONDS - 10,
    "exp": SECONDS + 3600,
    "jti": "j1",
    "roles": ["viewer"],
    "hospitals": ["h1"],
    "wards": [],
    "patients": [],
}
HEADER = {"alg": "HS256", "typ": "JWT"}
PUBLIC_JWK = {"kty": "oct", "k": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg", "alg": "HS256"}


def encoded(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: object, header: object = HEADER, *, secret: bytes, digest: str = "sha256") -> str:
    text = f"{encoded(header)}.{encoded(claims)}"
    return f"{text}.{encoded(hmac.new(secret, text.encode(), digest).digest())}"


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name not in names}


def hostile(secret: bytes) -> dict[str, str]:
    """Name -> token. All but the first few are well signed where a signature is not the point."""

    def good(claims: object = GOOD, header: object = HEADER, **how: Any) -> str:
        return signed(claims, header, **({"secret": secret} | how))

    return {
        "empty": "",
        "one part": "abc",
        "two parts": "a.b",
        "four parts": good() + ".x",
        "no signature": good().rpartition(".")[0] + ".",
        "padded": good() + "=",
        "a space within": good().replace(".", ". "),
        "alg none": f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(GOOD)}.",
        "alg None": f"{encoded({'alg': 'None', 'typ': 'JWT'})}.{encoded(GOOD)}.",
        "alg none, signed": good(GOOD, {"alg": "none", "typ": "JWT"}),
        "alg HS384": good(GOOD, {"alg": "HS384", "typ": "JWT"}, digest="sha384"),
        "alg HS512": good(GOOD, {"alg": "HS512", "typ": "JWT"}, digest="sha512"),
        "alg RS256": good(GOOD, {"alg": "RS256", "typ": "JWT"}),
        "alg ES256": good(GOOD, {"alg": "ES256", "typ": "JWT"}),
        "alg EdDSA": good(GOOD, {"alg": "EdDSA", "typ": "JWT"}),
        "alg hs256": good(GOOD, {"alg": "hs256", "typ": "JWT"}),
        "no alg": good(GOOD, {"typ": "JWT"}),
        "alg a number": good(GOOD, {"alg": 1, "typ": "JWT"}),
        "alg a list": good(GOOD, {"alg": ["HS256"], "typ": "JWT"}),
        "no typ": good(GOOD, {"alg": "HS256"}),
        "another typ": good(GOOD, {"alg": "HS256", "typ": "refresh"}),
        "at+jwt": good(GOOD, {"alg": "HS256", "typ": "at+jwt"}),
        "crit": good(GOOD, HEADER | {"crit": ["exp"]}),
        "detached payload": good(GOOD, HEADER | {"b64": False, "crit": ["b64"]}),
        "header a list": good(GOOD, []),
        "header not JSON": good(GOOD, b"{"),
        "a key of its own": good(GOOD, HEADER | {"jwk": PUBLIC_JWK}, secret=b"x" * 32),
        "a key behind an address": good(GOOD, HEADER | {"jku": "http://127.0.0.1:1/keys"}, secret=b"x" * 32),
        "a certificate behind an address": good(GOOD, HEADER | {"x5u": "http://127.0.0.1:1/x"}, secret=b"x" * 32),
        "a key that is a path": good(GOOD, HEADER | {"kid": "../../../dev/null"}, secret=b""),
        "a key that is a statement": good(GOOD, HEADER | {"kid": "x' UNION SELECT 'key"}, secret=b"key"),
        "a key that is a number": good(GOOD, HEADER | {"kid": 1}),
        "another secret": good(GOOD, secret=b"x" * 32),
        "empty secret": good(GOOD, secret=b""),
        "changed claims": f"{encoded(HEADER)}.{encoded(GOOD | {'roles': ['admin']})}.{good().rpartition('.')[2]}",
        "claims a list": good([1]),
        "claims not JSON": good(b"\xff"),
        "deep claims": good(b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"),
        **{f"no {name}": good(without(name)) for name in ("sub", "iss", "aud", "iat", "exp", "jti", "roles")},
        "expired": good(GOOD | {"exp": SECONDS - 1}),
        "expires now": good(GOOD | {"exp": SECONDS}),
        "good for too long": good(GOOD | {"exp": SECONDS + 500 * 86400}),
        "exp a text": good(GOOD | {"exp": "never"}),
        "exp null": good(GOOD | {"exp": None}),
        "exp infinite": good(b'{"exp":1e999,' + json.dumps(without("exp")).encode()[1:]),
        "exp twice": good(b'{"exp":%d,' % (SECONDS + 600) + json.dumps(GOOD | {"exp": 1}).encode()[1:]),
        "issued in the future": good(GOOD | {"iat": SECONDS + 600}),
        "not before the future": good(GOOD | {"nbf": SECONDS + 600}),
        "another audience": good(GOOD | {"aud": "other"}),
        "several audiences": good(GOOD | {"aud": ["bedside", "other"]}),
        "another issuer": good(GOOD | {"iss": "other"}),
        "several issuers": good(GOOD | {"iss": ["bedside"]}),
        "empty subject": good(GOOD | {"sub": ""}),
        "subject a number": good(GOOD | {"sub": 1}),
        "a long subject": good(GOOD | {"sub": "x" * 201}),
        "a subject with a NUL": good(GOOD | {"sub": "a\0b"}),
        "a subject with half a surrogate pair": good(GOOD | {"sub": "a\ud800"}),
        "empty id": good(GOOD | {"jti": ""}),
        "a long id": good(GOOD | {"jti": "x" * 201}),
        "no role in the list": good(GOOD | {"roles": []}),
        "an unknown role": good(GOOD | {"roles": ["root"]}),
        "roles a text": good(GOOD | {"roles": "admin"}),
        "every hospital, no admin": good(GOOD | {"hospitals": ["*"]}),
        "every patient, no admin": good(GOOD | {"patients": ["*"]}),
        "every ward, no admin": good(GOOD | {"wards": ["*"]}),
        "a pattern of hospitals": good(GOOD | {"hospitals": ["h*"]}),
        "oversized": good(GOOD | {"patients": [f"p{n}" for n in range(2000)]}),
    }


UNSENDABLE = {"huge": "x" * 1_000_000, "not ASCII": "é.é.é", "null bytes": "\0.\0.\0"}
"""Those that no header holds."""


def privileged(secret: bytes) -> str:
    """A believed token that claims what only the hub may say of a user."""
    claims = GOOD | {"opened": ["507f1f77bcf86cd799439011"], "session": "s"}
    return signed(claims, secret=secret)
