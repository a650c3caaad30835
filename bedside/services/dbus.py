"""A private D-Bus message bus, for the simulated BlueZ."""

from pathlib import Path
from typing import Final

from bedside.services.locate import locate
from bedside.services.process import Service, accepts, write_private

_CONFIGURATION: Final = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


class DBus(Service):
    """A running bus; `address` is for DBUS_SYSTEM_BUS_ADDRESS."""

    address: str


def dbus(folder: Path) -> DBus:
    """A bus, not yet started, whose socket lies in `folder` (its path must be shorter than 100 characters)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bus"
    configuration = write_private(folder / "bus.conf", _CONFIGURATION.format(socket=path))
    service = DBus(
        name="D-Bus",
        program=locate("dbus-daemon"),
        arguments=["--nofork", "--nopidfile", f"--config-file={configuration}"],
        log=folder / "dbus.log",
        answers=lambda: accepts(path),
    )
    service.address = f"unix:path={path}"
    return service
