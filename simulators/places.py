"""What lies where in a ward's state folder."""

from pathlib import Path
from typing import Final

LEDGER: Final = "ledger.jsonl"
CONTROL: Final = "control.sock"


def tty_path(state: Path, device_id: str) -> Path:
    """Where a simulated serial device's port appears."""
    return state / "tty" / device_id
