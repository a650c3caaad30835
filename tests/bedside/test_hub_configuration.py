"""What types can't say about a hub's settings: everything for which it would refuse to start, said before it starts."""

from pathlib import Path
from typing import Any

import pytest

from bedside.exits import CommandFailed, Exit
from bedside.hub_configuration import faults, load_hub
from bedside.up.layout import Layout
from hub.auth.settings import ClaimPaths, JwksSettings
from hub.limits import Limits
from hub.settings import AuthSettings, HubSettings, MqttSettings, RedisSettings, Role
from tests.support.certificates import Authority


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("x" * 40)
    return path


def settings(secret: Path, **changes: Any) -> HubSettings:
    whole = {
        "database_url": f"sqlite+aiosqlite:///{secret.parent}/record",
        "auth": AuthSettings(secret_file=secret),
    } | changes
    return HubSettings(**whole)


def test_sound_settings_have_no_fault(secret):
    assert faults(settings(secret)) == ()


def test_every_fault_begins_with_its_key(secret, tmp_path):
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "bad.toml").write_text("[[rules]]\n")
    found = faults(
        HubSettings(
            database_url="mysql://x/y",
            redis_url="http://x",
            auth=AuthSettings(secret_file=tmp_path / "none"),
            mqtt=MqttSettings(username="hub", password_file=tmp_path / "empty", ca_file=tmp_path / "none.pem"),
            limits=Limits(ping_seconds=60, silence_seconds=60),
            rules_file=tmp_path / "bad.toml",
            registry_file=tmp_path / "none.toml",
        )
    )
    begin = [fault.partition(":")[0] for fault in found]
    assert begin == [
        "database_url",
        "redis_url",
        "mqtt.ca_file",
        "mqtt.password_file",
        "mqtt.ca_file",
        "auth.secret_file",
        "limits.silence_seconds",
        "bad.toml",
        "registry_file",
    ]


@pytest.mark.parametrize(
    ("redis", "fault"),
    [
        (RedisSettings(url="x"), "redis.url: is no Redis address"),
        (RedisSettings(url="redis://x", cluster=("x",)), "redis: url, sentinels and cluster exclude each other"),
        (RedisSettings(sentinels=("x:y",)), "redis.sentinels: 'x:y' is no HOST:PORT"),
        (RedisSettings(cluster=("x:0",)), "redis.cluster: 'x:0' is no HOST:PORT"),
        (RedisSettings(username="hub"), "redis.password_file: is missing"),
        (RedisSettings(tls=True, key_file=Path("none")), "redis.certificate_file: is missing"),
        (RedisSettings(ca_file=Path(__file__)), "redis.ca_file: is for TLS"),
        (RedisSettings(tls=True, ca_file=Path("none")), "redis.ca_file: can't read none"),
        (RedisSettings(payload_keys_file=Path("none")), "redis.payload_keys_file: none can't be read"),
    ],
)
def test_a_redis_that_can_not_be_used_is_a_fault(secret, redis, fault):
    assert faults(settings(secret, redis=redis))[0].startswith(fault)


def test_redis_by_tls_with_certificates_is_fine(secret, tmp_path):
    certificate, key = Authority(tmp_path).issue("hub")
    redis = RedisSettings(url="rediss://x", ca_file=certificate, certificate_file=certificate, key_file=key)
    assert faults(settings(secret, redis=redis, tls_certificate=certificate, tls_key=key)) == ()


def test_a_certificate_without_its_key_or_with_another_is_a_fault(secret, tmp_path):
    authority = Authority(tmp_path)
    (certificate, key), (_, other) = authority.issue("hub"), authority.issue("other")
    assert "tls_key: is missing" in faults(settings(secret, tls_certificate=certificate))[0]
    assert "tls_certificate: is missing" in faults(settings(secret, tls_key=key))[0]
    assert "no pair of PEM files that fit" in faults(settings(secret, tls_certificate=certificate, tls_key=other))[0]
    assert "can't read it" in faults(settings(secret, tls_certificate=tmp_path / "none", tls_key=key))[0]


@pytest.mark.parametrize(("url", "role"), [("not an address", Role.ALL), ("postgresql://x/y", Role.ALL)])
def test_a_database_that_can_not_be_used_is_a_fault(secret, url, role):
    assert faults(settings(secret, database_url=url, role=role))[0].startswith("database_url: ")


def test_scaling_apart_on_sqlite_is_a_fault(secret):
    assert faults(settings(secret, role=Role.SERVE)) == ("role: serve needs PostgreSQL; on SQLite one hub does all",)
    assert faults(settings(secret, role=Role.SERVE, database_url="postgresql+psycopg://u@h/d")) == ()


