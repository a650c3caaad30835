"""The keys that tokens are believed by. Each key is for one algorithm, whatever a token's header says."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Any, Final, Protocol

import jwt
import msgspec

from hub.auth.errors import InvalidToken
from hub.errors import ConfigurationError, Unavailable

MIN_RSA_BITS: Final = 2048
MAX_KEYS: Final = 100
_PRIVATE_PARTS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@unique
class Algorithm(StrEnum):
    """RFC 7518, section 3.1; EdDSA is RFC 8037."""

    HS256 = "HS256"
    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


_KINDS: Final[Mapping[tuple[str, str | None], Algorithm]] = MappingProxyType(
    {("RSA", None): Algorithm.RS256, ("EC", "P-256"): Algorithm.ES256, ("OKP", "Ed25519"): Algorithm.EDDSA}
)
"""Kind and curve of a published key -> the one algorithm that it is for."""


class UnknownKey(InvalidToken):
    """No key of that name and algorithm is known here; perhaps not yet."""


class KeysUnavailable(Unavailable):
    """The provider's keys can't be had, or are too old to be believed."""


class InvalidKeys(ConfigurationError):
    """A key set that can't be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """`material` is what PyJWT verifies with."""

    algorithm: Algorithm
    material: Any


class Keys(Protocol):
    """Where the key of a token is looked for."""

    def find(self, algorithm: str, key_id: str | None) -> Key:
        """Raises UnknownKey, or KeysUnavailable."""

    async def learn(self) -> bool:
        """Look for newer keys, when one wasn't known; whether there may be some. Costs the provider little, however often it is called."""


class SharedSecret:
    """One HS256 key. For development, and for a hub that is alone with its issuer: whoever can verify with it can sign, too."""

    def __init__(self, secret: bytes) -> None:
        self._key = Key(algorithm=Algorithm.HS256, material=secret)

    def find(self, algorithm: str, key_id: str | None) -> Key:
        """The key, for its own algorithm; it has no name."""
        if algorithm != Algorithm.HS256:
            raise UnknownKey("the token's key or algorithm is not believed here")
        return self._key

    async def learn(self) -> bool:
        return False


class SeveralKeys:
    """Keys of several sources, asked in order."""

    def __init__(self, *sources: Keys) -> None:
        self._sources = sources

    def find(self, algorithm: str, key_id: str | None) -> Key:
        """The first source's that knows one. A source that is unavailable hides those after it."""
        for source in self._sources[:-1]:
            with contextlib.suppress(UnknownKey):
                return source.find(algorithm, key_id)
        return self._sources[-1].find(algorithm, key_id)

    async def learn(self) -> bool:
        return any([await source.learn() for source in self._sources])


class KeySet:
    """A provider's public keys. A token that names none is verified only where there is one key alone."""

    def __init__(self, keys: Mapping[str | None, Key], refused: tuple[str, ...] = ()) -> None:
        self.refused = refused
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, algorithm: str, key_id: str | None) -> Key:
        """Raises UnknownKey, also where the key is for another algorithm."""
        lone = next(iter(self._keys.values())) if len(self._keys) == 1 and key_id is None else None
        key = lone or self._keys.get(key_id)
        if key is None or key.algorithm != algorithm:
            raise UnknownKey("the token's key or algorithm is not believed here")
        return key


def key_set(document: bytes) -> KeySet:
    """The keys of a JWKS document (RFC 7517, section 5); those that can't be believed are `refused`, with why.

    Raises InvalidKeys for what is no key set or has no usable key.
    """
    try:
        members = msgspec.json.decode(document, type=_Document).keys
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidKeys("the key set is no JSON object with a list of keys (RFC 7517, section 5)") from error
    keys: dict[str | None, Key] = {}
    refused: list[str] = []
    for place, member in enumerate(members[:MAX_KEYS]):
        try:
            name = _name(member)
            if name in keys:
                raise InvalidKeys("has the name of another")  # noqa: TRY301
            keys[name] = _key(member)
        except InvalidKeys as error:
            refused.append(f"key {place + 1} {error}")
    if not keys:
        raise InvalidKeys("; ".join(("the key set has no key that can be used", *refused[:5])))
    return KeySet(keys, tuple(refused))


class _Document(msgspec.Struct):
    keys: list[dict[str, Any]]


def _name(member: dict[str, Any]) -> str | None:
    name = member.get("kid")
    if name is not None and not isinstance(name, str):
        raise InvalidKeys("has a name that is no text")
    return name


def _key(member: dict[str, Any]) -> Key:
    """Raises InvalidKeys."""
    curve = member.get("crv")
    algorithm = _KINDS.get((str(member.get("kty")), curve if isinstance(curve, str) else None))
    if algorithm is None or member.get("alg", algorithm) != algorithm:
        raise InvalidKeys(f"is not for {', '.join(_KINDS.values())}")
    if member.get("use", "sig") != "sig" or "verify" not in member.get("key_ops", ["verify"]):
        raise InvalidKeys("is not for signatures")
    if _PRIVATE_PARTS & member.keys():
        raise InvalidKeys("holds its private part: whoever publishes it lost it; make another")
    try:
        material = jwt.PyJWK(member, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise InvalidKeys(f"can't be read ({type(error).__name__})") from error
    if algorithm is Algorithm.RS256 and material.key_size < MIN_RSA_BITS:
        raise InvalidKeys(f"has {material.key_size} bits; RSA needs {MIN_RSA_BITS}")
    return Key(algorithm=algorithm, material=material)
