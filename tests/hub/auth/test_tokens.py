"""Tokens are believed in one form only. Hostile ones are made with the standard library, not with our own code."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.auth.errors import InvalidToken
from hub.auth.keys import SharedSecret
from hub.auth.tokens import Claims, Role, load_secret, mint, new_secret
from hub.auth.verification import TokenForm, TokenVerifier
from hub.errors import ConfigurationError
from tests.support.hostile_tokens import GOOD, HEADER, UNSENDABLE, hostile, privileged, signed

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = datetime.now(UTC)


def verify(token: str) -> Claims:
    form = TokenForm(issuer="bedside", audience="bedside", max_bytes=8192)
    return TokenVerifier(SharedSecret(SECRET), form).verify(token, now=NOW)


def test_a_good_token_is_believed():
    claims = verify(signed(GOOD, secret=SECRET))
    assert (claims.sub, claims.roles, claims.hospitals) == ("nurse1", {Role.VIEWER}, {"h1"})


def test_what_is_minted_is_believed_and_says_what_was_asked():
    token = mint(
        SECRET,
        subject="a",
        role="admin",
        hospitals=["*"],
        wards=["h:w"],
        patients=["p"],
        ttl=timedelta(hours=8),
        now=NOW,
    )
    claims = verify(token)
    assert (claims.roles, claims.hospitals, claims.wards, claims.patients) == ({Role.ADMIN}, {"*"}, {"h:w"}, {"p"})
    assert claims.expires == datetime.fromtimestamp(int(NOW.timestamp()) + 8 * 3600, UTC)


def test_two_minted_tokens_have_ids_of_their_own():
    one, two = (verify(mint(SECRET, subject="a", role="viewer", ttl=timedelta(hours=1), now=NOW)) for _ in range(2))
    assert one.jti != two.jti


def test_an_unknown_role_is_not_minted():
    with pytest.raises(ValueError, match="root"):
        mint(SECRET, subject="a", role="root", ttl=timedelta(hours=1), now=NOW)


HOSTILE = hostile(SECRET) | UNSENDABLE


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_token_is_not_believed_and_the_refusal_holds_nothing_of_it(token: str):
    with pytest.raises(InvalidToken) as refusal:
        verify(token)
    assert len(str(refusal.value)) < 80
    assert "nurse1" not in str(refusal.value)


def test_what_only_the_hub_says_of_a_user_is_not_taken_from_a_token():
    claims = verify(privileged(SECRET))
    assert (claims.opened, claims.session) == (frozenset(), None)


def test_the_hostile_tokens_are_hostile_by_one_thing_alone():
    """Without it they would be believed: else the list would prove nothing."""
    assert verify(signed(GOOD, HEADER, secret=SECRET)).sub == "nurse1"


def test_forty_hostile_tokens_and_more_are_tried():
    assert len(HOSTILE) >= 40


def test_a_short_secret_is_refused(tmp_path: Path):
    (tmp_path / "short").write_bytes(b"x" * 31 + b"\n")
    with pytest.raises(ConfigurationError, match="31 bytes"):
        load_secret(tmp_path / "short")
    with pytest.raises(ConfigurationError, match="can't read"):
        load_secret(tmp_path / "none")


def test_a_new_secret_can_be_loaded(tmp_path: Path):
    secret = new_secret()
    (tmp_path / "secret").write_bytes(secret + b"\n")
    assert load_secret(tmp_path / "secret") == secret
    assert secret != new_secret()
