"""Byte-level examples with the values expected of them, each with its source (`vectors.json`)."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

Vector = dict[str, Any]

ALL: tuple[Vector, ...] = tuple(json.loads(Path(__file__).with_name("vectors.json").read_text(), parse_float=Decimal))


def of(*protocols: str) -> list[Vector]:
    """The vectors of these characteristics or protocols. Raises AssertionError for one without any."""
    found = [vector for vector in ALL if vector["characteristic_or_protocol"] in protocols]
    assert {vector["characteristic_or_protocol"] for vector in found} == set(protocols)
    return found


def data(vector: Vector) -> bytes:
    return bytes.fromhex(vector["hex"])
