"""A gateway's settings, from the same four places as the hub's (`bedside.configuration`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bedside.configuration import Loaded, merge, refused, unreadable
from bedside.exits import CommandFailed
from bedside.up.layout import Layout, default_state
from edge_agent.errors import InvalidSettings
from edge_agent.settings import GatewaySettings, from_mapping
from edge_agent.supervisor import check_devices

INSTALLED: Final = Path("/etc/bedside/gateway.toml")


def load_gateway(
    file: Path,
    *,
    overrides: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded[GatewaySettings]:
    """Read and check, devices' drivers too. Raises CommandFailed: exit 2 for what the command line says, else 3."""
    merged = merge(GatewaySettings, file=file, overrides=overrides, environment=environment)
    try:
        settings = from_mapping(merged.tree, source=str(file))
        check_devices(settings, source=str(file))
    except InvalidSettings as error:
        raise _refusal(error, merged.origins, file) from error
    return Loaded(settings=settings, origins=merged.origins)


def faults(settings: GatewaySettings) -> tuple[str, ...]:
    """What is wrong with the files that the settings name, each beginning with its key. The agent reads them at each connection."""
    named = {"password_file": settings.mqtt.password_file, "ca_file": settings.mqtt.ca_file}
    return tuple(fault for key, path in named.items() if path is not None for fault in unreadable(f"mqtt.{key}", path))


def load_usual_gateway(file: Path | None, state: Path | None) -> Loaded[GatewaySettings]:
    """The named file's; else those of a demo, of `state` or the usual one; else those of the gateway installed here.

    A demo's are whole in its file: the environment is for other gateways. Raises CommandFailed.
    """
    if file is not None:
        return load_gateway(file)
    demo = Layout(state or default_state()).gateway_toml
    if state is None and INSTALLED.exists() and not demo.exists():
        return load_gateway(INSTALLED)
    return load_gateway(demo, environment={})


def _refusal(error: InvalidSettings, origins: Mapping[str, str], file: Path) -> CommandFailed:
    return refused(GatewaySettings, error.where, error.problem, origins, file)
