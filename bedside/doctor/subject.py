"""What is looked at: an embedded set-up's state folder, or the files of a deployment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bedside.up.layout import Layout, default_state

HUB_FILE: Final = Path("/etc/bedside/hub.toml")
GATEWAY_FILE: Final = Path("/etc/bedside/gateway.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """`layout` is of an embedded set-up; then the files are its own. A file that is None is not looked at."""

    layout: Layout | None = None
    hub_file: Path | None = None
    gateway_file: Path | None = None

    @property
    def environment(self) -> Mapping[str, str] | None:
        """What the settings are read with: an embedded set-up's are whole in its files."""
        return None if self.layout is None else {}

    @property
    def told(self) -> dict[str, str]:
        """For people and machines: what was looked at."""
        named = {
            "state": self.layout.state if self.layout else None,
            "hub": self.hub_file,
            "gateway": self.gateway_file,
        }
        return {name: str(path) for name, path in named.items() if path is not None}

    def see(self, log: str, unit: str) -> str:
        """Where to look when a component is away: its log, or its unit and its container."""
        if self.layout is not None:
            return f"the set-up starts it again by itself; where it stays away see {self.layout.logs / f'{log}.log'}"
        return f"systemctl status {unit}, or docker compose ps"

    @property
    def restart_hub(self) -> str:
        return "stop and start the set-up" if self.layout is not None else "systemctl restart bedside-hub"

    @property
    def start(self) -> str:
        """The command that starts an embedded set-up here."""
        state = "" if self.layout is None or self.layout.state == default_state() else f" --state {self.layout.state}"
        return f"{'./dev ' if 'BEDSIDE_TOOLS' in os.environ else ''}bedside demo{state}"


def subject(*, state: Path | None, hub_file: Path | None, gateway_file: Path | None) -> Subject:
    """What was named; else the demo's, else what is installed here, else the demo's that isn't there yet."""
    if hub_file is not None or gateway_file is not None:
        return Subject(hub_file=hub_file, gateway_file=gateway_file)
    if state is None and not default_state().exists() and (HUB_FILE.exists() or GATEWAY_FILE.exists()):
        return Subject(
            hub_file=HUB_FILE if HUB_FILE.exists() else None,
            gateway_file=GATEWAY_FILE if GATEWAY_FILE.exists() else None,
        )
    layout = Layout((state or default_state()).absolute())
    return Subject(layout=layout, hub_file=layout.hub_toml, gateway_file=layout.gateway_toml)
