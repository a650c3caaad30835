"""Which hub and which token a command line means."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bedside.commands.watch import configure
from bedside.exits import CommandFailed, Exit
from bedside.up import files
from bedside.up.layout import Layout
from bedside.watch.hub import Target
from bedside.watch.target import HUB_VARIABLE, TOKEN_VARIABLE, target_of
from hub.auth.keys import SharedSecret
from hub.auth.tokens import Role
from hub.auth.verification import TokenForm, TokenVerifier
from hub.limits import Limits
from simulators.plan import GUIDE_HOSPITAL, default_plan
from tests.bedside.watch.samples import NOON


def target(*words: object) -> Target:
    parser = argparse.ArgumentParser()
    configure(parser)
    return target_of(parser.parse_args([str(word) for word in words]))


def failure(*words: object) -> CommandFailed:
    with pytest.raises(CommandFailed) as caught:
        target(*words)
    return caught.value


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (HUB_VARIABLE, TOKEN_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "state")
    files.kept_secret(made.jwt_secret)
    files.write_registry(made, default_plan(), simulators=True)
    files.write_hub(made, port=6054, redis_url="redis://127.0.0.1:1/0", mqtt_port=1)
    return made


def claims(token: str, layout: Layout) -> Any:
    form = TokenForm(issuer="bedside", audience="bedside", max_bytes=Limits().token_bytes)
    verifier = TokenVerifier(SharedSecret(layout.jwt_secret.read_bytes()), form)
    return verifier.verify(token, now=NOON)


def test_a_state_folder_gives_the_hub_and_a_viewers_token_for_its_hospital(layout: Layout):
    found = target("--state", layout.state)
    assert found.url == "http://127.0.0.1:6054"
    believed = claims(found.token(), layout)
    assert (believed.roles, believed.hospitals) == ({Role.VIEWER}, {GUIDE_HOSPITAL})


def test_the_environment_of_another_hub_is_not_for_a_named_state_folder(layout: Layout, monkeypatch):
    monkeypatch.setenv(HUB_VARIABLE, "http://elsewhere")
    monkeypatch.setenv(TOKEN_VARIABLE, "elsewhere's")
    found = target("--state", layout.state)
    assert found.url == "http://127.0.0.1:6054"
    assert found.token() != "elsewhere's"


def test_hub_and_token_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv(HUB_VARIABLE, "https://hub.example")
    monkeypatch.setenv(TOKEN_VARIABLE, "t\n")
    found = target("--ward", "icu")
    assert (found.url, found.token(), found.ward) == ("https://hub.example", "t", "icu")


def test_a_token_file_is_read_at_each_connection(tmp_path: Path):
    file = tmp_path / "token"
    found = target("--hub", "http://h", "--token-file", file)
    for token in ("first", "second"):
        file.write_text(f"{token}\n")
        assert found.token() == token
    file.unlink()
    with pytest.raises(CommandFailed, match="can't be read"):
        found.token()


def test_without_a_set_up_it_says_what_to_start(tmp_path: Path):
    failed = failure("--state", tmp_path)
    assert failed.code is Exit.CONFIGURATION
    assert "bedside demo" in str(failed)


def test_a_hub_without_a_token_is_refused_before_it_is_asked():
    assert failure("--hub", "http://h").code is Exit.AUTHENTICATION


def test_an_address_that_is_none_is_wrong_usage():
    assert failure("--hub", "hub.example", "--token", "t").code is Exit.USAGE


def test_a_hubs_own_image_can_watch():
    """It holds neither agent, simulators nor drivers."""
    block = "import sys; sys.modules.update(dict.fromkeys(('edge_agent', 'simulators', 'device_drivers')))"
    done = subprocess.run([sys.executable, "-c", f"{block}; import bedside.commands.watch"], check=False)
    assert done.returncode == 0
