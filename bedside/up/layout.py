"""The state folder of an embedded set-up: what lies where."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GATEWAY: Final = "gateway-1"
HUB_PORT: Final = 5054
_STATE_VARIABLE: Final = "BEDSIDE_STATE"


def default_state() -> Path:
    """BEDSIDE_STATE, else the checkout's `.bedside/demo`, else the user's state folder."""
    if named := os.environ.get(_STATE_VARIABLE):
        return Path(named)
    checkout = Path(__file__).parents[2]
    if (checkout / "pyproject.toml").exists():
        return checkout / ".bedside" / "demo"
    return Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state")) / "bedside"


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below one state folder, which is absolute where anything is to be started."""

    state: Path

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def jwt_secret(self) -> Path:
        return self.state / "secrets" / "jwt-secret"

    @property
    def hub_password(self) -> Path:
        return self.state / "secrets" / "hub-mqtt-password"

    @property
    def gateway_password(self) -> Path:
        return self.state / "secrets" / "gateway-mqtt-password"

    @property
    def hub_toml(self) -> Path:
        return self.state / "hub.toml"

    @property
    def gateway_toml(self) -> Path:
        return self.state / "gateway.toml"

    @property
    def registry_toml(self) -> Path:
        return self.state / "registry.toml"

    @property
    def ward_toml(self) -> Path:
        return self.state / "ward.toml"

    @property
    def record(self) -> Path:
        return self.state / "record.sqlite3"

    @property
    def gateway_state(self) -> Path:
        return self.state / "gateway"

    @property
    def dbus(self) -> Path:
        return self.state / "dbus"

    @property
    def bus_address(self) -> str:
        """Of the private message bus, for DBUS_SYSTEM_BUS_ADDRESS."""
        return f"unix:path={self.dbus / 'bus'}"

    @property
    def ttys(self) -> Path:
        return self.state / "tty"

    @property
    def logs(self) -> Path:
        return self.state / "log"
