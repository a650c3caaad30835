"""Verifying tokens: JWTs (RFC 7519, RFC 8725) believed only in one strict form.

PyJWT by itself takes tokens without exp, aud or iss, of any `typ`, and keys of five bytes; every one of these is required and
pinned here. A token's header only names a key: keys in it or behind addresses in it (`jwk`, `jku`, `x5u` …) are not looked at.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import jwt
import msgspec
from jwt.exceptions import InvalidJTIError, InvalidSubjectError

from hub.auth.errors import InvalidToken
from hub.auth.keys import Keys
from hub.auth.settings import OURS, ClaimPaths
from hub.auth.tokens import ALL, TYPE, Claims, Role

REQUIRED: Final = ("exp", "iat", "aud", "iss")
"""Those that are always under their registered names; `sub` and `jti` are needed where the paths say."""
_NOTHING: Final = object()
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""RFC 7515, section 3.1: no padding, no white space."""
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")
_PLACE: Final = re.compile(r" - at `\$\.(\w+)[^`]*`\Z")


class TokenForm(msgspec.Struct, frozen=True, kw_only=True):
    """What a token must look like.

    `leeway_seconds` is for clocks that differ, on `iat` and `nbf`; `exp` is exact. `lone_audience`: `aud` is the audience alone, not one of
    a list. `role_names` are the issuer's names for our roles; where there are any, other names mean nothing, and else the names are ours.
    """

    issuer: str
    audience: str
    max_bytes: int
    types: tuple[str, ...] = (TYPE,)
    leeway_seconds: float = 0
    longest_seconds: float = 400 * 86400
    lone_audience: bool = True
    paths: ClaimPaths = OURS
    role_names: Mapping[str, Role] = msgspec.field(default_factory=dict)


class TokenVerifier:
    """Believes tokens of one issuer for one audience, signed with a known key."""

    def __init__(self, keys: Keys, form: TokenForm) -> None:
        self._keys = keys
        self._form = form

    def verify(self, token: str, *, now: datetime) -> Claims:
        """The token's claims. Raises InvalidToken, UnknownKey or KeysUnavailable."""
        if len(token) > self._form.max_bytes:
            raise InvalidToken("the token is too long")
        claims = _claims(self._decoded(token), self._form)
        if claims.exp <= now.timestamp():
            raise InvalidToken("the token has expired")
        if claims.exp - claims.iat > self._form.longest_seconds:
            raise InvalidToken("the token is good for too long")
        return claims

    def _decoded(self, token: str) -> dict[str, Any]:
        form = self._form
        if _COMPACT.fullmatch(token) is None:
            raise InvalidToken("the token is not valid")
        try:
            header = jwt.get_unverified_header(token)
            _check_header(header, form.types)
            key = self._keys.find(str(header.get("alg")), header.get("kid"))
            payload: dict[str, Any] = jwt.decode(
                token,
                key.material,
                algorithms=[key.algorithm],
                issuer=form.issuer,
                audience=form.audience,
                leeway=form.leeway_seconds,
                options={"require": list(REQUIRED), "strict_aud": form.lone_audience},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise InvalidToken(_refusal(error)) from error
        return payload


def _check_header(header: Mapping[str, Any], types: tuple[str, ...]) -> None:
    if header.get("typ") not in types:
        raise InvalidToken("the token's typ is not in auth.token_types")
    if "crit" in header:
        raise InvalidToken("the token's header has crit")


_REASONS: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is of another issuer",
    jwt.InvalidSignatureError: "the token's signature does not match",
    jwt.InvalidIssuedAtError: "`iat` must be a number",
    InvalidSubjectError: "`sub` must be a text",
    InvalidJTIError: "`jti` must be a text",
}


def _refusal(error: Exception) -> str:
    """What is wrong with a token that PyJWT refuses: names of claims, never their values."""
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the token lacks `{error.claim}`"
    return _REASONS.get(type(error), "the token is not valid")


def _claims(payload: Mapping[str, Any], form: TokenForm) -> Claims:
    said = {name: value for name, path in form.paths.mapping().items() if (value := _at(payload, path)) is not _NOTHING}
    said |= {name: payload[name] for name in ("iss", "iat", "exp")} | {"aud": form.audience}
    if form.role_names and isinstance(names := said.get("roles"), list):
        said["roles"] = _our_roles(names, form.role_names)
    try:
        claims = msgspec.convert(said, Claims)
    except RecursionError as error:
        raise InvalidToken("the token's claims have another form") from error
    except msgspec.ValidationError as error:
        raise InvalidToken(_fault(str(error), form.paths)) from error
    if not claims.roles:
        raise InvalidToken("the token names no role that there is here")
    if Role.ADMIN not in claims.roles and ALL in claims.hospitals | claims.wards | claims.patients:
        raise InvalidToken("only an admin's token may cover everything")
    return claims


def _fault(said: str, paths: ClaimPaths) -> str:
    """msgspec's words without what the token holds: which claim is wrong, by where it was looked for, and how."""
    name = (_MISSING.match(said) or _PLACE.search(said) or [said, ""])[1]
    if (path := paths.mapping().get(name)) is None:
        return f"`{name}` must be a whole number" if name in REQUIRED else "the token's claims have another form"
    if said.startswith("Object missing"):
        return f"`{name}` is missing (looked for at `{path}`; see auth.claims.{name})"
    if said.startswith("Expected `array`"):
        return f"`{path}` must be a list"
    if said.startswith("Invalid enum"):
        return f"`{path}` names a role that is not known here; see auth.roles"
    if said.startswith("Expected `str`, got"):
        return f"`{path}` must be {'a list of texts' if '[' in said else 'a text'}"
    return f"`{path}` has another form"


def _at(payload: Mapping[str, Any], path: str) -> object:
    """What stands at a path; a claim whose whole name it is comes first, for names that are addresses hold dots."""
    if path in payload:
        return payload[path]
    found: Any = payload
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return _NOTHING
        found = found[name]
    return found


def _our_roles(names: list[object], role_names: Mapping[str, Role]) -> list[Role]:
    return [role_names[name] for name in names if isinstance(name, str) and name in role_names]
