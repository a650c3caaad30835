"""What a serving node shares with the others: presence, limits, and the figures of all nodes. Made once by the app."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from random import Random
from time import monotonic

from hub.limits import Limits
from hub.realtime.admission import Admission
from hub.realtime.census import Census
from hub.realtime.clients import Clients
from hub.realtime.presence import Presence
from hub.realtime.rates import Fallback, Rates
from hub.rooms.nodes import Nodes
from hub.rooms.presence import PresenceStore
from hub.rooms.presence_feed import PresenceFeed
from hub.rooms.quotas import Quotas
from hub.rooms.rooms import Rooms


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """`fallback` says whether limits are held by this node alone."""

    presence: Presence
    rates: Rates
    admission: Admission
    census: Census
    nodes: Nodes
    fallback: Fallback

    def tasks(self) -> Mapping[str, Coroutine[object, object, None]]:
        """What must run for all of it, by name."""
        return self.presence.tasks() | {
            "census": self.census.run(),
            "admission-say": self.admission.say(),
            "admission-renew": self.admission.renew(),
            "rates-forget": self.rates.forget_for_ever(),
        }

    async def farewell(self) -> None:
        """Tell the others that this node stops. What can't be told ends with its lease."""
        await self.presence.farewell()
        await self.census.stop()


def open_shared(rooms: Rooms, clients: Clients, limits: Limits, *, node: str, random: Random) -> Shared:
    """A node's part, under a name that no other node has."""
    store = PresenceStore(rooms.servers, limits, node=node)
    quotas, nodes = Quotas(rooms.servers, limits, node=node), Nodes(rooms.servers, limits, name=node)
    fallback = Fallback(monotonic)
    return Shared(
        presence=Presence(
            store, PresenceFeed(rooms.servers, store, limits, node=node, random=random), clients.attendance, limits
        ),
        rates=Rates(quotas, limits, fallback, clock=monotonic),
        admission=Admission(quotas, nodes, clients.attendance, limits, fallback),
        census=Census(nodes, clients.attendance, limits),
        nodes=nodes,
        fallback=fallback,
    )
