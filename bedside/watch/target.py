"""Which hub, and by which token: a demo's, found by its state folder, or any hub, by its address."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bedside.commands.token import make_token
from bedside.configuration import load
from bedside.exits import CommandFailed, Exit
from bedside.up.layout import Layout, default_state
from bedside.watch.hub import Target
from hub.auth.tokens import Role
from hub.errors import ConfigurationError
from hub.registry_file import load_registry
from hub.settings import HubSettings

HUB_VARIABLE: Final = "BEDSIDE_HUB"
TOKEN_VARIABLE: Final = "BEDSIDE_TOKEN"  # noqa: S105 - a variable's name
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - an address to recognise, not to listen on


def target_of(arguments: argparse.Namespace) -> Target:
    """What the arguments and the environment say. Raises CommandFailed: exit 3 without a set-up, 5 without a token."""
    url = arguments.hub or (None if arguments.state else os.environ.get(HUB_VARIABLE))
    if url is None:
        layout = Layout(arguments.state or default_state())
        settings = _settings(layout)
        url = f"http://{_host(settings.host)}:{settings.port}"
        token = _named_token(arguments) or _minted(layout, settings)
    else:
        token = _named_token(arguments) or _token_of_environment()
    if not url.startswith(("http://", "https://")):
        raise CommandFailed(f"--hub {url}: must begin with http:// or https://", Exit.USAGE)
    return Target(url=url, token=token, hospital=arguments.hospital, ward=arguments.ward, patient=arguments.patient)


def _settings(layout: Layout) -> HubSettings:
    if not layout.hub_toml.exists():
        advice = (
            f"no Bedside has run in {layout.state}; start `bedside demo`, or name a hub: --hub URL --token-file FILE"
        )
        raise CommandFailed(advice, Exit.CONFIGURATION)
    return load(HubSettings, file=layout.hub_toml, environment={}).settings


def _host(host: str) -> str:
    here = "127.0.0.1" if host in _EVERYWHERE else host
    return f"[{here}]" if ":" in here else here


def _named_token(arguments: argparse.Namespace) -> Callable[[], str] | None:
    """The token that was named; a file is read anew at each connection."""
    if arguments.token_file is not None:
        path: Path = arguments.token_file
        return lambda: _read(path)
    if arguments.token is not None:
        given: str = arguments.token
        return lambda: given
    return None


def _token_of_environment() -> Callable[[], str]:
    given = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not given:
        raise CommandFailed(f"a token is needed: --token-file FILE, or {TOKEN_VARIABLE}", Exit.AUTHENTICATION)
    return lambda: given


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise CommandFailed(f"{path}: can't be read: {error.strerror}", Exit.CONFIGURATION) from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{path}: holds no token", Exit.AUTHENTICATION) from error


def _minted(layout: Layout, settings: HubSettings) -> Callable[[], str]:
    """A fresh viewer's token for the set-up's own hospitals at each connection, signed with its development secret."""
    hospitals = _hospitals(settings)
    return lambda: make_token(layout, Role.VIEWER, hospitals=hospitals, subject="watch")


def _hospitals(settings: HubSettings) -> list[str]:
    try:
        registry = load_registry(settings.registry_file) if settings.registry_file else None
    except ConfigurationError as error:
        raise CommandFailed(str(error), Exit.CONFIGURATION) from error
    return [hospital.id for hospital in registry.hospitals] if registry else []
