"""A gateway's settings, from the same four places as the hub's (`bedside.configuration`)."""

from pathlib import Path

from bedside.configuration import Loaded, merge
from bedside.exits import CommandFailed, Exit
from edge_agent.errors import InvalidSettings
from edge_agent.settings import GatewaySettings, from_mapping
from edge_agent.supervisor import check_devices


def load_gateway(file: Path) -> Loaded[GatewaySettings]:
    """Read and check, devices' drivers too. Raises CommandFailed, exit 3."""
    merged = merge(GatewaySettings, file=file)
    try:
        settings = from_mapping(merged.tree, source=str(file))
        check_devices(settings.devices)
    except InvalidSettings as error:
        raise CommandFailed(str(error), Exit.CONFIGURATION) from error
    return Loaded(settings=settings, origins=merged.origins)
