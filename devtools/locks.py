"""The locks: hash-pinned requirement files for every platform, made by uv, naming no index."""

import subprocess
from typing import Final

from devtools.console import say
from devtools.environment import CHECKOUT, VENV, environment

_OPTIONS: Final = (
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-annotate",
    "--no-header",
    "--quiet",
)
_SOURCES: Final = {
    "dev": ("pyproject.toml", "requirements/build.in", "--all-extras"),
    "edge": ("pyproject.toml", "--extra=edge", "--constraints=requirements/dev.txt"),
    "hub": ("pyproject.toml", "--extra=hub", "--constraints=requirements/dev.txt"),
    "client": ("pyproject.toml", "--extra=client", "--constraints=requirements/dev.txt"),
    "build": ("requirements/build.in", "--constraints=requirements/dev.txt"),
    "bench": ("requirements/bench.in", "--constraints=requirements/dev.txt"),
}
"""`dev` is everything and comes first: the others take its versions. `bench` is what the hub is compared with."""


def lock(options: list[str]) -> None:
    """Write `requirements/*.txt` anew; what is pinned stays unless `options` (uv's, such as --upgrade) say otherwise."""
    for name, sources in _SOURCES.items():
        say(f"locking requirements/{name}.txt")
        chosen = options if name == "dev" else []
        command = [
            str(VENV / "bin" / "uv"),
            "pip",
            "compile",
            *_OPTIONS,
            *sources,
            *chosen,
            "-o",
            f"requirements/{name}.txt",
        ]
        subprocess.run(command, cwd=CHECKOUT, env=environment(), check=True)
