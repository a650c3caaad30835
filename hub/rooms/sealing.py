"""Sealed bodies: what the rooms hold in Redis, in Streams and on channels, opaque to whoever reads Redis, its files or its network.

AES-256-GCM (NIST SP 800-38D). A process derives a key of its own from the newest payload key and 16 random bytes by HKDF-SHA-256
(RFC 5869), and counts its nonces: none is ever used twice under one key, however many processes seal and however often they start.
So a message that is published again has other bytes and the same content (delivery rule 19).

    00 01 | length and id of the payload key | 16 bytes of salt | 8 bytes of counter | ciphertext and 16 bytes of tag

Bound to it: hospital, record epoch and N (as associated data), and the rooms (their digests, within). Whoever can write to Redis can
withhold a message or repeat one, but neither forge nor change one, nor move it to another room, hospital or N. Stream epoch and
offset are the script's, and not bound; that they leave no hole is checked by every reader. What goes to a live-only room has hospital
and room bound to it.
"""

import base64
import binascii
import hashlib
import itertools
import logging
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hub.errors import ConfigurationError, Unreadable
from hub.publication import Publication
from hub.rooms.messages import RoomAddress, body_of

log = logging.getLogger(__name__)

KEY_BYTES: Final = 32
MARK: Final = b"\x00\x01"
"""Begins a sealed body; a plain one begins with an event's name."""
REASONS: Final = ("no_keys", "not_sealed", "unknown_key", "tampered", "other_room")
"""Why a body can't be opened."""
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_PURPOSE: Final = b"bedside rooms: payload"
_SALT_BYTES: Final = 16
_COUNTER_BYTES: Final = 8
_DIGEST_BYTES: Final = 8
_SALTS_KEPT: Final = 256


class Bodies(Protocol):
    """Makes bodies and opens them. `unreadable` counts, by reason, those that can't be opened."""

    unreadable: Counter[str]

    def of(self, publication: Publication) -> bytes:
        """The bytes under which a publication goes to Redis."""

    def opened(self, address: RoomAddress, *, record_epoch: int, n: int, body: bytes) -> bytes:
        """The plain body. Raises Unreadable."""

    def of_live(self, address: RoomAddress, payload: bytes) -> bytes:
        """The bytes under which a payload goes to a live-only room."""

    def opened_live(self, address: RoomAddress, payload: bytes) -> bytes:
        """The plain payload. Raises Unreadable."""


class PlainBodies:
    """As they are."""

    def __init__(self) -> None:
        self.unreadable = Counter(dict.fromkeys(REASONS, 0))

    def of(self, publication: Publication) -> bytes:
        return body_of(publication)

    def opened(self, address: RoomAddress, *, record_epoch: int, n: int, body: bytes) -> bytes:
        return self._not_sealed(body)

    def of_live(self, address: RoomAddress, payload: bytes) -> bytes:
        return payload

    def opened_live(self, address: RoomAddress, payload: bytes) -> bytes:
        return self._not_sealed(payload)

    def _not_sealed(self, body: bytes) -> bytes:
        if body.startswith(MARK):
            said = "messages in Redis are sealed, and redis.payload_keys_file is not set"
            raise _counted(self.unreadable, "no_keys", said)
        return body


