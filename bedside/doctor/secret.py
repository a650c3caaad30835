"""How strong the key is that tokens are signed with."""

import math
from collections import Counter
from typing import Final

from bedside.doctor.findings import Finding, failed, not_applicable, ok, warning
from bedside.exits import Exit
from hub.auth.tokens import load_secret
from hub.errors import ConfigurationError
from hub.settings import HubSettings

ENOUGH_BITS: Final = 120
"""Of chance, as `bits` counts it: random keys of 192 bits and more are above it however they are written."""
_WORDS: Final = (b"secret", b"password", b"change", b"example", b"development", b"bedside", b"hospital")
"""Longer than what chance writes: one key in some millions."""


def look(settings: HubSettings) -> Finding:
    path = settings.auth.secret_file
    if path is None or not settings.shared_secret:
        return not_applicable("tokens are signed by an identity provider")
    try:
        secret = load_secret(path)
    except ConfigurationError:
        return not_applicable("the configuration has no key that can be used")
    if bits(secret) >= ENOUGH_BITS and not any(word in secret.lower() for word in _WORDS):
        return ok(f"{len(secret)} bytes, which look random")
    found = f"{path} holds {len(secret)} bytes that look made up, not random"
    advice = f"make another, with which all tokens end: openssl rand -base64 48 > {path}"
    return failed(found, advice, Exit.CONFIGURATION) if settings.production else warning(found, advice)


def bits(secret: bytes) -> float:
    """An upper bound of the chance in it: by how often each byte stands there, without what repeats as a whole."""
    unit = _repeated(secret)
    counts = Counter(unit)
    entropy = -sum(count / len(unit) * math.log2(count / len(unit)) for count in counts.values())
    return entropy * len(unit)


def _repeated(secret: bytes) -> bytes:
    """The shortest beginning that makes the whole when repeated."""
    lengths = range(1, len(secret) + 1)
    return next(secret[:length] for length in lengths if (secret[:length] * len(secret))[: len(secret)] == secret)
