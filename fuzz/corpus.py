"""Where a fuzzer begins: every published example of a format, and for a session those of its formats."""

import json
from pathlib import Path
from typing import Final

from device_drivers.registry import DRIVERS
from fuzz.targets import FORMAT_PREFIX, SESSION_PREFIX

EXAMPLES: Final = Path(__file__).parents[1] / "tests" / "device_drivers" / "examples"


def seeds(name: str) -> list[bytes]:
    """The first inputs of a target."""
    if name.startswith(FORMAT_PREFIX):
        return _examples()[name.removeprefix(FORMAT_PREFIX)]
    formats = DRIVERS[name.removeprefix(SESSION_PREFIX)].formats
    values = [example for key in formats for example in _examples().get(key, [])]
    return [bytes((0x50, min(len(value), 255))) + value for value in values]


def _examples() -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for path in sorted(EXAMPLES.glob("*.json")):
        for vector in json.loads(path.read_text(encoding="utf-8")):
            found.setdefault(vector["characteristic_or_protocol"], []).append(bytes.fromhex(vector["hex"]))
    return found
