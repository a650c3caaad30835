"""Rooms that remember: the one writer and reader of a hospital's rooms in Redis. Only this package imports redis.

Order: within a room, messages have offsets 1, 2, 3 … under one epoch, and every reader sees them in that order.
Atomicity: all messages of one `publish` are visible, or none; epoch, top and entries of one read are of one instant.
Delivery: at most once on the live side; whoever sees an offset jump reads the rest with `read`.
All keys of a hospital share a hash tag, so one call may touch any of its rooms, on a Redis Cluster too.
"""

import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from hub.errors import Fenced, RoomsUnavailable, Unreadable
from hub.limits import Limits
from hub.publication import Fence, Publication, StreamTop
from hub.rooms.live_only import LiveMessage, arguments_of, messages_in, payload_of
from hub.rooms.messages import Gap, Message, Position, Recovered, RoomAddress, RoomTop, message_from
from hub.rooms.sealing import Bodies, PlainBodies, bodies_with
from hub.rooms.servers import Servers, open_servers, script_text
from hub.rooms.subscription import Subscription
from hub.settings import RedisSettings
from vitals.identifiers import HospitalId

log = logging.getLogger(__name__)

MAX_MESSAGES: Final = 64
"""Messages a call: 500 held Redis for 40 to 55 ms."""


ROOMS_A_CALL: Final = 64
"""Rooms that one call reads; together at most `replay_messages` messages, save of the first room alone."""

TOPS_A_CALL: Final = 512
"""Rooms whose tops one call reads: so many hold Redis for about a millisecond."""


def state_key(hospital_id: HospitalId) -> str:
    """The hash of a hospital's stream: record epoch, stream epoch, N and all offsets."""
    return f"bedside:{{{hospital_id}}}:stream"


def room_key(address: RoomAddress) -> str:
    """A room's Stream, and the channel on which its messages go out."""
    return f"bedside:{{{address.hospital_id}}}:room:{address.room}"


