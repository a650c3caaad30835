"""Which checks a subject takes. What isn't installed here (a gateway has no hub) is only imported where it is looked at."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from bedside.configuration import variable
from bedside.doctor import machine
from bedside.doctor.findings import Finding, failed, not_applicable, ok
from bedside.doctor.machine import Folder
from bedside.doctor.running import Check
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from bedside.up.layout import Layout


class Part(Protocol):
    """A hub or a gateway: what is seen here whether it runs or not, what must answer, what it keeps and what it keeps secret."""

    def here(self) -> Iterator[Check]: ...
    def running(self) -> Iterator[Check]: ...
    def secrets(self) -> Iterator[Path]: ...
    def folders(self) -> Iterator[Folder]: ...


def checks(subject: Subject) -> list[Check]:
    """All of them, in the order in which they are told. Of a set-up that doesn't run, what would run is not asked."""
    layout = subject.layout
    found = [] if layout is None else [_setup(layout, subject), Check(name="programs", look=machine.programs)]
    if layout is not None and not layout.hub_toml.exists():
        return found
    parts = list(_parts(subject))
    secrets = [path for part in parts for path in part.secrets()]
    folders = [folder for part in parts for folder in part.folders()]
    found += [check for part in parts for check in part.here()]
    found.append(Check(name="secrets", look=lambda: machine.private_files(secrets)))
    found.append(Check(name="disk", look=lambda: machine.disk(folders)))
    running = [check for part in parts for check in part.running()]
    if layout is not None and _holder(layout) is None:
        running = [Check(name=check.name, look=lambda: not_applicable("nothing runs here")) for check in running]
    return found + running


def _parts(subject: Subject) -> Iterator[Part]:
    told: dict[str, str] | None = None
    if subject.hub_file is not None:
        from bedside.doctor.hub import Hub  # noqa: PLC0415 - a gateway has no hub

        hub = Hub(subject.hub_file, subject)
        if subject.layout is not None and hub.loaded is not None:
            told = {  # as `bedside up` tells its agent
                variable("mqtt.port"): str(hub.loaded.settings.mqtt.port),
                variable("mqtt.password_file"): str(subject.layout.gateway_password),
            }
        yield hub
    if subject.gateway_file is not None:
        from bedside.doctor.gateway import Gateway  # noqa: PLC0415 - a hub has no gateway

        yield Gateway(subject.gateway_file, subject, told=told)


def _setup(layout: Layout, subject: Subject) -> Check:
    def look() -> Finding:
        holder = _holder(layout)
        if holder is not None:
            return ok(f"runs in {layout.state} (process {holder})")
        if not layout.state.exists():
            return failed(f"there is no set-up in {layout.state}", f"start one: {subject.start}", Exit.CONFIGURATION)
        return failed(f"nothing runs in {layout.state}", f"start it: {subject.start}", Exit.UNREACHABLE)

    return Check(name="set-up", look=look)


def _holder(layout: Layout) -> int | None:
    """The process whose set-up it is, while that lives. A process of another user lives too."""
    try:
        holder = int(layout.lock.read_text(encoding="utf-8"))
        os.kill(holder, 0)
    except PermissionError:
        return holder
    except (OSError, ValueError):
        return None
    return holder
