"""Whether a signing key looks random: what people write is found, what chance writes is not accused."""

import secrets
from pathlib import Path

import pytest

from bedside.doctor.findings import Outcome
from bedside.doctor.secret import look
from bedside.exits import Exit
from hub.auth.tokens import new_secret
from hub.settings import AuthSettings, HubSettings

MADE_UP = [
    b"a" * 40,
    b"0123456789abcdef0123456789abcdef",
    b"change-me-change-me-change-me-change-me",
    b"this-is-a-development-key-please-replace-it",
    b"correct horse battery staple correct horse",
    b"My-Super-Secret-Key-For-JWT-2026-Production!",
]
RANDOM = [
    lambda: secrets.token_urlsafe(24).encode(),
    lambda: secrets.token_hex(32).encode(),
    lambda: secrets.token_bytes(32),
    new_secret,
]


def settings(path: Path, key: bytes, *, production: bool = False) -> HubSettings:
    path.write_bytes(key)
    auth = AuthSettings(secret_file=path, shared_secret=True)
    return HubSettings(database_url="sqlite+aiosqlite:///r", auth=auth, production=production)


@pytest.mark.parametrize("key", MADE_UP)
def test_what_people_write_is_warned_of_and_refused_in_production(tmp_path, key):
    found = look(settings(tmp_path / "key", key))
    assert (found.outcome, "look made up, not random" in found.found) == (Outcome.WARNING, True)
    refused = look(settings(tmp_path / "key", key, production=True))
    assert (refused.outcome, refused.code) == (Outcome.FAILED, Exit.CONFIGURATION)
    assert key.decode() not in refused.found + refused.advice


@pytest.mark.parametrize("make", RANDOM)
def test_what_chance_writes_is_not_accused(tmp_path, make):
    keys = [make() for _ in range(300)]
    usable = [key for key in keys if len(key.strip()) >= 32]  # a random byte may be white space at the ends
    accused = [key for key in usable if look(settings(tmp_path / "key", key)).outcome is not Outcome.OK]
    assert accused == []


def test_a_key_that_can_not_be_used_is_the_configurations_fault(tmp_path):
    assert look(settings(tmp_path / "key", b"short")).outcome is Outcome.NOT_APPLICABLE
