"""What a Bluetooth peripheral says of itself before anyone connects, and how a driver knows a device of its own by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Advertisement:
    """One peripheral: UUIDs full and lower-case, manufacturer data by company id."""

    address: str
    name: str | None
    services: frozenset[str]
    manufacturer_data: Mapping[int, bytes] = field(default_factory=dict)
    rssi: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """By what a driver's devices are known: a beginning of the name (upper or lower case), a service, a company id.

    Every kind of mark that is given must be there, any one of its kind: a generic service alone, such as 0xFFE0, marks nothing.
    """

    names: tuple[str, ...] = ()
    services: frozenset[str] = frozenset()
    companies: frozenset[int] = frozenset()

    def fit(self, advertisement: Advertisement) -> bool:
        """Whether the device may be one of these."""
        name = (advertisement.name or "").casefold()
        kinds = (
            (self.names, any(name.startswith(mark.casefold()) for mark in self.names)),
            (self.services, bool(self.services & advertisement.services)),
            (self.companies, not self.companies.isdisjoint(advertisement.manufacturer_data)),
        )
        return any(marks for marks, _ in kinds) and all(fits for marks, fits in kinds if marks)

    @property
    def sureness(self) -> int:
        """How much a fit says: a name more than a company, that more than a service."""
        return 4 * bool(self.names) + 2 * bool(self.companies) + bool(self.services)
