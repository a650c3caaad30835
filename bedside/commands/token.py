"""`bedside token`: a token for a hub with a development secret. Prints the token alone."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bedside.exits import CommandFailed, Exit
from bedside.up.layout import Layout, default_state
from hub.auth.tokens import Role, load_secret, mint
from hub.errors import ConfigurationError
from simulators.plan import GUIDE_HOSPITAL

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> timedelta:
    """`8h`, `30m`, `90s`, `7d`."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None or match[1] == "0":
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 8h, 30m, 90s or 7d")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", required=True, choices=[role.value for role in Role])
    parser.add_argument(
        "--hospital", action="append", metavar="ID", help="may be given several times; ids aren't looked up"
    )
    parser.add_argument("--patient", action="append", metavar="ID", help="narrow the token to patients")
    parser.add_argument("--ttl", type=duration, default=timedelta(hours=8), help="how long it is good for (8h)")
    parser.add_argument("--subject", help="who it is for (the role's name)")
    parser.add_argument("--state", type=Path, default=default_state(), metavar="DIR", help="the hub's state folder")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    print(make_token(Layout(arguments.state), arguments.role, arguments))
    return Exit.OK


def make_token(layout: Layout, role: str, arguments: argparse.Namespace | None = None) -> str:
    """A token signed with the state folder's secret. Raises CommandFailed."""
    given = arguments or argparse.Namespace(hospital=None, patient=None, ttl=timedelta(hours=8), subject=None)
    try:
        secret = load_secret(layout.jwt_secret)
    except ConfigurationError as error:
        raise CommandFailed(
            f"{error}; start `bedside up` or `bedside demo` first, or name its folder with --state", Exit.CONFIGURATION
        ) from error
    patients = given.patient or []
    everywhere = "*" if role == Role.ADMIN.value else GUIDE_HOSPITAL
    hospitals = given.hospital or ([] if patients else [everywhere])
    return mint(
        secret,
        subject=given.subject or role,
        role=role,
        hospitals=hospitals,
        patients=patients,
        ttl=given.ttl,
        now=datetime.now(UTC),
    )
