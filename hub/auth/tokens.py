"""Tokens: JWTs signed with HS256, minted and believed only in one strict form.

PyJWT by itself takes tokens without exp, aud or iss, of any `typ`, and keys of five bytes; every one of these is required and
pinned here. Only this module imports it.
"""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import jwt
import msgspec

from hub.auth.errors import Unauthenticated
from hub.errors import ConfigurationError

ALGORITHM: Final = "HS256"
TYPE: Final = "JWT"
MIN_SECRET_BYTES: Final = 32
ALL: Final = "*"
_ID: Final = "[A-Za-z0-9_.-]{1,64}"
Subject: TypeAlias = Annotated[
    str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*\Z")
]
"""Who is calling, as it goes to the record beside what they did."""
ScopeName: TypeAlias = Annotated[str, msgspec.Meta(pattern=rf"^(\*|{_ID})\Z")]
WardName: TypeAlias = Annotated[str, msgspec.Meta(pattern=rf"^(\*|{_ID}:{_ID})\Z")]
REQUIRED: Final = ("exp", "iat", "aud", "iss", "sub", "jti")


@unique
class Role(StrEnum):
    VIEWER = "viewer"
    CLINICIAN = "clinician"
    TECHNICIAN = "technician"
    TESTER = "tester"
    ADMIN = "admin"


class InvalidToken(Unauthenticated):
    """The token is not believed; the message says why and holds nothing of it."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a believed token says. `wards` are `hospital_id:ward_id`; `"*"` in a scope means all, and only for admins."""

    sub: Subject
    jti: str
    iss: str
    aud: str
    iat: int
    exp: int
    roles: frozenset[Role]
    hospitals: frozenset[ScopeName] = frozenset()
    wards: frozenset[WardName] = frozenset()
    patients: frozenset[ScopeName] = frozenset()

    @property
    def expires(self) -> datetime:
        return datetime.fromtimestamp(self.exp, UTC)


def new_secret() -> bytes:
    """A fresh key for a secret file: 384 random bits in letters that survive an editor."""
    return secrets.token_urlsafe(48).encode()


def load_secret(path: Path, key: str = "auth.secret_file") -> bytes:
    """The secret in `path`, without surrounding white space. Raises ConfigurationError, which names the setting's `key`."""
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"{key}: can't read {path}: {error.strerror}") from error
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigurationError(f"{key}: {path} holds {len(secret)} bytes; put {MIN_SECRET_BYTES} or more")
    return secret


def mint(
    secret: bytes,
    *,
    subject: str,
    role: Role | str,
    ttl: timedelta,
    now: datetime,
    hospitals: Iterable[str] = (),
    wards: Iterable[str] = (),
    patients: Iterable[str] = (),
    issuer: str = "bedside",
    audience: str = "bedside",
    token_id: str | None = None,
) -> str:
    """A signed token. `hospitals=["*"]` and `patients=["*"]` are for admins. Ids aren't looked up. Raises ValueError for an unknown role."""
    claims = {
        "sub": subject,
        "iss": issuer,
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + ttl).timestamp()),
        "jti": token_id or secrets.token_hex(16),
        "roles": [Role(role).value],
        "hospitals": sorted(hospitals),
        "wards": sorted(wards),
        "patients": sorted(patients),
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM, headers={"typ": TYPE})


class TokenVerifier:
    """Believes tokens of one issuer for one audience, signed with one key."""

    def __init__(self, secret: bytes, *, issuer: str, audience: str, max_bytes: int) -> None:
        self._secret = secret
        self._issuer = issuer
        self._audience = audience
        self._max_bytes = max_bytes

    def verify(self, token: str, *, now: datetime) -> Claims:
        """The token's claims. Raises InvalidToken."""
        if len(token) > self._max_bytes:
            raise InvalidToken("the token is too long")
        claims = _claims(self._decoded(token))
        if claims.exp <= now.timestamp():
            raise InvalidToken("the token has expired")
        return claims

    def _decoded(self, token: str) -> dict[str, Any]:
        try:
            complete = jwt.decode_complete(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": list(REQUIRED), "strict_aud": True},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise InvalidToken(_REASONS.get(type(error), "the token is not valid")) from error
        if complete["header"].get("typ") != TYPE or "crit" in complete["header"]:
            raise InvalidToken("the token is of another type")
        payload: dict[str, Any] = complete["payload"]
        return payload


_REASONS: Final = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is of another issuer",
    jwt.InvalidSignatureError: "the token's signature does not match",
    jwt.MissingRequiredClaimError: "the token lacks a required claim",
}


def _claims(payload: dict[str, Any]) -> Claims:
    try:
        claims = msgspec.convert(payload, Claims)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidToken("the token's claims have another form") from error
    if not claims.sub or not claims.jti or not claims.roles:
        raise InvalidToken("the token names no subject, id or role")
    if Role.ADMIN not in claims.roles and ALL in claims.hospitals | claims.wards | claims.patients:
        raise InvalidToken("only an admin's token may cover everything")
    return claims
