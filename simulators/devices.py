"""The running devices of a ward, by id: what the control socket can reach."""

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from simulators.oximeters import Oximeter, Pulse

if TYPE_CHECKING:
    from simulators.bluez.stack import SimulatedBlueZ
    from simulators.peripherals.spot_check import SpotCheck


@dataclass(slots=True)
class Ward:
    """`forced` is what a tester has made oximeters see instead of the recording."""

    random: Random
    oximeters: dict[str, Oximeter] = field(default_factory=dict)
    spot_checks: "dict[str, SpotCheck]" = field(default_factory=dict)
    forced: dict[str, Pulse] = field(default_factory=dict)
    bluez: "SimulatedBlueZ | None" = None
