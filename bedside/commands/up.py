"""`bedside up`: everything on one machine, in one state folder, without configuration; `bedside demo` says more about it."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bedside.exits import Exit
from bedside.up.embedded import Running, Wish, embedded
from bedside.up.layout import HUB_PORT, Layout, default_state

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser)
    parser.add_argument(
        "--no-simulators", action="store_true", help="no simulated ward: devices are those of STATE/gateway.toml"
    )
    parser.epilog = (
        "Everything listens on 127.0.0.1 and writes below the state folder, logs in DIR/log. An interrupt stops it all.\n\n"
        "examples:\n  bedside up\n  bedside up --state ~/ward --port 6054 --no-simulators"
    )
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, default=default_state(), metavar="DIR", help="where everything lies (%(default)s)"
    )
    port = int(os.environ.get("BEDSIDE_PORT", HUB_PORT))
    parser.add_argument("--port", type=int, default=port, help="the hub's port (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    return run_embedded(arguments, simulators=not arguments.no_simulators, tell=_tell)


def _tell(running: Running) -> None:
    print(
        f"hub      {running.hub}\nbroker   {running.mqtt}\nstate    {running.layout.state}\nstop     Ctrl-C", flush=True
    )


def run_embedded(arguments: argparse.Namespace, *, simulators: bool, tell: Callable[[Running], None]) -> int:
    """Start it, `tell` of it when it is ready, run until a signal. Raises CommandFailed."""
    wish = Wish(layout=Layout(arguments.state.absolute()), port=arguments.port, simulators=simulators)
    logging.basicConfig(level="WARNING", format=_LINE, stream=sys.stderr)
    asyncio.run(_until_signalled(wish, tell))
    return Exit.OK


async def _until_signalled(wish: Wish, tell: Callable[[Running], None]) -> None:
    """The first signal ends everything in order, in whatever state it is; the second at once: the lifeline sees to the children."""
    running = asyncio.create_task(_hold(wish, tell), name="embedded")
    signals = 0

    def stop() -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            os._exit(Exit.FAILED)
        running.cancel()
        _say("stopping")  # last: where nobody reads it any more it raises

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await running
    except asyncio.CancelledError:
        if not signals:
            raise


async def _hold(wish: Wish, tell: Callable[[Running], None]) -> None:
    async with embedded(wish, say=_say) as running:
        tell(running)
        await asyncio.get_running_loop().create_future()


def _say(text: str) -> None:
    print(f"bedside: {text} …", file=sys.stderr, flush=True)
