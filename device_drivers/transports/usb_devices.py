"""USB devices that are plugged in, as Linux shows them: for a scan, which says what has a driver and what has none.

Nothing is opened. Where there is no such tree (macOS) there are none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from device_drivers.driver import UsbId

TREE: Final = Path("/sys/bus/usb/devices")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbDevice:
    """One device: where it is plugged in (`1-4.2`), its ids, and its own name."""

    where: str
    usb: UsbId
    name: str | None


def usb_devices(tree: Path = TREE) -> Iterator[UsbDevice]:
    """Everything that is plugged in; what is pulled out meanwhile is left out."""
    for folder in sorted(tree.glob("*")):
        try:
            vendor, product = (int(_text(folder / name), 16) for name in ("idVendor", "idProduct"))
        except (OSError, ValueError):
            continue  # an interface, not a device; or it has gone
        yield UsbDevice(where=folder.name, usb=UsbId(vendor=vendor, product=product), name=_name(folder))


def _name(folder: Path) -> str | None:
    try:
        return _text(folder / "product") or None
    except OSError:
        return None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()
