"""`bedside hub`: run the hub."""

import argparse
import socket
from pathlib import Path

from bedside.exits import CommandFailed, Exit
from bedside.hub_configuration import load_hub
from hub.errors import ConfigurationError, Unavailable
from hub.run import run as serve
from hub.settings import HubSettings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="hub.toml; without it the environment must say all")
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (5054)")
    parser.add_argument("--role", choices=["all", "ingest", "serve"], help="what this process does (all)")
    parser.epilog = "example: bedside hub --config /etc/bedside/hub.toml\nevery key: docs/reference/configuration.md"
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    overrides = {"host": arguments.host, "port": arguments.port, "role": arguments.role}
    settings = load_hub(arguments.config, overrides=overrides).settings
    _check_address(settings)
    try:
        serve(settings)
    except ConfigurationError as error:
        raise CommandFailed(str(error), Exit.CONFIGURATION) from error
    except Unavailable as error:
        more = f"bedside doctor{f' --config {arguments.config}' if arguments.config else ''}"
        raise CommandFailed(f"{error}; for more: {more}", Exit.UNREACHABLE) from error
    return Exit.OK


def _check_address(settings: HubSettings) -> None:
    """Before anything is opened: a second hub must not take the first one's leases only to find its port taken."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        said = f"{settings.host}:{settings.port} can't be listened on: {error.strerror}"
        raise CommandFailed(f"{said}; is another hub running?", Exit.CONFIGURATION) from error
