"""`bedside token`: a token for a hub with a development secret. Prints the token alone."""

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bedside.exits import CommandFailed, Exit
from bedside.up.layout import Layout, default_state
from hub.auth.tokens import ALL, Role, load_secret, mint
from hub.errors import ConfigurationError
from vitals.errors import InvalidIdentifier
from vitals.identifiers import identifier

USUAL_LIFE: Final = timedelta(hours=8)
LONGEST_LIFE: Final = timedelta(days=366)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--role", required=True, choices=[role.value for role in Role], help="what its bearer may do (realtime API)"
    )
    parser.add_argument(
        "--hospital",
        action="append",
        metavar="ID",
        help="a hospital it is for, or * for all (admins only); may be given several times; ids aren't looked up "
        "(all for an admin, else the demo's)",
    )
    parser.add_argument(
        "--patient", action="append", metavar="ID", help="a patient it is for, instead of a whole hospital; likewise"
    )
    parser.add_argument(
        "--ttl",
        type=duration,
        default=USUAL_LIFE,
        metavar="TIME",
        help="how long it is good for: 90s, 30m, 8h, 7d (8h)",
    )
    parser.add_argument("--subject", metavar="NAME", help="who bears it, for logs and audit (the role's name)")
    parser.add_argument(
        "--state", type=Path, default=default_state(), metavar="DIR", help="the hub's state folder (%(default)s)"
    )
    parser.epilog = (
        "The secret is DIR/secrets/jwt-secret: that of `bedside up`, or with --state deploy one that `bedside secrets` made.\n\n"
        'example: curl -H "Authorization: Bearer $(bedside token --role clinician)" http://localhost:5054/realtime/stats'
    )
    parser.set_defaults(run=run)


def duration(text: str) -> timedelta:
    """`8h`, `30m`, `90s`, `7d`. Raises ArgumentTypeError."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 90s, 30m, 8h or 7d")
    life = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if life > LONGEST_LIFE:
        advice = "make a new one before it ends; a lost one is taken back with POST /auth/revocations"
        raise argparse.ArgumentTypeError(f"{text} is longer than {LONGEST_LIFE.days} days; {advice}")
    return life


def run(arguments: argparse.Namespace) -> int:
    role = Role(arguments.role)
    hospitals = [_scope("--hospital", name, role) for name in arguments.hospital or ()]
    patients = [_scope("--patient", name, role) for name in arguments.patient or ()]
    if arguments.subject is not None and not arguments.subject.strip():
        raise CommandFailed("--subject: must not be empty", Exit.USAGE)
    token = make_token(
        Layout(arguments.state),
        role,
        hospitals=hospitals,
        patients=patients,
        ttl=arguments.ttl,
        subject=arguments.subject,
    )
    print(token)
    return Exit.OK


def make_token(
    layout: Layout,
    role: Role | str,
    *,
    hospitals: Sequence[str] = (),
    patients: Sequence[str] = (),
    ttl: timedelta = USUAL_LIFE,
    subject: str | None = None,
) -> str:
    """A token signed with the state folder's secret; without hospitals and patients it is for the usual ones. Raises CommandFailed."""
    try:
        secret = load_secret(layout.jwt_secret)
    except ConfigurationError as error:
        said = str(error).removeprefix("auth.secret_file: ")
        advice = "start `bedside up` or `bedside demo` first, or name its folder with --state"
        raise CommandFailed(f"{said}; {advice}", Exit.CONFIGURATION) from error
    role = Role(role)
    return mint(
        secret,
        subject=subject or role.value,
        role=role,
        hospitals=hospitals or ([] if patients else [_usual_hospital(role)]),
        patients=patients,
        ttl=ttl,
        now=datetime.now(UTC),
    )


def _usual_hospital(role: Role) -> str:
    if role is Role.ADMIN:
        return ALL
    try:
        from simulators.plan import GUIDE_HOSPITAL  # noqa: PLC0415 - a hub's image has no simulators
    except ModuleNotFoundError as error:
        raise CommandFailed("--hospital: is needed, for there is no demo here", Exit.USAGE) from error
    return GUIDE_HOSPITAL


def _scope(option: str, name: str, role: Role) -> str:
    if name == ALL:
        if role is not Role.ADMIN:
            raise CommandFailed(f"{option}: only an admin's token may be for all", Exit.USAGE)
        return name
    try:
        return identifier("an id", name)
    except InvalidIdentifier as error:
        raise CommandFailed(f"{option}: {error}", Exit.USAGE) from error
