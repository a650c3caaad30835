"""The live side of presence: who is in the rooms whose presence someone here watches, and what changes there.

A connection of its own to Redis, subscribed only to those rooms. A change is a hint: after every new connection, and every
`presence_refresh_seconds`, the rooms are read again, and watchers are told the difference. So they never keep a ghost.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from random import Random
from typing import Protocol

from hub.errors import RoomsUnavailable
from hub.limits import Limits
from hub.rooms.messages import RoomAddress
from hub.rooms.presence import Activity, Change, PresenceStore, Present, change_from, presence_key
from hub.rooms.servers import Servers
from hub.rooms.subscription import Subscription
from hub.rooms.waiting import within

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Called from the event loop; must neither wait nor raise."""

    def present(self, address: RoomAddress, users: Mapping[str, Activity]) -> None:
        """Everybody who is in a room: once, before the first change."""

    def presence_changed(self, address: RoomAddress, user: str, status: Activity | None) -> None:
        """A user has come, is more or less active, or is gone (None)."""


class _Room:
    """A room whose presence is watched; `users` is None until it was read."""

    def __init__(self, address: RoomAddress) -> None:
        self.address = address
        self.users: dict[str, Activity] | None = None
        self.watchers: dict[Watcher, None] = {}
        self._instant = 0

    def read(self, present: Present) -> None:
        """Take what was read. Watchers are told all at first, then what differs."""
        known, self._instant = self.users, present.instant
        if known is None:
            self.users = dict(present.users)
            for watcher in tuple(self.watchers):
                watcher.present(self.address, self.users)
            return
        for user in known.keys() | present.users.keys():
            self._set(user, present.users.get(user))

    def take(self, change: Change) -> None:
        """Take a change that is newer than what was read."""
        if self.users is not None and change.instant > self._instant:
            self._set(change.user, change.status)

    def _set(self, user: str, status: Activity | None) -> None:
        assert self.users is not None  # noqa: S101 - both callers have seen to it
        if self.users.get(user) is status:
            return
        if status is None:
            del self.users[user]
        else:
            self.users[user] = status
        for watcher in tuple(self.watchers):
            watcher.presence_changed(self.address, user, status)


class PresenceFeed:
    """The watched rooms of this node. `restored` is called whenever Redis is heard again."""

    def __init__(self, servers: Servers, store: PresenceStore, limits: Limits, *, node: str, random: Random) -> None:
        self._servers = servers
        self._canary = f"bedside:presence-canary:{node}"
        self._store = store
        self._limits = limits
        self._random = random
        self._rooms: dict[str, _Room] = {}
        self._unread: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._subscription: Subscription | None = None
        self._failing = False
        self.restored: Callable[[], None] = lambda: None

    def watch(self, address: RoomAddress, watcher: Watcher) -> None:
        """Tell `watcher` who is in a room, as soon as that is known, and from then on what changes."""
        key = presence_key(address)
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = _Room(address)
            if self._subscription is not None:
                self._subscription.request([key])
            self._unread[key] = None
            self._wake.set()
        room.watchers[watcher] = None
        if room.users is not None:
            watcher.present(address, room.users)

    def unwatch(self, address: RoomAddress, watcher: object) -> None:
        """Tell no more. Nothing happens where it was told nothing."""
        key = presence_key(address)
        if (room := self._rooms.get(key)) is None:
            return
        room.watchers = {known: None for known in room.watchers if known is not watcher}
        if not room.watchers:
            del self._rooms[key]
            self._unread.pop(key, None)
            if self._subscription is not None:
                self._subscription.withdraw([key])

    async def run(self) -> None:
        """Keep the connection up, until cancelled."""
        while True:
            try:
                await self._one_connection()
            except RoomsUnavailable as error:
                if (task := asyncio.current_task()) and task.cancelling():
                    raise asyncio.CancelledError from error  # a group that fails while it is cancelled tells only the failure
                if not self._failing:
                    log.warning("presence is not followed: %s", error)
                self._failing = True
            await asyncio.sleep(self._limits.retry_seconds * self._random.uniform(0.5, 1.0))

    async def _one_connection(self) -> None:
        subscription = Subscription(self._servers, self._received, canary=self._canary)
        try:
            async with asyncio.TaskGroup() as tasks:
                await subscription.connect()
                for name, work in subscription.works():
                    tasks.create_task(work, name=f"presence-{name}")
                self._subscription = subscription
                subscription.request([*self._rooms])
                self.restored()
                self._unread |= dict.fromkeys(self._rooms)
                self._failing = False
                await self._read_for_ever(subscription)
        except* RoomsUnavailable as group:
            raise RoomsUnavailable(str(group.exceptions[0])) from group
        finally:
            self._subscription = None
            await subscription.close()

    async def _read_for_ever(self, subscription: Subscription) -> None:
        """Read rooms that were not read on this connection, and all of them again and again."""
        while True:
            while self._unread:
                await self._read(subscription, [*self._unread])
            self._wake.clear()
            try:
                async with asyncio.timeout(self._limits.presence_refresh_seconds):
                    await self._wake.wait()
            except TimeoutError:
                await within(self._limits.canary_seconds, subscription.echo())
                self._unread |= dict.fromkeys(self._rooms)

    async def _read(self, subscription: Subscription, keys: list[str]) -> None:
        """Once Redis has confirmed the rooms: what changes after is heard."""
        await within(self._limits.canary_seconds, subscription.confirmed(keys))
        rooms = [room for key in keys if (room := self._rooms.get(key))]
        found = await self._store.read([room.address for room in rooms])
        for room in rooms:
            if self._rooms.get(key := presence_key(room.address)) is room:
                self._unread.pop(key, None)
                room.read(found[room.address])

    def _received(self, channel: str, payload: bytes) -> None:
        if (room := self._rooms.get(channel)) is not None:
            try:
                room.take(change_from(payload))
            except ValueError:  # none of ours, or of a newer node: what is there says it
                log.debug("%s: a change of presence can't be read", channel)
                self._unread[channel] = None
                self._wake.set()
