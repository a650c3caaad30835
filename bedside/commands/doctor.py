"""`bedside doctor`: check every component, and say what to do."""

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import Final

from bedside.doctor.checks import checks
from bedside.doctor.findings import exit_code
from bedside.doctor.report import as_json, as_text
from bedside.doctor.running import LIMIT_SECONDS, run
from bedside.doctor.subject import GATEWAY_FILE, HUB_FILE, subject
from bedside.up.layout import default_state

_EPILOG: Final = f"""Looks from outside, changes nothing, and is done within {LIMIT_SECONDS:g} seconds or says who didn't answer. Without options it looks at the
demo of this machine, else at {HUB_FILE} and {GATEWAY_FILE}. Ask as the user that runs the service, for it is
that user's permissions which count: sudo -u bedside bedside doctor

exit codes: 0 all well (warnings too); else the first of these that holds:
  3 the configuration is wrong   5 a password or token is refused   4 something can't be reached   1 anything else

examples:
  bedside doctor
  bedside doctor --config /etc/bedside/hub.toml
  bedside doctor --gateway /etc/bedside/gateway.toml --json | jq '.checks[] | select(.outcome == "failed")'
  docker compose exec hub bedside doctor"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, metavar="DIR", help=f"a demo's state folder ({default_state()})")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a hub.toml: check that hub")
    parser.add_argument("--gateway", type=Path, metavar="FILE", help="a gateway.toml: check that gateway, here")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.epilog = _EPILOG
    parser.set_defaults(run=lambda arguments: _run(parser, arguments))


def _run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if arguments.state is not None and (arguments.config is not None or arguments.gateway is not None):
        parser.error("--state is for a set-up of its own: leave out --config and --gateway")
    logging.basicConfig(level=logging.CRITICAL)  # what libraries would say is in the findings
    looked_at = subject(state=arguments.state, hub_file=arguments.config, gateway_file=arguments.gateway)
    checked = run(checks(looked_at))
    if arguments.json:
        print(as_json(checked, looked_at.told))
    else:
        print(as_text(checked, colour=_shows_colour()))
    return exit_code(checked)


def _shows_colour() -> bool:
    """On a terminal that has colours, unless the person wants none (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
