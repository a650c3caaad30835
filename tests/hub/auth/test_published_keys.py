"""Keys of a real provider over HTTPS: read, rotated, asked for when unknown, kept while it is away, and given up when too old."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hub.auth.errors import InvalidToken
from hub.auth.keys import KeysUnavailable, SeveralKeys, SharedSecret, UnknownKey
from hub.auth.published_keys import PublishedKeys, reader
from hub.auth.settings import JwksSettings
from hub.auth.verification import TokenForm, TokenVerifier
from tests.hub.record.conftest import now
from tests.support.identity_provider import ISSUER, IdentityProvider, SigningKey
from tests.support.waiting import eventually

OLD, NEW = SigningKey("old"), SigningKey("new", "ES256")
FORM = TokenForm(issuer=ISSUER, audience="bedside", max_bytes=8192)
SECRET = SharedSecret(b"x" * 32)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[IdentityProvider]:
    with IdentityProvider(tmp_path).running() as running:
        running.keys = [OLD]
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


def keys_of(provider: IdentityProvider, clock: Clock, **settings: Any) -> PublishedKeys:
    said = JwksSettings(**{"url": provider.url, "ca_file": provider.ca_file} | settings)
    return PublishedKeys(said, read=reader(said), clock=clock, random=Random(1))


async def believed(keys: PublishedKeys, token: str) -> bool:
    """As the doorkeeper does it: an unknown key makes the provider be asked."""
    verifier = TokenVerifier(SeveralKeys(SECRET, keys), FORM)
    for _ in range(2):
        try:
            return verifier.verify(token, now=now()).sub == "nurse1"
        except UnknownKey:
            if not await keys.learn():
                return False
        except InvalidToken:
            return False
    return False


async def test_until_the_keys_are_read_nobody_can_be_believed(provider: IdentityProvider, clock: Clock):
    keys = keys_of(provider, clock)
    with pytest.raises(KeysUnavailable):
        await keys.check()
    with pytest.raises(KeysUnavailable):
        await believed(keys, OLD.token())
    assert await keys.learn()
    assert await believed(keys, OLD.token())
    assert not await believed(keys, NEW.token())


async def test_a_rotation_is_learned_from_the_first_token_and_the_old_key_drops(
    provider: IdentityProvider, clock: Clock
):
    keys = keys_of(provider, clock)
    await keys.learn()
    provider.keys = [NEW]
    clock.now += 60
    assert await believed(keys, NEW.token())
    assert not await believed(keys, OLD.token())


async def test_unknown_keys_make_the_provider_be_asked_at_most_every_ten_seconds(
    provider: IdentityProvider, clock: Clock
):
    keys = keys_of(provider, clock)
    await keys.learn()
    clock.now += 60
    before = provider.asked
    strange = [SigningKey(f"k{n}", "EdDSA").token() for n in range(20)]
    assert not any(await asyncio.gather(*(believed(keys, token) for token in strange)))
    assert provider.asked == before + 1
    clock.now += 11
    assert not await believed(keys, strange[0])
    assert provider.asked == before + 2


async def test_they_are_read_again_in_the_background(provider: IdentityProvider, clock: Clock):
    keys = keys_of(provider, clock, refresh_seconds=0.05)
    task = asyncio.create_task(keys.run())
    try:
        await eventually(lambda: provider.asked >= 2, seconds=30)
        provider.keys = [NEW]
        await eventually(lambda: _knows(keys, "ES256", "new"), seconds=30)
        assert not _knows(keys, "RS256", "old")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


FAILURES = {
    "an error": {"status": 500},
    "a redirection": {"status": 302},
    "no JSON": {"document": b"<html>"},
    "no key": {"document": b'{"keys": []}'},
    "too large": {"document": b" " * (1024 * 1024 + 1)},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_while_the_provider_fails_the_last_keys_are_believed_for_a_bounded_time(
    provider: IdentityProvider, clock: Clock, failure: dict[str, Any], caplog: pytest.LogCaptureFixture
):
    keys = keys_of(provider, clock, refresh_seconds=300, keep_seconds=3600)
    await keys.learn()
    for name, value in failure.items():
        setattr(provider, name, value)
    for _ in range(3):
        clock.now += 400
        assert not await keys.learn()
    assert await believed(keys, OLD.token())
    await keys.check()
    assert keys.note == "the provider's keys are 1200 s old"
    assert caplog.text.count("can't be read") == 1
    clock.now += 2500
    with pytest.raises(KeysUnavailable, match="too old"):
        await keys.check()
    with pytest.raises(KeysUnavailable):
        await believed(keys, OLD.token())
    provider.status, provider.document = 200, None
    assert await keys.learn()
    assert await believed(keys, OLD.token())
    assert keys.note is None


async def test_a_provider_under_another_authority_is_not_asked(provider: IdentityProvider, clock: Clock):
    keys = keys_of(provider, clock, ca_file=None)
    assert not await keys.learn()
    assert provider.asked == 0


async def test_a_provider_that_is_not_there_is_said_so(clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    said = JwksSettings(url="https://127.0.0.1:1/certs?secret=hidden")
    keys = PublishedKeys(said, read=reader(said), clock=clock, random=Random(1))
    assert not await keys.learn()
    assert "does not answer" in caplog.text
    assert "hidden" not in caplog.text


async def test_a_file_is_read_again(provider: IdentityProvider, clock: Clock, tmp_path: Path):
    file = tmp_path / "keys.json"
    keys = keys_of(provider, clock, url=None, file=file)
    assert not await keys.learn()
    file.write_bytes(provider.published())
    clock.now += 60
    assert await keys.learn()
    assert await believed(keys, OLD.token())


def _knows(keys: PublishedKeys, algorithm: str, name: str) -> bool:
    with contextlib.suppress(UnknownKey):
        return keys.find(algorithm, name) is not None
    return False
