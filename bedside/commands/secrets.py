"""`bedside secrets`: the passwords and keys of a deployment."""

import argparse
import json
from pathlib import Path

from bedside.deployment import make_secrets
from bedside.exits import CommandFailed, Exit
from vitals.errors import InvalidIdentifier
from vitals.identifiers import identifier


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="where they go, such as deploy/secrets; what is there is kept"
    )
    parser.add_argument("--gateway", action="append", default=[], metavar="ID", help="a gateway that gets a password")
    parser.add_argument(
        "--payload-key",
        action="store_true",
        help="a new key that seals what the rooms hold in Redis, added to DIR/payload-keys",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object: the files that were made")
    parser.epilog = "example: bedside secrets deploy/secrets --gateway gw-1 --gateway gw-2"
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        gateways = [identifier("gateway", name) for name in arguments.gateway]
    except InvalidIdentifier as error:
        raise CommandFailed(f"--gateway: {error}", Exit.USAGE) from error
    try:
        made = make_secrets(arguments.folder, gateways, payload_key=arguments.payload_key)
    except OSError as error:
        raise CommandFailed(f"{error.filename or arguments.folder}: {error.strerror}") from error
    if arguments.json:
        print(json.dumps({"made": [str(path) for path in made]}))
    else:
        print("\n".join(f"made {path}" for path in made) or "nothing to make: everything is there")
    return Exit.OK
