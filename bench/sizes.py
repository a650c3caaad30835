"""How large each part of the fan-out is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """`clients` and `publications` a measurement of delivery; `idle` connections between which memory is compared.

    `crowds`: connections at which a delivery's cost is compared. `watched_rooms` beside the room that is published to. `screens` that each
    show the whole ward for `screen_seconds`. `readers` and `silent` clients, which never read, for `silent_ticks` of many messages.
    """

    clients: int = 500
    publications: int = 60
    idle: tuple[int, int] = (500, 2_500)
    crowds: tuple[int, ...] = (10, 100, 1_000, 10_000)
    watched_rooms: int = 1_200
    screens: int = 50
    screen_seconds: int = 10
    readers: int = 900
    silent: int = 100
    silent_ticks: int = 100
