"""Passwords and keys for a deployment: each random, each in a private file, none ever shown.

Files that exist are kept, so that it can be run again to add a gateway.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_MOSQUITTO_ITERATIONS: Final = 210_000  # PBKDF2-HMAC-SHA512, as OWASP's password storage sheet recommends
_SALT_BYTES: Final = 12
_KEY_BYTES: Final = 64
_PAYLOAD_KEY_BYTES: Final = 32


def make_secrets(folder: Path, gateways: Sequence[str], *, payload_key: bool = False) -> list[Path]:
    """Make what is missing of a deployment's secrets in `folder`, and return the files that were made or changed.

    `payload_key` adds a key to `payload-keys`, which seals what the rooms hold in Redis from then on.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made: list[Path] = []
    passwords = {
        name: _kept(folder / name, made)
        for name in ("hub-mqtt-password", "postgres-password", "redis-password", "jwt-secret")
    }
    users = {"hub": passwords["hub-mqtt-password"]}
    for path in sorted(folder.glob("gateway-*-password")):
        users[path.name.removeprefix("gateway-").removesuffix("-password")] = path.read_text(encoding="utf-8")
    users |= {gateway: _kept(folder / f"gateway-{gateway}-password", made) for gateway in gateways}
    contents = {
        "redis-auth.conf": f"requirepass {passwords['redis-password']}\n",
        "hub.env": (
            f"BEDSIDE_DATABASE_URL=postgresql+psycopg://bedside:{passwords['postgres-password']}@postgres:5432/bedside\n"
            f"BEDSIDE_REDIS_URL=redis://:{passwords['redis-password']}@redis:6379/0\n"
        ),
    }
    for name, text in contents.items():
        _write(folder / name, text, made)
    if payload_key:
        _write(folder / "payload-keys", _with_a_key(folder / "payload-keys"), made)
    if made:
        hashed = "".join(f"{user}:{mosquitto_hash(password)}\n" for user, password in users.items())
        _write(folder / "mosquitto-passwords", hashed, made)
    return made


def _with_a_key(path: Path) -> str:
    """The keys that there are, and a new last one: a line `ID BASE64`, the ID its day and what sets it apart from others of that day."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    key = base64.b64encode(secrets.token_bytes(_PAYLOAD_KEY_BYTES)).decode()
    return f"{before}{datetime.now(UTC):%Y-%m-%d}-{secrets.token_hex(3)} {key}\n"


def mosquitto_hash(password: str) -> str:
    """`password` as a line of Mosquitto's password file has it: `$7$iterations$salt$key`, PBKDF2-HMAC-SHA512."""
    salt = secrets.token_bytes(_SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _MOSQUITTO_ITERATIONS, _KEY_BYTES)
    return f"$7${_MOSQUITTO_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def _kept(path: Path, made: list[Path]) -> str:
    if not path.exists():
        _write(path, secrets.token_urlsafe(48), made)
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str, made: list[Path]) -> None:
    """Readable by others of the machine's group only where a container's user needs it: the folder itself is private."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
        file.write(text)
    made.append(path)
