"""`bedside database`: what is to be said to the record's database by hand."""

import argparse
import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from bedside.exits import CommandFailed, Exit
from bedside.hub_configuration import load_hub
from hub.errors import ConfigurationError, Conflict, Unavailable
from hub.ingest.owner import LEASE_SECONDS
from hub.record.record import Record
from hub.record.restored import begin_record_epoch
from hub.record.sole import alone_with


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    restored = commands.add_parser(
        "restored",
        help="say that the database was restored, or failed over and may have lost commits; every hub must be stopped",
        description="Begin a new record epoch: the database was restored, or failed over and may have lost commits. Every hub must be stopped.",
    )
    restored.add_argument(
        "--config", type=Path, metavar="FILE", help="hub.toml; without it the environment must say all"
    )
    restored.add_argument("--json", action="store_true", help="one JSON object: the record epochs before and after")
    restored.set_defaults(run=run)
    parser.epilog = "example: bedside database restored --config /etc/bedside/hub.toml"


def run(arguments: argparse.Namespace) -> int:
    address = load_hub(arguments.config).settings.database_url
    try:
        before, after = asyncio.run(_restored(address))
    except ConfigurationError as error:
        raise CommandFailed(str(error), Exit.CONFIGURATION) from error
    except Conflict as error:
        raise CommandFailed(str(error)) from error
    except Unavailable as error:
        raise CommandFailed(str(error), Exit.UNREACHABLE) from error
    if arguments.json:
        print(json.dumps({"before": before, "after": after}))
    else:
        print(f"record epoch {after} begins after {before}; start the hubs: in {LEASE_SECONDS:g} s they take in again")
    return Exit.OK


async def _restored(address: str) -> tuple[int, int]:
    record = await Record.open(address, clock=lambda: datetime.now(UTC))
    try:
        with alone_with(record.engine):
            return await begin_record_epoch(record.engine, lease_seconds=LEASE_SECONDS)
    finally:
        await record.close()
