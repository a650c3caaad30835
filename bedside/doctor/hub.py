"""The checks of a hub, by its configuration."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from bedside.configuration import Loaded, load
from bedside.doctor import answers, broker, clocks, database, redis, secret
from bedside.doctor.findings import Finding, failed, not_applicable, ok, together, warning
from bedside.doctor.machine import Folder
from bedside.doctor.running import Check
from bedside.doctor.subject import Subject
from bedside.exits import CommandFailed, Exit
from bedside.hub_configuration import faults
from hub.settings import HubSettings
from vitals.topics import FROM_GATEWAY, PREFIX, Channel, topic

NOBODY: Final = "bedside-doctor"
"""A gateway that there is not: what is published to it, nobody reads."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Hub:
    """A hub's settings, or what is wrong with them."""

    def __init__(self, file: Path, subject: Subject) -> None:
        self._file = file
        self._subject = subject
        self.loaded: Loaded[HubSettings] | None = None
        self.faults: tuple[str, ...] = ()
        try:
            self.loaded = load(HubSettings, file=file, environment=subject.environment)
            self.faults = faults(self.loaded.settings)
        except CommandFailed as failure:
            self.faults = (str(failure),)

    def configuration(self) -> Finding:
        if self.faults:
            advice = f"mend it, then: bedside config check --hub {self._file}"
            return together([failed(fault, advice, Exit.CONFIGURATION) for fault in self.faults])
        assert self.loaded is not None  # noqa: S101 - else there is a fault
        findings = [ok(f"{self._file} is sound"), *_imprudent(self.loaded.settings)]
        return together(findings)

    def here(self) -> Iterator[Check]:
        """What is seen on this machine, whether the hub runs or not."""
        yield Check(name="hub.toml", look=self.configuration)
        yield Check(name="token secret", look=self._token_secret)

    def _token_secret(self) -> Finding:
        if self.loaded is None:
            return not_applicable("hub.toml must be mended first")
        return secret.look(self.loaded.settings)

    def running(self) -> Iterator[Check]:
        """What others must answer; not asked where the settings can't be used."""
        for name, look in _ASKED.items():
            yield Check(name=name, look=partial(self._asked, look))

    def _asked(self, look: Callable[[HubSettings, Subject], Finding]) -> Finding:
        if self.loaded is None or self.faults:
            return not_applicable("hub.toml must be mended first")
        return look(self.loaded.settings, self._subject)

    def secrets(self) -> Iterator[Path]:
        """Files that hold secrets: those that are named, and the file itself where it has a password in an address."""
        if self.loaded is None:
            return
        settings = self.loaded.settings
        redis = settings.redis
        files = (redis.password_file, redis.sentinel_password_file, redis.key_file, redis.payload_keys_file)
        yield from filter(None, (settings.auth.secret_file, settings.mqtt.password_file, *files))
        addresses = {
            "database_url": settings.database_url,
            "redis_url": settings.redis_url,
            "redis.url": redis.url or "",
        }
        for key, address in addresses.items():
            if self.loaded.origins.get(key) == str(self._file) and _has_password(address):
                yield self._file

    def folders(self) -> Iterator[Folder]:
        if self.loaded is not None and not self.faults:
            file = database.sqlite_file(self.loaded.settings)
            if file is not None:
                yield Folder(path=file.absolute().parent, durable=self.loaded.settings.production)


def _broker(settings: HubSettings, subject: Subject) -> Finding:
    visit = broker.Visit(
        settings=settings.mqtt,
        user=settings.mqtt.username,
        reads=[f"{PREFIX}/+/{channel}" for channel in FROM_GATEWAY],
        writes=topic(NOBODY, Channel.ACK),
    )
    return broker.ask(visit, away=subject.see("mosquitto", "mosquitto"))


_ASKED: Final[Mapping[str, Callable[[HubSettings, Subject], Finding]]] = {
    "database": database.look,
    "Redis": redis.look,
    "broker, as the hub": _broker,
    "hub": answers.ready,
    "live side": answers.live,
    "clocks": clocks.look,
}


def _imprudent(settings: HubSettings) -> Iterator[Finding]:
    """What a hub accepts and a hospital should not."""
    if not settings.production and settings.host not in _LOOPBACK:
        found = f"listens on {settings.host} without production = true: test events and ?token= are let in"
        yield warning(found, "set production = true")
    if settings.production and settings.auth.query_tokens:
        yield warning(
            "auth.query_tokens is on: tokens stand in addresses", "leave it out, unless a client can do no other"
        )
    if settings.production and not settings.mqtt.tls and settings.mqtt.host not in _LOOPBACK:
        yield warning(
            f"the broker at {settings.mqtt.host} is asked without TLS", "set mqtt.tls, or keep that network closed"
        )


def _has_password(address: str) -> bool:
    try:
        return make_url(address).password is not None
    except ValueError:
        return False
