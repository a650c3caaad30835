"""A PostgreSQL server, for tests that show that the record behaves the same on it."""

import os
import pwd
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bedside.services.locate import Program, locate
from bedside.services.process import Identity, Service, ServiceFailed, die_with, free_port, write_private

_USER = "bedside"


class Postgres(Service):
    """A running server; `url` is SQLAlchemy's and holds the password."""

    port: int
    password: str

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"


def postgres(folder: Path, *, options: Sequence[str] = ()) -> Postgres:
    """A server, not yet started, whose cluster lies in `folder`; `options` are more of its settings, `NAME=VALUE`. PostgreSQL refuses to run as root: then it runs as `nobody`."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = _identity()
    password = secrets.token_urlsafe(24)
    cluster = folder / "cluster"
    _own(folder, identity)
    _initialise(cluster, write_private(folder / "password", password), identity)
    port = free_port()
    program = locate("postgres")
    service = Postgres(
        name="PostgreSQL",
        program=program,
        arguments=[
            "-D",
            str(cluster),
            "-p",
            str(port),
            "-h",
            "127.0.0.1",
            "-k",
            str(folder),
            "-c",
            "max_connections=200",
            *(word for option in options for word in ("-c", option)),
        ],
        log=folder / "postgres.log",
        answers=lambda: _ready(port),
        identity=identity,
    )
    service.port = port
    service.password = password
    return service


def _identity() -> Identity | None:
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Identity(uid=nobody.pw_uid, gid=nobody.pw_gid)


def _own(folder: Path, identity: Identity | None) -> None:
    if identity is not None:
        os.chown(folder, identity.uid, identity.gid)


def _initialise(cluster: Path, password_file: Path, identity: Identity | None) -> None:
    program = locate("initdb")
    _own(password_file, identity)
    done = subprocess.run(
        [program.path, "-D", cluster, "-U", _USER, "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8",
         "--no-sync", "--locale=C", *_share(program)],
        env=program.environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=die_with(os.getpid(), identity),
    )  # fmt: skip
    if done.returncode:
        raise ServiceFailed(f"initdb failed: {done.stderr.strip()[-500:]}")


def _share(program: Program) -> list[str]:
    """An unpacked PostgreSQL does not find its own support files by itself."""
    share = program.path.parents[3] / "share" / "postgresql" / program.path.parents[1].name
    return ["-L", str(share)] if share.is_dir() else []


def _ready(port: int) -> bool:
    program = locate("pg_isready")
    done = subprocess.run(
        [program.path, "-q", "-h", "127.0.0.1", "-p", str(port)], env=program.environment, check=False
    )
    return done.returncode == 0
