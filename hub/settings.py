"""What the hub can be told: one tree of settings, read once and passed down.

Paths are taken as they are written, from the process's working folder. Secrets stand in files of their own and are named here.
"""

from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated

import msgspec

from hub.auth.settings import ClaimPaths, JwksSettings
from hub.auth.tokens import Role as UserRole
from hub.limits import Limits

Origin = Annotated[
    str, msgspec.Meta(pattern=r"^https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?\Z|^https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?\Z")
]
"""As browsers write it: no path, no slash at its end."""
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


@unique
class Role(StrEnum):
    """What a hub process does. `ingest` and `serve` scale apart, and need PostgreSQL."""

    ALL = "all"
    INGEST = "ingest"
    SERVE = "serve"


@unique
class Level(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The broker. `username` and `password_file` go together; `ca_file` is for a private authority."""

    host: str = "127.0.0.1"
    port: Port = 1883
    username: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rooms' Redis: the one at `url`, or the master that `sentinels` name for `service`, or the Cluster of which `cluster` names some nodes.

    Sentinels and nodes are `HOST:PORT`. `username` and `password_file` are for the servers that hold the rooms; `ca_file` is for a
    private authority, `certificate_file` and `key_file` go together. `acknowledged_replicas` must have a publication before it counts
    (None: one on Sentinels and Cluster, none on a single server); where fewer are there, all of them.
    `payload_keys_file` seals what the rooms hold.
    """

    url: str | None = None
    sentinels: tuple[str, ...] = ()
    service: str = "bedside"
    cluster: tuple[str, ...] = ()
    username: str | None = None
    password_file: Path | None = None
    sentinel_password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    acknowledged_replicas: Annotated[int, msgspec.Meta(ge=0)] | None = None
    payload_keys_file: Path | None = None


class AuthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tokens are believed. `secret_file` holds the HS256 key, at least 32 bytes; `jwks` says where an identity provider's keys are.

    `query_tokens` lets `?token=` in, and `shared_secret` tokens that are signed with `secret_file`; None means: yes, save in production.
    `token_types` are the `typ` that a token may have; with `lone_audience` `aud` is the audience alone, and no list. `claims` says where the
    provider's tokens have what ours have, `roles` which of its names of roles mean which of ours. `public_origin` is the hub's own origin as
    browsers see it, where a proxy stands before it; `origins` are others whose pages are let in.
    """

    secret_file: Path | None = None
    jwks: JwksSettings = JwksSettings()
    issuer: str = "bedside"
    audience: str = "bedside"
    query_tokens: bool | None = None
    shared_secret: bool | None = None
    token_types: tuple[str, ...] = ("JWT",)
    lone_audience: bool = True
    leeway_seconds: Annotated[float, msgspec.Meta(ge=0, le=60)] = 5
    claims: ClaimPaths = ClaimPaths()
    roles: dict[str, UserRole] = {}
    public_origin: Origin | None = None
    origins: tuple[Origin, ...] = ()


class LoggingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Levels: one for all, and one for each logger named (the guide's names are understood too)."""

    level: Level = Level.INFO
    loggers: dict[str, Level] = {}


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may read `/metrics`: whoever has the token in `token_file`, at least 32 bytes, and admins."""

    token_file: Path | None = None


class HubSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hub process, which speaks TLS where it has `tls_certificate` and `tls_key`. `rules_file` None: the rules that come with the product. `production` refuses what only suits development."""

    database_url: str
    auth: AuthSettings = AuthSettings()
    host: str = "127.0.0.1"
    port: Port = 5054
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    redis_url: str = "redis://127.0.0.1:6379/0"
    redis: RedisSettings = RedisSettings()
    mqtt: MqttSettings = MqttSettings()
    registry_file: Path | None = None
    rules_file: Path | None = None
    production: bool = False
    role: Role = Role.ALL
    limits: Limits = Limits()
    logging: LoggingSettings = LoggingSettings()
    metrics: MetricsSettings = MetricsSettings()

    @property
    def query_tokens(self) -> bool:
        """Whether `?token=` is a credential here."""
        return not self.production if self.auth.query_tokens is None else self.auth.query_tokens

    @property
    def rooms_redis(self) -> RedisSettings:
        """Where the rooms are: `redis`, which needs no `url` where `redis_url` says it."""
        redis = self.redis
        if redis.url or redis.sentinels or redis.cluster:
            return redis
        return msgspec.structs.replace(redis, url=self.redis_url)

    @property
    def shared_secret(self) -> bool:
        """Whether tokens that are signed with `auth.secret_file` are believed here."""
        allowed = not self.production if self.auth.shared_secret is None else self.auth.shared_secret
        return allowed and self.auth.secret_file is not None