class SealedBodies:
    """Seals with the last of `keys`, opens with any of them. A body that is not sealed is not believed."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self.unreadable = Counter(dict.fromkeys(REASONS, 0))
        self._keys = keys
        *_, key_id = keys
        salt = secrets.token_bytes(_SALT_BYTES)
        self._head = MARK + bytes([len(key_id)]) + key_id.encode() + salt
        self._own = _derived(keys[key_id], salt)
        self._numbers = itertools.count()
        self._cipher = lru_cache(_SALTS_KEPT)(self._cipher_of)

    def of(self, publication: Publication) -> bytes:
        digests = b"".join(map(_digest, publication.rooms))
        plain = bytes([len(publication.rooms)]) + digests + body_of(publication)
        return self._seal(plain, _bound(publication.hospital_id, publication.record_epoch, publication.n))

    def opened(self, address: RoomAddress, *, record_epoch: int, n: int, body: bytes) -> bytes:
        plain = self._open(body, _bound(address.hospital_id, record_epoch, n))
        start = 1 + plain[0] * _DIGEST_BYTES
        if _digest(address.room) not in (plain[at : at + _DIGEST_BYTES] for at in range(1, start, _DIGEST_BYTES)):
            raise self._refused("other_room", "a message in Redis stands in a room for which it was not sealed")
        return plain[start:]

    def of_live(self, address: RoomAddress, payload: bytes) -> bytes:
        return self._seal(payload, _bound(address.hospital_id, address.room))

    def opened_live(self, address: RoomAddress, payload: bytes) -> bytes:
        return self._open(payload, _bound(address.hospital_id, address.room))

    def _seal(self, plain: bytes, bound: bytes) -> bytes:
        counter = next(self._numbers).to_bytes(_COUNTER_BYTES)
        sealed: bytes = self._own.encrypt(_nonce(counter), plain, bound)
        return self._head + counter + sealed

    def _open(self, body: bytes, bound: bytes) -> bytes:
        if not body.startswith(MARK):
            raise self._refused("not_sealed", "a message in Redis is not sealed; who wrote it has no payload keys")
        salt_at = len(MARK) + 1 + body[len(MARK)] if len(body) > len(MARK) else len(body)
        counter_at = salt_at + _SALT_BYTES
        sealed_at = counter_at + _COUNTER_BYTES
        key_id = body[len(MARK) + 1 : salt_at].decode("ascii", "replace")
        if key_id not in self._keys:
            said = "a message in Redis is sealed with a payload key that is not in redis.payload_keys_file"
            raise self._refused("unknown_key", said)
        try:
            cipher = self._cipher(key_id, body[salt_at:counter_at])
            plain: bytes = cipher.decrypt(_nonce(body[counter_at:sealed_at]), body[sealed_at:], bound)
        except (InvalidTag, ValueError):
            raise self._refused("tampered", "a message in Redis was changed since it was sealed") from None
        return plain

    def _cipher_of(self, key_id: str, salt: bytes) -> AESGCM:
        return _derived(self._keys[key_id], salt)

    def _refused(self, reason: str, said: str) -> Unreadable:
        return _counted(self.unreadable, reason, said)


def bodies_with(keys_file: Path | None) -> Bodies:
    """Sealed with the keys of a file, or plain without one. Raises ConfigurationError."""
    return SealedBodies(load_keys(keys_file)) if keys_file is not None else PlainBodies()


def load_keys(path: Path) -> Mapping[str, bytes]:
    """Payload keys by id, a line `ID BASE64` each, oldest first. Raises ConfigurationError, which tells no key."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "is no text"
        raise ConfigurationError(f"redis.payload_keys_file: {path} can't be read: {said}") from error
    keys: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        key_id, _, text = line.strip().partition(" ")
        key = _key(text)
        if not _KEY_ID.fullmatch(key_id) or key is None or key_id in keys:
            raise ConfigurationError(
                f"redis.payload_keys_file: {path}: line {number} is no key: write ID BASE64, {KEY_BYTES} bytes, each ID once"
            )
        keys[key_id] = key
    if not keys:
        raise ConfigurationError(
            f"redis.payload_keys_file: {path} holds no key; make one: bedside secrets DIR --payload-key"
        )
    return keys


def _key(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        return None
    return key if len(key) == KEY_BYTES else None


def _derived(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=_PURPOSE).derive(key))


def _bound(*words: str | int) -> bytes:
    return "\n".join(map(str, words)).encode()


def _nonce(counter: bytes) -> bytes:
    return bytes(4) + counter


@lru_cache(4096)
def _digest(room: str) -> bytes:
    return hashlib.sha256(room.encode()).digest()[:_DIGEST_BYTES]


def _counted(counts: Counter[str], reason: str, said: str) -> Unreadable:
    """The error, counted; told in the log the first time."""
    counts[reason] += 1
    if counts[reason] == 1:
        log.error("%s; subscribers are told of a gap", said)
    return Unreadable(said)
