"""`bedside hub`: run the hub."""

import argparse
from pathlib import Path

from bedside.exits import CommandFailed, Exit
from bedside.hub_configuration import load_hub
from hub.errors import ConfigurationError, Unavailable
from hub.run import run as serve


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
    try:
        serve(settings)
    except ConfigurationError as error:
        raise CommandFailed(str(error), Exit.CONFIGURATION) from error
    except Unavailable as error:
        raise CommandFailed(str(error), Exit.UNREACHABLE) from error
    return Exit.OK
