"""`bedside token`: prints a token that the hub believes, alone; everything else is refused in one line."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bedside.commands.token import make_token
from bedside.exits import Exit
from bedside.up.layout import Layout
from hub.auth.keys import SharedSecret
from hub.auth.tokens import ALL, Claims, Role
from hub.auth.verification import TokenForm, TokenVerifier
from simulators.plan import GUIDE_HOSPITAL
from tests.bedside.command_line import typed

SECRET = "a-secret-of-this-test-that-is-long-enough"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    secret = Layout(tmp_path).jwt_secret
    secret.parent.mkdir()
    secret.write_text(SECRET)
    return tmp_path


def believed(token: str) -> Claims:
    form = TokenForm(issuer="bedside", audience="bedside", max_bytes=8192)
    verifier = TokenVerifier(SharedSecret(SECRET.encode()), form)
    return verifier.verify(token, now=datetime.now(UTC))


def claims(capsys: pytest.CaptureFixture[str], state: Path, *words: str) -> Claims:
    said = typed(capsys, "token", "--state", state, *words)
    assert (said.code, said.err) == (Exit.OK, "")
    (token,) = said.out.splitlines()
    return believed(token)


@pytest.mark.parametrize("role", Role)
def test_every_roles_token_is_believed_and_is_for_the_usual_hospital(capsys, state, role):
    found = claims(capsys, state, "--role", role.value)
    assert (found.roles, found.sub) == ({role}, role.value)
    assert found.hospitals == {ALL if role is Role.ADMIN else GUIDE_HOSPITAL}


def test_ids_are_taken_as_they_are(capsys, state):
    found = claims(capsys, state, "--role", "viewer", "--hospital", "h1", "--hospital", "h-2.x")
    assert (found.hospitals, found.patients) == ({"h1", "h-2.x"}, frozenset())


def test_a_patient_narrows_a_token_to_no_whole_hospital(capsys, state):
    found = claims(capsys, state, "--role", "clinician", "--patient", "p1")
    assert (found.hospitals, found.patients) == (frozenset(), {"p1"})


def test_an_admin_may_ask_for_all(capsys, state):
    assert claims(capsys, state, "--role", "admin", "--patient", "*").patients == {ALL}


@pytest.mark.parametrize(("written", "seconds"), [("90s", 90), ("30m", 1800), ("8h", 28800), ("7d", 604800)])
def test_it_is_good_for_as_long_as_was_asked(capsys, state, written, seconds):
    found = claims(capsys, state, "--role", "viewer", "--ttl", written)
    assert found.exp - found.iat == seconds


def test_it_is_good_for_eight_hours_where_nobody_asked(capsys, state):
    found = claims(capsys, state, "--role", "viewer", "--subject", "Ann Example")
    assert (found.exp - found.iat, found.sub) == (28800, "Ann Example")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--hospital", "a b"), "--hospital: an id must be 1 to 64 of the characters"),
        (("--hospital", ""), "--hospital: an id must be"),
        (("--hospital", "a/b"), "--hospital: an id must be"),
        (("--patient", "x" * 65), "--patient: an id must be"),
        (("--hospital", "*"), "--hospital: only an admin's token may be for all"),
        (("--patient", "*"), "--patient: only an admin's token may be for all"),
        (("--subject", " "), "--subject: must not be empty"),
        *((("--ttl", ttl), f"{ttl!r} is no duration") for ttl in ("0h", "00d", "8", "h", "1.5h", "8 h", "٣h")),
        (("--ttl", "367d"), "367d is longer than 366 days"),
        (("--ttl", "999999999d"), "999999999d is longer than 366 days"),
    ],
)
def test_what_makes_no_token_is_refused(capsys, state, words, said):
    refused = typed(capsys, "token", "--state", state, "--role", "clinician", *words)
    assert (refused.code, refused.out) == (Exit.USAGE, "")
    assert said in refused.err
    assert refused.err.count("\n") == 1


def test_without_a_state_folder_it_is_said_how_to_get_one(capsys, tmp_path):
    said = typed(capsys, "token", "--state", tmp_path / "none", "--role", "viewer")
    assert (said.code, said.out) == (Exit.CONFIGURATION, "")
    assert said.err.endswith("start `bedside up` or `bedside demo` first, or name its folder with --state\n")
    assert said.err.count("\n") == 1


def test_a_secret_that_is_no_secret_is_refused(capsys, state):
    Layout(state).jwt_secret.write_text("short")
    said = typed(capsys, "token", "--state", state, "--role", "viewer")
    assert said.code == Exit.CONFIGURATION
    assert "holds 5 bytes; put 32 or more" in said.err


def test_other_commands_can_make_one_too(state):
    assert believed(make_token(Layout(state), "clinician")).hospitals == {GUIDE_HOSPITAL}
