"""What a believed token says, and the development tokens that we sign ourselves: JWTs with HS256. `verification` believes them."""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import jwt
import msgspec

from hub.auth.keys import Algorithm
from hub.errors import ConfigurationError
from vitals.identifiers import PatientId

TYPE: Final = "JWT"
MIN_SECRET_BYTES: Final = 32
ALL: Final = "*"
_ID: Final = "[A-Za-z0-9_.-]{1,64}"
Subject: TypeAlias = Annotated[
    str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*\Z")
]
"""Who is calling, as it goes to the record beside what they did."""
TokenId: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
ScopeName: TypeAlias = Annotated[str, msgspec.Meta(pattern=rf"^(\*|{_ID})\Z")]
WardName: TypeAlias = Annotated[str, msgspec.Meta(pattern=rf"^(\*|{_ID}:{_ID})\Z")]


@unique
class Role(StrEnum):
    VIEWER = "viewer"
    CLINICIAN = "clinician"
    TECHNICIAN = "technician"
    TESTER = "tester"
    ADMIN = "admin"


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a believed token says. `wards` are `hospital_id:ward_id`; `"*"` in a scope means all, and only for admins.

    Two members come from us and never from a token: `opened` are patients whom break-glass has opened to the user for now, `session` names
    the browser session whose cookie stood for the token.
    """

    sub: Subject
    jti: TokenId
    iss: str
    aud: str
    iat: int
    exp: int
    roles: frozenset[Role]
    hospitals: frozenset[ScopeName] = frozenset()
    wards: frozenset[WardName] = frozenset()
    patients: frozenset[ScopeName] = frozenset()
    opened: frozenset[PatientId] = frozenset()
    session: str | None = None

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
    return jwt.encode(claims, secret, algorithm=Algorithm.HS256, headers={"typ": TYPE})