class Rooms:
    """The rooms of all hospitals on one Redis. Every method raises RoomsUnavailable while Redis does not answer."""

    def __init__(self, servers: Servers, limits: Limits | None = None, bodies: Bodies | None = None) -> None:
        self._servers = servers
        self._limits = limits or Limits()
        self._bodies = bodies or PlainBodies()
        self._publish = servers.script(script_text("publish.lua"))
        self._publish_live = servers.script(script_text("publish_live.lua"))
        self._read = servers.script(script_text("read.lua"))

    @classmethod
    def connect(cls, redis: RedisSettings | str, limits: Limits | None = None) -> "Rooms":
        """Rooms on the Redis of the settings, or at an address; nothing is sent yet. Raises ConfigurationError."""
        settings = RedisSettings(url=redis) if isinstance(redis, str) else redis
        limits = limits or Limits()
        return cls(open_servers(settings, limits), limits, bodies_with(settings.payload_keys_file))

    @property
    def client(self) -> "Redis":
        """A client for single commands and scripts, each of one hospital's keys; for this package's other modules."""
        return self._servers.client

    @property
    def servers(self) -> Servers:
        """The servers, for this package's other modules."""
        return self._servers

    @property
    def unreadable(self) -> Mapping[str, int]:
        """How many messages could not be opened, by reason; their readers were told of gaps."""
        return self._bodies.unreadable

    def message_in(self, address: RoomAddress, payload: bytes) -> Message:
        """The message that `publish.lua` has sent over a room's channel. Raises Unreadable."""
        try:
            record_epoch, epoch, offset, n, body = payload.split(b"\n", 4)
            place = {"record_epoch": int(record_epoch), "offset": int(offset), "n": int(n)}
        except ValueError:
            raise Unreadable("a message in Redis is none of ours") from None
        return self._message(address, epoch=epoch.decode(errors="replace"), body=body, **place)

    def live_messages_in(self, address: RoomAddress, payload: bytes) -> Sequence[Message]:
        """The messages that `publish_live.lua` has sent over a room's channel. Raises Unreadable."""
        return tuple(messages_in(address.room, self._bodies.opened_live(address, payload)))

    def _message(
        self, address: RoomAddress, *, record_epoch: int, epoch: str, offset: int, n: int, body: bytes
    ) -> Message:
        plain = self._bodies.opened(address, record_epoch=record_epoch, n=n, body=body)
        return message_from(address.room, record_epoch=record_epoch, epoch=epoch, offset=offset, n=n, body=plain)

    def subscription(self, received: Callable[[str, bytes], None], *, canary: str) -> Subscription:
        """A new live side, not yet connected."""
        return Subscription(self._servers, received, canary=canary)

    async def close(self) -> None:
        await self._servers.close()

    async def ping(self) -> None:
        """Nothing, when Redis answers."""
        await self._servers.ping()

    async def publish(self, fence: Fence, publications: Sequence[Publication], *, new_epoch: str) -> StreamTop:
        """Publish at most 64 messages of one hospital, in increasing N, in one script call; where its stream stands after.

        Messages at or below the stream's N are repeats and change nothing. A first N beyond the next, a lost key or a newer
        record epoch begins the stream epoch `new_epoch`, which must be random and never used before (delivery rules 16 to
        20); after such a beginning the call's own later jumps begin no other. Raises Fenced when the rooms have a newer record
        epoch or the lease has ended (rule 21), ValueError for a wrong batch.
        """
        _check_batch(publications)
        hospital_id = publications[0].hospital_id
        streams: dict[str, int] = {}
        arguments: list[str | bytes | int] = []
        for publication in publications:
            keys = [room_key(RoomAddress(hospital_id=hospital_id, room=room)) for room in publication.rooms]
            places = [streams.setdefault(key, len(streams) + 2) for key in keys]
            arguments += [publication.n, self._bodies.of(publication), len(places), *places]
        top = await self._write(hospital_id, fence, new_epoch, "", [*streams], [len(publications), *arguments])
        log.debug("%s: %d messages in %d rooms, up to N=%d", hospital_id, len(publications), len(streams), top.n)
        return top

    async def begin_epoch(self, hospital_id: HospitalId, fence: Fence, *, new_epoch: str, from_n: int) -> StreamTop:
        """Begin a stream epoch at N = `from_n` where the key is lost, of an older record epoch, or behind `from_n`.

        Where the rooms are already at `from_n` or beyond, nothing changes. Raises as `publish`.
        """
        return await self._write(hospital_id, fence, new_epoch, from_n, [], [0])

    async def publish_live(
        self, hospital_id: HospitalId, rooms: Mapping[str, Sequence[LiveMessage]], *, fence: Fence | None
    ) -> int:
        """Tell live-only rooms of one hospital, each all of its messages at once; how many nodes heard one. Nothing is kept.

        Without a fence whoever calls answers for it (test events). Raises Fenced as `publish`.
        """
        addresses = [RoomAddress(hospital_id=hospital_id, room=room) for room in rooms]
        keys = [room_key(address) for address in addresses]
        told = zip(addresses, rooms.values(), strict=True)
        payloads = [self._bodies.of_live(address, payload_of(messages)) for address, messages in told]
        status, held, reached = await self._servers.run(
            self._publish_live, [state_key(hospital_id), *keys], arguments_of(fence, self._limits, payloads)
        )
        if status != b"ok":
            given = fence.record_epoch if fence else None
            raise Fenced(_FENCED[status].format(hospital_id=hospital_id, given=given, held=held))
        return int(reached)

    async def top(self, hospital_id: HospitalId) -> StreamTop | None:
        """Where a hospital's stream stands; None where Redis knows nothing of it."""
        answer = await self._servers.run(self._read, [state_key(hospital_id)], [0])
        if not answer:
            return None
        return StreamTop(record_epoch=answer[0], epoch=answer[1].decode(), n=answer[2])

    async def room_tops(self, addresses: Sequence[RoomAddress]) -> Mapping[RoomAddress, RoomTop | None]:
        """Tops of several rooms, each call's of one instant; None where a hospital has no epoch."""
        tops: dict[RoomAddress, RoomTop | None] = {}
        for hospital_id in {address.hospital_id for address in addresses}:
            of_hospital = [address for address in addresses if address.hospital_id == hospital_id]
            for start in range(0, len(of_hospital), TOPS_A_CALL):
                group = of_hospital[start : start + TOPS_A_CALL]
                keys = [state_key(hospital_id), *map(room_key, group)]
                answer = await self._servers.run(self._read, keys, [0, *[""] * (2 * len(group))])
                for place, address in enumerate(group):
                    tops[address] = _room_top(answer, answer[3 + place]) if answer else None
        return tops

    async def read(self, address: RoomAddress, since: Position) -> Recovered | Gap:
        """All messages after `since`, or what of them is gone. Raises RoomsUnavailable also where the hospital has no epoch."""
        return (await self.read_many({address: since}))[address]

    async def read_many(self, wanted: Mapping[RoomAddress, Position]) -> dict[RoomAddress, Recovered | Gap]:
        """As `read`, for several rooms in as few calls as their messages allow; each call's answers are of one instant."""
        outcomes: dict[RoomAddress, Recovered | Gap] = {}
        while due := [address for address in wanted if address not in outcomes]:
            group = [address for address in due if address.hospital_id == due[0].hospital_id][:ROOMS_A_CALL]
            answer = await self._read_rooms(group, [wanted[address] for address in group])
            for place, address in enumerate(group):
                if answer[3 + place][2] is not None:
                    outcomes[address] = self._outcome(address, answer, answer[3 + place], wanted[address])
        return outcomes

    async def history(self, address: RoomAddress, *, since: Position | None, limit: int) -> Recovered | Gap:
        """At most `limit` messages after `since`, oldest first; without `since`, or where that is gone, the newest there are."""
        if since is not None:
            answer = await self._read_room(address, since.offset, limit)
            top = _room_top(answer, answer[3])
            if since.epoch != top.epoch or since.offset > top.offset:
                return Gap(top=top)
            if since.offset < top.offset and not 0 < top.oldest <= since.offset + 1:
                return Gap(top=top, first=since.offset + 1, last=top.oldest - 1 if top.oldest else top.offset)
            return self._page(address, answer)
        tops = await self.room_tops([address])
        current = tops[address]
        if current is None:
            raise _no_epoch(address)
        answer = await self._read_room(address, max(0, current.offset - limit), limit)
        return self._page(address, answer)

    def _page(self, address: RoomAddress, answer: list[Any]) -> Recovered | Gap:
        """All that was read, or a gap where some of it can't be opened."""
        top, messages = _room_top(answer, answer[3]), self._messages(address, answer, answer[3])
        lost = sorted({offset for offset, *_ in answer[3][2]} - {message.offset for message in messages})
        if not lost:
            return Recovered(top=top, messages=messages)
        after = tuple(message for message in messages if message.offset > lost[-1])
        return Gap(top=top, first=lost[0], last=lost[-1], messages=after)

    def _outcome(self, address: RoomAddress, answer: list[Any], room: list[Any], since: Position) -> Recovered | Gap:
        top = _room_top(answer, room)
        messages = _newest_unbroken(self._messages(address, answer, room), top.offset)
        if since.epoch != top.epoch or since.offset > top.offset:  # epoch first, then offset (delivery rule 24)
            return Gap(top=top, messages=messages)
        if len(messages) == top.offset - since.offset:
            return Recovered(top=top, messages=messages)
        return Gap(top=top, first=since.offset + 1, last=top.offset - len(messages), messages=messages)

    def _messages(self, address: RoomAddress, answer: list[Any], room: list[Any]) -> tuple[Message, ...]:
        """What was read and can be opened; what is left out breaks the row of offsets, and so is told as a gap."""
        record_epoch, epoch = answer[0], answer[1].decode()
        messages = []
        for offset, n, body in room[2]:
            with contextlib.suppress(Unreadable):  # counted and logged where it is raised
                messages.append(
                    self._message(address, record_epoch=record_epoch, epoch=epoch, offset=offset, n=n, body=body)
                )
        return tuple(messages)

    async def _read_room(self, address: RoomAddress, since: int, limit: int) -> list[Any]:
        return await self._read_rooms([address], [Position(epoch="", offset=since)], limit)

    async def _read_rooms(
        self, group: Sequence[RoomAddress], since: Sequence[Position], limit: int | None = None
    ) -> list[Any]:
        """The script's answer for rooms of one hospital."""
        keys = [state_key(group[0].hospital_id), *map(room_key, group)]
        places = [part for position in since for part in (position.epoch, position.offset)]
        answer: list[Any] = await self._servers.run(self._read, keys, [limit or self._limits.replay_messages, *places])
        if not answer:
            raise _no_epoch(group[0])
        return answer

    async def _write(
        self,
        hospital_id: HospitalId,
        fence: Fence,
        new_epoch: str,
        from_n: int | str,
        streams: list[str],
        messages: list[str | bytes | int],
    ) -> StreamTop:
        limits = self._limits
        arguments = [
            fence.record_epoch,
            new_epoch,
            int(fence.lease_ends.timestamp() * 1000),
            int(limits.lease_margin_seconds * 1000),
            limits.history_seconds * 1000,
            limits.history_bytes,
            from_n,
            *messages,
        ]
        keys = [state_key(hospital_id), *streams]
        status, record_epoch, epoch, n = await self._servers.run(self._publish, keys, arguments, acknowledged=True)
        if status == b"ok":
            return StreamTop(record_epoch=record_epoch, epoch=epoch.decode(), n=n)
        if status == b"epoch_used":
            raise ValueError("a stream epoch was offered that is in use; it must be random each time")
        raise Fenced(_FENCED[status].format(hospital_id=hospital_id, given=fence.record_epoch, held=record_epoch))


