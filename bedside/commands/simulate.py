"""`bedside simulate`: the devices of a simulated ward."""

import argparse
import asyncio
import logging
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from bedside.exits import CommandFailed, Exit
from simulators.errors import SimulatorError
from simulators.plan import WardPlan, load_plan
from simulators.ward import run as run_ward


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="folder with ward.toml; ledger and ports appear there"
    )
    parser.add_argument(
        "--started",
        type=_instant,
        metavar="TIME",
        help="when the replay began, such as 2026-11-25T10:00:00+00:00 (now)",
    )
    parser.add_argument("--no-bluetooth", action="store_true", help="only the serial half")
    parser.epilog = (
        "`bedside up` starts it. The simulated BlueZ appears on the bus that DBUS_SYSTEM_BUS_ADDRESS names.\n"
        "A device's model in ward.toml is the key of a driver for Bluetooth or a serial line: see docs/device-support.md.\n\n"
        "example: bedside simulate --state ~/ward --no-bluetooth"
    )
    parser.set_defaults(run=run)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2026-11-25T10:00:00+00:00") from error
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no offset; write {text}+00:00")
    return instant


def run(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("bumble").setLevel("ERROR")
    bus_address = None if arguments.no_bluetooth else os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    try:
        plan = load_plan(arguments.state / "ward.toml")
        asyncio.run(_until_signalled(plan, arguments, bus_address))
    except SimulatorError as error:
        raise CommandFailed(str(error), Exit.CONFIGURATION) from error
    return Exit.OK


async def _until_signalled(plan: WardPlan, arguments: argparse.Namespace, bus_address: str | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_ward(
        plan,
        state=arguments.state,
        bus_address=bus_address,
        stop=stop,
        ready=lambda: logging.getLogger(__name__).info("the simulated ward is ready"),
        started=arguments.started or datetime.now(UTC),
    )
