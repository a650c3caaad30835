"""The hub's verification as its settings say it: the keys, and the form of tokens."""

import time
from dataclasses import dataclass
from random import Random

from hub.auth.keys import Keys, SeveralKeys, SharedSecret
from hub.auth.published_keys import PublishedKeys, reader
from hub.auth.tokens import load_secret
from hub.auth.verification import TokenForm, TokenVerifier
from hub.errors import ConfigurationError
from hub.settings import HubSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """`published` is there where an identity provider is; its `run` must be."""

    keys: Keys
    verifier: TokenVerifier
    published: PublishedKeys | None


def verification_of(settings: HubSettings, random: Random) -> Verification:
    """Raises ConfigurationError for a secret that can't be used, and where no token could ever be believed."""
    auth = settings.auth
    secret = auth.secret_file if settings.shared_secret else None
    shared = None if secret is None else SharedSecret(load_secret(secret))
    published = None
    if auth.jwks.is_said:
        published = PublishedKeys(auth.jwks, read=reader(auth.jwks), clock=time.monotonic, random=random)
    sources: list[Keys] = [source for source in (shared, published) if source is not None]
    if not sources:
        raise ConfigurationError(said_nothing(settings))
    keys = SeveralKeys(*sources)
    return Verification(keys=keys, verifier=TokenVerifier(keys, token_form(settings)), published=published)


def said_nothing(settings: HubSettings) -> str:
    """Why no token could be believed."""
    if settings.auth.secret_file is None:
        return "auth: no key is said; write secret_file = … under [auth], or url = … or file = … under [auth.jwks]"
    return (
        "auth.shared_secret: production settings believe no token signed with secret_file; use [auth.jwks], "
        "or write shared_secret = true, knowing that whoever holds the file can sign any token"
    )


def token_form(settings: HubSettings) -> TokenForm:
    auth = settings.auth
    return TokenForm(
        issuer=auth.issuer,
        audience=auth.audience,
        max_bytes=settings.limits.token_bytes,
        types=auth.token_types,
        leeway_seconds=auth.leeway_seconds,
        longest_seconds=settings.limits.token_life_seconds,
        lone_audience=auth.lone_audience,
        paths=auth.claims,
        role_names=auth.roles,
    )