def test_user_and_password_file_go_together(secret):
    assert "mqtt.password_file: is missing" in faults(settings(secret, mqtt=MqttSettings(username="hub")))[0]
    assert "mqtt.username: is missing" in faults(settings(secret, mqtt=MqttSettings(password_file=secret)))[0]


def test_a_short_secret_is_a_fault(secret):
    secret.write_text("short")
    assert "put 32 or more" in faults(settings(secret))[0]


def test_production_refuses_the_secret_of_an_embedded_set_up(tmp_path):
    """It was made for a machine on which everybody may ask for tokens; copied elsewhere it is a secret like any other."""
    layout = Layout(tmp_path)
    layout.jwt_secret.parent.mkdir()
    layout.jwt_secret.write_text("x" * 40)
    layout.lock.mkdir()  # as /run/lock stands beside /run/secrets
    believed = {"production": True, "auth": AuthSettings(secret_file=layout.jwt_secret, shared_secret=True)}
    assert faults(settings(layout.jwt_secret, **believed)) == ()
    layout.lock.rmdir()
    layout.lock.touch()
    layout.hub_toml.touch()
    assert faults(settings(layout.jwt_secret)) == ()
    (fault,) = faults(settings(layout.jwt_secret, **believed))
    assert "was made by `bedside up` for development; make another: bedside secrets DIR" in fault


def test_without_any_key_no_token_could_be_believed(secret):
    assert "auth: no key is said; write secret_file = …" in faults(settings(secret, auth=AuthSettings()))[0]


def test_production_believes_tokens_of_a_shared_secret_only_when_told_to(secret):
    """Whoever can verify with it can sign with it."""
    (fault,) = faults(settings(secret, production=True))
    assert fault.startswith("auth.shared_secret: ")
    assert faults(settings(secret, production=True, auth=AuthSettings(secret_file=secret, shared_secret=True))) == ()


JWKS = '{"keys": [{"kty": "RSA", "kid": "small", "e": "AQAB", "n": "AQAB"}]}'


@pytest.mark.parametrize(
    ("auth", "fault"),
    [
        ({"jwks": JwksSettings(url="http://idp.example/certs")}, "auth.jwks.url: write https"),
        ({"jwks": JwksSettings(url="ftp://idp.example/certs")}, "auth.jwks.url: write https"),
        ({"jwks": JwksSettings(url="https:///certs")}, "auth.jwks.url: write https"),
        ({"jwks": JwksSettings(url="https://idp.example", file=Path("x"))}, "auth.jwks.file: name a file or a url"),
        ({"jwks": JwksSettings(file=Path("none"))}, "auth.jwks.file: can't read none"),
        ({"jwks": JwksSettings(url="https://idp.example", ca_file=Path("none"))}, "auth.jwks.ca_file: can't read none"),
        ({"jwks": JwksSettings(url="https://idp.example", keep_seconds=1)}, "auth.jwks.keep_seconds: must be at least"),
        ({"claims": ClaimPaths(roles="realm_access.")}, "auth.claims.roles: write the claim's path"),
        ({"token_types": ()}, "auth.token_types: name one"),
    ],
)
def test_what_is_said_of_an_identity_provider_is_checked(secret, auth, fault):
    auth = {"secret_file": secret, "shared_secret": True} | auth
    assert faults(settings(secret, production=True, auth=AuthSettings(**auth)))[0].startswith(fault)


def test_a_key_file_that_can_not_be_believed_is_a_fault(secret, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(JWKS)
    (fault,) = faults(settings(secret, auth=AuthSettings(jwks=JwksSettings(file=keys))))
    assert "RSA needs 2048" in fault or "can't be read" in fault


def test_a_provider_of_keys_over_https_is_enough(secret):
    auth = AuthSettings(jwks=JwksSettings(url="https://idp.example/certs"))
    assert faults(settings(secret, production=True, auth=auth)) == ()


def test_the_first_fault_ends_the_command_with_exit_3(secret, tmp_path):
    file = tmp_path / "hub.toml"
    file.write_text(
        f'database_url = "sqlite+aiosqlite:///{tmp_path}/record"\nredis_url = "x"\n[auth]\nsecret_file = "{secret}"\n'
    )
    with pytest.raises(CommandFailed, match=f"{file}: redis_url: is no Redis address") as refused:
        load_hub(file, environment={})
    assert refused.value.code is Exit.CONFIGURATION
    assert load_hub(file, environment={"BEDSIDE_REDIS_URL": "redis://x"}).settings.redis_url == "redis://x"
