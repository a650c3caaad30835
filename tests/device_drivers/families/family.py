"""What the tests must know of each family of devices: how to make its messages at random, and how its streams look.

Every other module of this folder may have `MESSAGES` (format key: strategy), `STREAMS` (driver key: Stream) and `NEVER` (driver key: byte
strings that no session may send).
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis.strategies import SearchStrategy

from device_drivers import uuids
from simulators.models.model import Body
from simulators.models.registry import MODELS
from vitals.parameters import Parameter


@dataclass(frozen=True, kw_only=True)
class Stream:
    """How a driver's device speaks. `unit` makes one whole message that becomes one reading, whose `parameter` has this number (from 90 to 99).

    `notify` is the characteristic that carries it, None for a serial line. `checked`: frames have a checksum, so that noise never
    passes. `raw` is what the reading keeps of the message, at most 64 bytes; its first bytes if not said. `repeats`: the same message again
    is another reading; not where a device that is asked goes on saying its last measurement.
    """

    unit: Callable[[int], bytes]
    parameter: Parameter = Parameter.SPO2
    notify: str | None = None
    checked: bool = True
    raw: Callable[[int], bytes] | None = None
    repeats: bool = True


def _modules() -> list[ModuleType]:
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "family")
    return [importlib.import_module(f"tests.device_drivers.families.{name}") for name in names]


def _gathered(name: str) -> Mapping[str, Any]:
    return {key: value for module in _modules() for key, value in getattr(module, name, {}).items()}


def messages() -> Mapping[str, SearchStrategy[Any]]:
    """By format key: messages that the format can say."""
    return _gathered("MESSAGES")


def streams() -> Mapping[str, Stream]:
    """By driver key."""
    return _gathered("STREAMS")


def never() -> Mapping[str, list[bytes]]:
    """By driver key: what no session may send: commands that inflate, erase, reset, power off."""
    return _gathered("NEVER")


def characteristics() -> list[str]:
    """Every characteristic that a driver or a model knows."""
    known = {value for name, value in vars(uuids).items() if name.isupper() and isinstance(value, str)}
    for model in MODELS.values():
        known |= set(model(lambda _: Body()).characteristics)
    return sorted(known)
