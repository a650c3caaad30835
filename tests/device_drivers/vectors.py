"""Byte-level examples with the values expected of them, each with its source: the published ones and our own (`examples/*.json`)."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

Vector = dict[str, Any]


def _load(path: Path) -> list[Vector]:
    return json.loads(path.read_text(), parse_float=Decimal)


ALL: tuple[Vector, ...] = tuple(
    vector for path in sorted(Path(__file__).parent.glob("examples/*.json")) for vector in _load(path)
)


def of(*protocols: str) -> list[Vector]:
    """The vectors of these characteristics or protocols. Raises AssertionError for one without any."""
    found = [vector for vector in ALL if vector["characteristic_or_protocol"] in protocols]
    missing = set(protocols) - {vector["characteristic_or_protocol"] for vector in found}
    assert not missing, f"no example of {missing}: add one to a file in tests/device_drivers/examples"
    return found


def data(vector: Vector) -> bytes:
    return bytes.fromhex(vector["hex"])


def name(vector: Vector) -> str:
    """How a test says which example it is about: `-k KEY` picks a format's."""
    return f"{vector['characteristic_or_protocol']}-{vector['id']}"
