"""A provider's keys, kept fresh: read in the background, and when a token names one that isn't known; old keys drop with each reading.

While the provider does not answer, the last keys are believed until they are `keep_seconds` old; then no token of the provider's is, and
requests get 503. Failure and recovery are logged once each, and readiness says how old the keys are.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from hub.auth.fetching import fetch
from hub.auth.keys import InvalidKeys, Key, KeySet, KeysUnavailable, key_set
from hub.auth.settings import JwksSettings

log = logging.getLogger(__name__)

UNKNOWN_KEY_SECONDS: Final = 10.0
"""Unknown keys make the provider be asked at most this often, however many tokens name one."""
FIRST_RETRY_SECONDS: Final = 1.0
LATE: Final = 3.0
"""Keys count as stale from so many missed readings on."""


class PublishedKeys:
    """The keys of one key set. `clock` counts seconds; `read` gives the document, or raises KeysUnavailable."""

    def __init__(
        self,
        settings: JwksSettings,
        *,
        read: Callable[[], Awaitable[bytes]],
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._settings = settings
        self._read = read
        self._clock = clock
        self._random = random
        self._keys: KeySet | None = None
        self._read_at = 0.0
        self._tried_at = float("-inf")
        self._failing = False
        self._reading = asyncio.Lock()

    @property
    def note(self) -> str | None:
        """What readiness should say; None: all is well."""
        if self._keys is None:
            return "the provider's keys have not been had yet"
        age = self._clock() - self._read_at
        return f"the provider's keys are {age:.0f} s old" if age > LATE * self._settings.refresh_seconds else None

    async def check(self) -> None:
        """Nothing, when tokens can be verified. Raises KeysUnavailable."""
        self._current()

    def find(self, algorithm: str, key_id: str | None) -> Key:
        return self._current().find(algorithm, key_id)

    async def learn(self) -> bool:
        tried = self._tried_at
        async with self._reading:
            if self._tried_at != tried:
                return True  # somebody else has just asked
            if self._clock() - tried < UNKNOWN_KEY_SECONDS:
                return False
            return await self._refresh()

    async def run(self) -> None:
        """Read for ever, until cancelled."""
        retry = FIRST_RETRY_SECONDS
        while True:
            async with self._reading:
                succeeded = await self._refresh()
            usual = self._settings.refresh_seconds
            retry = FIRST_RETRY_SECONDS if succeeded else min(retry * 2, usual)
            await asyncio.sleep((usual if succeeded else retry) * self._random.uniform(0.9, 1.0))

    def _current(self) -> KeySet:
        if self._keys is None:
            raise KeysUnavailable("the keys of the identity provider have not been had yet; try again")
        if self._clock() - self._read_at > self._settings.keep_seconds:
            raise KeysUnavailable("the keys of the identity provider are too old; it has not answered for long")
        return self._keys

    async def _refresh(self) -> bool:
        self._tried_at = self._clock()
        try:
            keys = key_set(await self._read())
        except (KeysUnavailable, InvalidKeys) as error:
            if not self._failing:
                log.warning("the identity provider's keys can't be read: %s", error)
            self._failing = True
            return False
        if self._failing or self._keys is None:
            log.info("the identity provider's keys are known (%d)", len(keys))
        for refusal in keys.refused if self._keys is None or keys.refused != self._keys.refused else ():
            log.warning("of the identity provider's keys: %s", refusal)
        self._keys, self._read_at, self._failing = keys, self._clock(), False
        return True


def reader(settings: JwksSettings) -> Callable[[], Awaitable[bytes]]:
    """Reads the document where the settings say; in a thread, for it blocks."""
    return lambda: asyncio.to_thread(_document, settings)


def _document(settings: JwksSettings) -> bytes:
    if settings.file is None:
        return fetch(settings.url or "", settings.ca_file)
    try:
        return settings.file.read_bytes()
    except OSError as error:
        raise KeysUnavailable(f"auth.jwks.file: can't read it: {error.strerror}") from error
