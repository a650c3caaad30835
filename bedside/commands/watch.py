"""`bedside watch`: the ward, live in the terminal."""

import argparse
import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bedside.exits import CommandFailed, Exit
from bedside.up.layout import default_state
from bedside.watch import show
from bedside.watch.errors import HubLost, HubRefused, NotThere
from bedside.watch.hub import Target
from bedside.watch.target import HUB_VARIABLE, TOKEN_VARIABLE, target_of

_EPILOG: Final = f"""Without options it shows the demo of this machine; with --hub any hub, by a token for it: --token-file FILE or {TOKEN_VARIABLE}
(--token can be read by other users of the machine). {HUB_VARIABLE} names a hub too. Ctrl-C ends.

Every value stands with its age. Continuous values are greyed after 10 s and not shown after 60 s; cuff pressures and temperatures
after an hour and a day. What is missing is `--`, with the reason below its bed. Waveforms are not shown. When the link to the hub is
lost the screen says so, rings, and connects again by itself. Into a file or a pipe it writes a line for each message.

Marks before a value: ! it raised an alert, ? it is doubtful; of a device: ● linked, ○ asleep, ✕ lost or at fault, · not known.

--json writes JSON Lines: each event as the hub sent it, each answer to a subscription, and of its own
  {{"type": "link", "status": "live" or "lost"}} and {{"type": "missed"}}; with --once one object, the present picture.

exit codes: 0 ended, 2 usage, 3 no set-up there, 4 the hub can't be reached, 5 the token is refused

examples:
  bedside watch
  bedside watch --once
  bedside watch --ward icu --json | jq 'select(.type == "patient_alert")'
  bedside watch --hub https://hub.example --token-file ~/.bedside-token

Bedside is a secondary display, not a primary alarm."""


def configure(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--state", type=Path, metavar="DIR", help=f"a demo's state folder ({default_state()})")
    where.add_argument("--hub", metavar="URL", help="any hub, such as http://127.0.0.1:5054")
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--token-file", type=Path, metavar="FILE", help="a file with the token, read at each connection")
    token.add_argument("--token", metavar="TOKEN", help="the token itself")
    parser.add_argument("--hospital", metavar="ID", help="which hospital, where the token covers several")
    parser.add_argument("--ward", metavar="ID", help="one ward alone")
    parser.add_argument("--patient", metavar="ID", help="one patient alone")
    parser.add_argument("--once", action="store_true", help="print the present picture and end")
    parser.add_argument("--json", action="store_true", help="JSON Lines of events; with --once one object")
    parser.add_argument("--no-bell", action="store_true", help="never ring")
    parser.epilog = _EPILOG
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    target = target_of(arguments)
    try:
        asyncio.run(_until_stopped(_show(arguments, target)))
    except* (HubRefused, HubLost, NotThere) as group:
        raise _failure(group.exceptions[0], target) from group
    except* (CommandFailed, BrokenPipeError) as group:
        raise group.exceptions[0] from None
    return Exit.OK


async def _show(arguments: argparse.Namespace, target: Target) -> None:
    console = Console()
    if arguments.once:
        picture = await show.once(target)
        if arguments.json:
            _say(show.picture_json(picture))
        else:
            show.picture_text(picture, console)
    elif arguments.json:
        await show.json_lines(target, _say)
    elif console.is_terminal and not console.is_dumb_terminal:
        await show.live_screen(target, console, bell=not arguments.no_bell)
    else:
        await show.lines(target, _say)


async def _until_stopped(showing: Coroutine[Any, Any, None]) -> None:
    """An interrupt is how a person ends it: the terminal is put right, and it is no failure."""
    task = asyncio.create_task(showing, name="watch")
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise


def _failure(error: BaseException, target: Target) -> CommandFailed:
    """What to say, and the exit code."""
    match error:
        case HubRefused():
            return CommandFailed(
                f"{target.url} refuses: {error}; another token: --token-file FILE, `bedside token` makes one",
                Exit.AUTHENTICATION,
            )
        case NotThere():
            return CommandFailed(f"{target.url}: {error}", Exit.USAGE)
        case _:
            return CommandFailed(
                f"the hub can't be reached: {error}; start it (`bedside demo`), or name another: --hub URL",
                Exit.UNREACHABLE,
            )


def _say(line: str) -> None:
    print(line, flush=True)
