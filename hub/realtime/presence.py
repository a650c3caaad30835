"""This node's part in presence: says who is here, goes on saying it, removes what dead nodes left, and tells who is there.

What changes is said at once, everything again every `presence_refresh_seconds`: so presence comes back by itself after Redis has
lost it, and whatever a lost call left wrong is mended. While Redis is away, changes wait: at most one for each room and user.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable, Mapping
from typing import Final

from hub.errors import RoomsUnavailable
from hub.limits import Limits
from hub.realtime.attendance import Attendance, Attendant
from hub.rooms.messages import RoomAddress
from hub.rooms.presence import Activity, Attending, PresenceStore, Present
from hub.rooms.presence_feed import PresenceFeed, Watcher
from vitals.identifiers import HospitalId

log = logging.getLogger(__name__)

REAPINGS_A_REFRESH: Final = 5
FAREWELL_SECONDS: Final = 2.0


class Presence:
    """Of all connections of `attendance`."""

    def __init__(self, store: PresenceStore, feed: PresenceFeed, attendance: Attendance, limits: Limits) -> None:
        self._store = store
        self._feed = feed
        self._attendance = attendance
        self._limits = limits
        self._due: dict[tuple[RoomAddress, str], None] = {}
        self._hospitals: set[HospitalId] = set()
        self._wake = asyncio.Event()
        self._failing = False
        attendance.listeners.append(self)
        feed.restored = self.renew

    def moved(self, attendant: Attendant, entered: Iterable[RoomAddress], left: Iterable[RoomAddress]) -> None:
        """A connection has entered and left rooms."""
        for address in (*entered, *left):
            if attendant.is_present_in(address.room):
                self._due[address, attendant.user] = None
                self._hospitals.add(address.hospital_id)
                self._wake.set()
        for address in left:
            self._feed.unwatch(address, attendant)

    def gone(self, user: str) -> None:
        """What there is to say of it, `moved` was told."""

    def become(self, attendant: Attendant, status: Activity) -> None:
        """A user says how active they are on a connection."""
        if attendant.activity is not status:
            attendant.activity = status
            self.moved(attendant, attendant.rooms.values(), ())

    def watch(self, address: RoomAddress, watcher: Watcher) -> None:
        """Tell a connection that is in the room who is there and what changes, until it leaves the room."""
        self._feed.watch(address, watcher)

    async def read(self, address: RoomAddress) -> Present:
        """Who is in a room now. Raises RoomsUnavailable."""
        return (await self._store.read([address]))[address]

    def renew(self) -> None:
        """Say everything again."""
        everywhere = self._attendance.everywhere()
        self._hospitals = {address.hospital_id for address, _ in everywhere}
        self._due |= dict.fromkeys(everywhere)
        self._wake.set()

    async def say(self) -> None:
        """Say what has changed, as it changes, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._say_due()
            except RoomsUnavailable as error:
                self._away(error)
                self._wake.set()
                await asyncio.sleep(self._limits.retry_seconds)
            else:
                self._failing = False

    async def keep(self) -> None:
        """Renew in time, and remove what others left, until cancelled."""
        while True:
            for _ in range(REAPINGS_A_REFRESH):
                await asyncio.sleep(self._limits.presence_refresh_seconds / REAPINGS_A_REFRESH)
                with contextlib.suppress(RoomsUnavailable):  # said by `say`; the next round finds it again
                    for hospital_id in tuple(self._hospitals):
                        await self._store.reap(hospital_id)
            self.renew()

    async def farewell(self) -> None:
        """Say what is left to say when the node stops, briefly: what isn't heard ends with its lease."""
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._say_due()
        except (RoomsUnavailable, TimeoutError) as error:
            log.info("presence of this node ends by itself: %s", error or "no answer")

    async def _say_due(self) -> None:
        due, self._due = self._due, {}
        try:
            await self._store.write(
                [
                    Attending(address=address, user=user, status=self._attendance.status(address, user))
                    for address, user in due
                ]
            )
        except BaseException:
            self._due |= due
            raise

    def tasks(self) -> dict[str, Coroutine[object, object, None]]:
        """What must run for all of it, by name."""
        return {"presence-say": self.say(), "presence-keep": self.keep(), "presence-feed": self._feed.run()}

    def _away(self, error: RoomsUnavailable) -> None:
        if not self._failing:
            log.warning("presence stands still: %s", error)
        self._failing = True


def shown(users: Mapping[str, Activity]) -> list[dict[str, str]]:
    """Users as clients see them: who is signed in and how active, by name; nothing of patients."""
    return [{"user": user, "status": users[user]} for user in sorted(users)]
