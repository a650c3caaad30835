"""A hub's settings, from the same four places as a gateway's, and what types can't say about them.

`faults` reads what the settings name (secrets, rules, registry) as the hub will, and asks nobody over the network.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from redis.connection import parse_url

from bedside.configuration import Loaded, load, unreadable
from bedside.exits import CommandFailed, Exit
from bedside.up.layout import Layout
from hub.alerts.rules import load_rules
from hub.auth.assembly import said_nothing
from hub.auth.keys import key_set
from hub.auth.tokens import load_secret
from hub.errors import ConfigurationError
from hub.record.engine import Engine
from hub.registry_file import load_registry
from hub.rooms.connections import DEFAULT_PORT, SENTINEL_PORT, addresses
from hub.rooms.sealing import load_keys
from hub.settings import HubSettings, RedisSettings, Role


def load_hub(
    file: Path | None,
    *,
    overrides: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded[HubSettings]:
    """Read and check. Raises CommandFailed for the first fault: exit 2 for what the command line says, else 3."""
    loaded = load(HubSettings, file=file, overrides=overrides, environment=environment)
    for fault in faults(loaded.settings):
        raise CommandFailed(f"{file}: {fault}" if file else fault, Exit.CONFIGURATION)
    return loaded


def faults(settings: HubSettings) -> tuple[str, ...]:
    """Everything for which the hub would refuse to start, each beginning with its key."""
    checks: tuple[Callable[[HubSettings], Iterator[str]], ...] = (
        _database,
        _tls,
        _redis,
        _payload_keys,
        _mqtt,
        _auth,
        _jwks,
        _claims,
        _limits,
        _rules,
        _registry,
    )
    return tuple(fault for check in checks for fault in check(settings))


def is_development_secret(path: Path) -> bool:
    """Whether it is one that `bedside up` made for its own state folder. (/run/secrets has a folder /run/lock beside it.)"""
    layout = Layout(path.resolve().parent.parent)
    return path.resolve() == layout.jwt_secret and layout.lock.is_file() and layout.hub_toml.is_file()


def _database(settings: HubSettings) -> Iterator[str]:
    try:
        engine = Engine(settings.database_url)  # connects to nothing yet
    except ConfigurationError as error:
        yield str(error)
        return
    if engine.is_sqlite and settings.role is not Role.ALL:
        yield f"role: {settings.role} needs PostgreSQL; on SQLite one hub does all"


def _tls(settings: HubSettings) -> Iterator[str]:
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        if certificate is not key:
            lacking = "tls_certificate" if certificate is None else "tls_key"
            yield f"{lacking}: is missing; tls_certificate and tls_key go together"
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except ssl.SSLError:
        yield f"tls_certificate: {certificate} and the key {key} are no pair of PEM files that fit"
    except OSError as error:
        yield f"tls_certificate: can't read it, or its key: {error.strerror}"


def _redis(settings: HubSettings) -> Iterator[str]:
    redis = settings.redis
    for key, url in (("redis_url", settings.redis_url), ("redis.url", redis.url)):
        if url is not None and not _is_redis_address(url):
            yield f"{key}: is no Redis address; write redis://:PASSWORD@HOST:6379/0, or rediss:// for TLS"
    if sum(map(bool, (redis.url, redis.sentinels, redis.cluster))) > 1:
        yield "redis: url, sentinels and cluster exclude each other; say one"
    try:
        addresses("redis.sentinels", redis.sentinels, SENTINEL_PORT)
        addresses("redis.cluster", redis.cluster, DEFAULT_PORT)
    except ConfigurationError as error:
        yield str(error)
    yield from _redis_files(redis, tls=redis.tls or (settings.rooms_redis.url or "").startswith("rediss:"))


def _payload_keys(settings: HubSettings) -> Iterator[str]:
    if (path := settings.redis.payload_keys_file) is not None:
        try:
            load_keys(path)
        except ConfigurationError as error:
            yield str(error)


def _is_redis_address(url: str) -> bool:
    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:
        return False
    return True


def _redis_files(redis: RedisSettings, *, tls: bool) -> Iterator[str]:
    if (redis.certificate_file is None) != (redis.key_file is None):
        lacking = "certificate_file" if redis.certificate_file is None else "key_file"
        yield f"redis.{lacking}: is missing; certificate_file and key_file go together"
    if redis.username is not None and redis.password_file is None:
        yield "redis.password_file: is missing; username and password_file go together"
    for key in ("ca_file", "certificate_file", "key_file"):
        if getattr(redis, key) is not None and not tls:
            yield f"redis.{key}: is for TLS: set redis.tls = true or write rediss://, or leave it out"
    for key in ("password_file", "sentinel_password_file", "ca_file", "certificate_file", "key_file"):
        if (path := getattr(redis, key)) is not None:
            yield from unreadable(f"redis.{key}", path)


def _mqtt(settings: HubSettings) -> Iterator[str]:
    mqtt = settings.mqtt
    if (mqtt.username is None) != (mqtt.password_file is None):
        lacking = "username" if mqtt.username is None else "password_file"
        yield f"mqtt.{lacking}: is missing; username and password_file go together"
    if mqtt.ca_file is not None and not mqtt.tls:
        yield "mqtt.ca_file: is for TLS: set mqtt.tls = true, or leave it out"
    for key, path in (("password_file", mqtt.password_file), ("ca_file", mqtt.ca_file)):
        if path is not None:
            yield from unreadable(f"mqtt.{key}", path)


def _auth(settings: HubSettings) -> Iterator[str]:
    auth = settings.auth
    path = auth.secret_file
    if not settings.shared_secret and not auth.jwks.is_said:
        yield said_nothing(settings)
    if path is not None and settings.shared_secret:
        try:
            load_secret(path)
        except ConfigurationError as error:
            yield str(error)
    if path is not None and settings.production and is_development_secret(path):
        yield f"auth.secret_file: {path} was made by `bedside up` for development; make another: bedside secrets DIR"


def _jwks(settings: HubSettings) -> Iterator[str]:
    jwks = settings.auth.jwks
    if jwks.url is not None and jwks.file is not None:
        yield "auth.jwks.file: name a file or a url, not both"
    if jwks.url is not None and not _may_be_asked(jwks.url, production=settings.production):
        yield "auth.jwks.url: write https://…; http:// is for development, and for this machine itself"
    if jwks.ca_file is not None:
        yield from unreadable("auth.jwks.ca_file", jwks.ca_file)
    if jwks.keep_seconds < jwks.refresh_seconds:
        yield "auth.jwks.keep_seconds: must be at least refresh_seconds, or keys are too old before they are read again"
    if jwks.file is not None:
        try:
            refused = key_set(jwks.file.read_bytes()).refused
        except OSError as error:
            yield f"auth.jwks.file: can't read {jwks.file}: {error.strerror}"
        except ConfigurationError as error:
            yield f"auth.jwks.file: {jwks.file}: {error}"
        else:
            yield from (f"auth.jwks.file: {jwks.file}: {refusal}" for refusal in refused)


def _claims(settings: HubSettings) -> Iterator[str]:
    for name, path in settings.auth.claims.mapping().items():
        if not path or path.startswith(".") or path.endswith("."):
            yield f"auth.claims.{name}: write the claim's path, with dots between its levels, as realm_access.roles"
    if not settings.auth.token_types:
        yield "auth.token_types: name one at least; JWT is usual"


def _may_be_asked(url: str, *, production: bool) -> bool:
    parts = urlsplit(url)
    if not parts.hostname:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and (not production or parts.hostname in ("localhost", "127.0.0.1", "::1"))
    )


def _limits(settings: HubSettings) -> Iterator[str]:
    if settings.limits.ping_seconds >= settings.limits.silence_seconds:
        yield "limits.silence_seconds: must be more than ping_seconds, or every quiet client is cut off"


def _rules(settings: HubSettings) -> Iterator[str]:
    try:
        load_rules(settings.rules_file)
    except ConfigurationError as error:
        yield str(error)


def _registry(settings: HubSettings) -> Iterator[str]:
    if settings.registry_file is None:
        return
    try:
        load_registry(settings.registry_file)
    except ConfigurationError as error:
        yield str(error)
