"""The running devices of a ward, by id: what the control socket can reach."""

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from simulators.on_line import OnLine
from simulators.sight import Sight

if TYPE_CHECKING:
    from simulators.bluez.stack import SimulatedBlueZ
    from simulators.on_air import OnAir
    from simulators.peripherals.spot_check import SpotCheck


@dataclass(slots=True)
class Ward:
    """`sights` are those of `lines` and `on_air`; a spot check measures what it is told, or when the recording says so."""

    random: Random
    lines: dict[str, OnLine] = field(default_factory=dict)
    spot_checks: "dict[str, SpotCheck]" = field(default_factory=dict)
    on_air: "dict[str, OnAir]" = field(default_factory=dict)
    sights: dict[str, Sight] = field(default_factory=dict)
    bluez: "SimulatedBlueZ | None" = None