_FENCED: Final = {
    b"lease_ended": "the lease of {hospital_id} has ended on Redis's clock; take it again before publishing",
    b"older_record_epoch": "the rooms of {hospital_id} are at record epoch {held}; an owner of epoch {given} may not write",
}


def _check_batch(publications: Sequence[Publication]) -> None:
    if not 0 < len(publications) <= MAX_MESSAGES:
        raise ValueError(f"publish 1 to {MAX_MESSAGES} messages a call, not {len(publications)}")
    if len({(publication.hospital_id, publication.record_epoch) for publication in publications}) > 1:
        raise ValueError("a call publishes for one hospital and one record epoch")
    numbers = [publication.n for publication in publications]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise ValueError("a call's messages must have increasing N (delivery rule 16)")


def _room_top(answer: list[Any], room: list[Any]) -> RoomTop:
    return RoomTop(record_epoch=answer[0], epoch=answer[1].decode(), n=answer[2], offset=room[0], oldest=room[1])


def _no_epoch(address: RoomAddress) -> RoomsUnavailable:
    return RoomsUnavailable(f"the rooms of {address.hospital_id} have no epoch yet; try again")


def _newest_unbroken(messages: tuple[Message, ...], top: int) -> tuple[Message, ...]:
    """Those of `messages` that reach `top` without a break."""
    start = len(messages)
    while start and messages[start - 1].offset == top - (len(messages) - start):
        start -= 1
    return messages[start:]
