"""A Mosquitto broker that fences every gateway by its user name."""

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bedside.services.locate import locate
from bedside.services.paths import deployed
from bedside.services.process import Service, ServiceFailed, free_port, listens, write_private


class Mosquitto(Service):
    """A running broker."""

    port: int


def mosquitto(
    folder: Path, *, users: Mapping[str, str], port: int | None = None, directives: Sequence[str] = ()
) -> Mosquitto:
    """A broker, not yet started, with these users and passwords; the user `hub` is the hub, any other is a gateway.

    `directives` are more lines of mosquitto.conf, behind the listener's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    passwords = folder / "passwords"
    _write_passwords(passwords, users)
    acl = write_private(folder / "acl", deployed("mosquitto/acl").read_text(encoding="utf-8"))
    more = "".join(f"{line}\n" for line in directives)
    configuration = write_private(
        folder / "mosquitto.conf",
        f"{deployed('mosquitto/mosquitto.conf').read_text(encoding='utf-8')}\n"
        f"user {pwd.getpwuid(os.geteuid()).pw_name}\n"
        f"listener {port} 127.0.0.1\npassword_file {passwords}\nacl_file {acl}\n"
        f"persistence_location {folder}/\nlog_dest stderr\n{more}",
    )
    service = Mosquitto(
        name="Mosquitto",
        program=locate("mosquitto"),
        arguments=["-c", str(configuration)],
        log=folder / "mosquitto.log",
        answers=lambda: listens(port),
    )
    service.port = port
    return service


def _write_passwords(path: Path, users: Mapping[str, str]) -> None:
    """Hash the passwords with the broker's own tool; they pass through a private file, never a command line."""
    program = locate("mosquitto_passwd")
    write_private(path, "".join(f"{user}:{password}\n" for user, password in users.items()))
    done = subprocess.run(
        [program.path, "-U", str(path)], env=program.environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ServiceFailed(f"mosquitto_passwd could not hash the passwords: {done.stderr.strip()}")
