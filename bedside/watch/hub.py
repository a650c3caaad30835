"""The link to a hub, and the only module of the package that does I/O with one: the client library will stand here.

`Follower.run` connects, joins the rooms of what is watched, reads what was before, and tells everything that happens, in order, to
one function. A link that breaks is made again, waiting longer each time, and every room is resumed from where it stood; where the
hub can't give what was missed, that is told. One event that comes in several rooms is told once.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from bedside.hub_client import HubUnreachable, get
from bedside.watch.answers import Device, History, Hospital, RecordedReading, View
from bedside.watch.errors import HubLost, HubRefused, NotThere, WatchError
from bedside.watch.happenings import (
    BedsRead,
    Happening,
    HistoryRead,
    LinkLive,
    LinkLost,
    Missed,
    ReadingsRead,
    Received,
)
from bedside.watch.messages import (
    Event,
    InvalidMessage,
    Message,
    Position,
    Refusal,
    Sign,
    Subscribed,
    decode_message,
    message_of,
)

T = TypeVar("T")

PING_SECONDS: Final = 2.0
SILENCE_SECONDS: Final = 6.0
"""Without a byte for so long the link counts as lost: three pings have gone unanswered."""
OPEN_SECONDS: Final = 5.0
LOOK_AGAIN_SECONDS: Final = 60.0
"""How often beds and devices are read again: a change of the registry need not be an event."""
REJOIN_SECONDS: Final = 1.0
FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 10.0
_MOST_DOUBLINGS: Final = 10
REMEMBERED_EVENTS: Final = 1024
HISTORY_MESSAGES: Final = 200
READINGS_AT_ONCE: Final = 4
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_FORBIDDEN_FOR_GOOD: Final = 4503
_MOVEMENTS: Final = frozenset({"patient.admission", "patient.discharge"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to watch. `token` is asked for at each connection, so that a renewed one is used. `hospital` None: the token's only one."""

    url: str
    token: Callable[[], str]
    hospital: str | None = None
    ward: str | None = None
    patient: str | None = None


class Follower:
    """Follows one target. `random` gives numbers from 0 up to 1."""

    def __init__(self, target: Target, tell: Callable[[Happening], None], *, random: Callable[[], float]) -> None:
        self._target = target
        self._tell = tell
        self._random = random
        self._failures = 0
        self._token = ""
        self._was_live = False
        self._view: View | None = None
        self._positions: dict[str, Position] = {}
        self._held: set[str] = set()
        self._answered = asyncio.Event()
        self._moved = asyncio.Event()
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def run(self) -> None:
        """Until cancelled. Raises HubRefused and NotThere; HubLost only while there has been no link yet."""
        while True:
            try:
                await self._one_connection()
            except HubLost as lost:
                if not self._was_live:
                    raise
                problem = str(lost).removeprefix(f"{self._target.url}: ")
                self._tell(LinkLost(problem=problem, silent_seconds=lost.silent_seconds))
            await asyncio.sleep(self._next_wait())

    def _next_wait(self) -> float:
        """Seconds until the next try: doubling, half of it jitter, so that a ward's screens don't come back all at once."""
        wait: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        return wait * (0.5 + self._random() / 2)

    async def _one_connection(self) -> None:
        self._token = self._target.token()
        self._held.clear()
        self._view = await self._read_view()
        self._tell(BedsRead(view=self._view))
        async with _opened(self._target.url, self._token) as socket:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_ping(socket), name="watch-ping")
                    tasks.create_task(self._settle(socket), name="watch-settle")
                    await self._receive(socket)
            except* (WatchError, BrokenPipeError) as group:
                raise _worst(group) from group

    # Receiving

    async def _receive(self, socket: ClientConnection) -> None:
        """Tell what comes, until the link breaks: raises HubLost or HubRefused."""
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    text = await socket.recv(decode=True)
            except TimeoutError as error:
                raise HubLost("the hub does not answer any more", silent_seconds=SILENCE_SECONDS) from error
            except ConnectionClosed as closed:
                raise _closed(closed) from closed
            try:
                message = decode_message(text)
            except InvalidMessage:
                self._tell(Received(text=text, message=None))
                continue
            if message is not None:
                self._take(text, message)

    def _take(self, text: str, message: Message) -> None:
        match message:
            case Event():
                if message.room in self._held:
                    self._positions[message.room] = message.position
                if not self._remember(message.event_id):
                    return
                if message.event in _MOVEMENTS and not message.test:
                    self._moved.set()
            case Subscribed():
                self._subscribed(message)
            case Refusal():
                self._answered.set()
            case _:
                pass
        self._tell(Received(text=text, message=message))

    def _subscribed(self, answer: Subscribed) -> None:
        if answer.status == "subscribed":
            self._held.add(answer.room)
            if answer.position is not None and not answer.recovered:
                self._positions[answer.room] = answer.position
            if answer.missing:
                self._tell(Missed(what=f"messages were missed while the link was down ({answer.room})"))
        elif answer.status == "revoked":
            self._held.discard(answer.room)
            self._moved.set()
        elif answer.status == "denied":
            raise HubRefused(f"the token may not watch {answer.room}")
        self._answered.set()

    def _remember(self, event_id: str) -> bool:
        """Whether an event is new."""
        if event_id in self._seen:
            return False
        self._seen[event_id] = None
        if len(self._seen) > REMEMBERED_EVENTS:
            self._seen.popitem(last=False)
        return True

    # Settling

    async def _settle(self, socket: ClientConnection) -> None:
        """Join all rooms, read what was before, and from then on look again in time, and when a patient has moved."""
        await self._join(socket)
        self._tell(LinkLive())
        self._was_live = True
        self._failures = 0
        await self._look(socket)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self._moved.wait()
            self._moved.clear()
            try:
                await self._look(socket)
            except HubLost as lost:
                self._tell(Missed(what=f"beds and devices can't be read again: {lost}"))

    async def _look(self, socket: ClientConnection) -> None:
        self._view = await self._read_view()
        self._tell(BedsRead(view=self._view))
        await self._join(socket)
        self._tell(ReadingsRead(signs=await self._last_readings(self._view)))

    async def _join(self, socket: ClientConnection) -> None:
        """Subscribe until every room of the view holds; leave those that it does not have. Rooms known already go on where they stood."""
        wanted = self._view.rooms if self._view else ()
        if gone := [room for room in self._held if room not in wanted]:
            await _send(socket, {"type": "unsubscribe", "rooms": gone})
            self._held.difference_update(gone)
        while missing := [room for room in wanted if room not in self._held]:
            self._answered.clear()
            since = {room: await self._since(room) for room in missing}
            rooms = [{"room": room} | ({"since": since[room]} if since[room] else {}) for room in missing]
            await _send(socket, {"type": "subscribe", "rooms": rooms})
            await self._wait_for_answers(missing)

    async def _wait_for_answers(self, rooms: list[str]) -> None:
        """Until all hold, or for a moment: a room that can't be had now is asked for again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REJOIN_SECONDS):
                while not self._held.issuperset(rooms):
                    await self._answered.wait()
                    self._answered.clear()
        if not self._held.issuperset(rooms):
            self._tell(LinkLost(problem="the hub can't follow its rooms now"))

    async def _since(self, room: str) -> Position | None:
        """Where to go on: where the room stood; for alerts that are new to us, after what its history has."""
        if room in self._positions or not room.endswith(":alerts"):
            return self._positions.get(room)
        history = await self._ask(f"/realtime/history/{quote(room)}", History, limit=HISTORY_MESSAGES)
        events = [message for raw in history.messages if isinstance(message := message_of(raw), Event)]
        self._tell(HistoryRead(events=tuple(event for event in events if self._remember(event.event_id))))
        self._positions[room] = msgspec.convert(history.next, Position)
        return self._positions[room]

    # Asking over REST

    async def _read_view(self) -> View:
        target = self._target
        hospital = target.hospital or await self._only_hospital()
        narrowed = {name: value for name, value in (("ward", target.ward), ("patient", target.patient)) if value}
        return await self._ask(f"/hospitals/{quote(hospital, safe='')}/beds", View, **narrowed)

    async def _only_hospital(self) -> str:
        found = await self._ask("/hospitals", tuple[Hospital, ...])
        if not found:
            raise HubRefused("the token covers no hospital of this hub")
        if len(found) > 1:
            names = ", ".join(hospital.hospital_id for hospital in found)
            raise NotThere(f"the token covers several hospitals; choose one with --hospital: {names}")
        return found[0].hospital_id

    async def _last_readings(self, view: View) -> tuple[Sign, ...]:
        """What each device at a bed said last."""
        limit = asyncio.Semaphore(READINGS_AT_ONCE)

        async def last(device: Device) -> tuple[Sign, ...]:
            async with limit:
                path = f"/devices/{quote(device.device_type)}/{quote(device.device_id)}/data"
                readings = await self._ask(path, tuple[RecordedReading, ...], limit=1)
            return tuple(sign for reading in readings for sign in reading.signs(device))

        found = await asyncio.gather(*[last(device) for bed in view.beds for device in bed.devices])
        return tuple(sign for signs in found for sign in signs)

    async def _ask(self, path: str, kind: type[T], **query: object) -> T:
        """The `data` of an answer. Raises HubLost, HubRefused or NotThere."""
        url = f"{self._target.url.rstrip('/')}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            answer = await asyncio.to_thread(get, url, token=self._token)
        except HubUnreachable as error:
            raise HubLost(str(error).replace(url, self._target.url)) from error
        if answer.status != 200:
            raise _refused(answer.status, answer.content)
        try:
            return msgspec.convert(answer.content["data"], kind)
        except (msgspec.ValidationError, KeyError, TypeError, ArithmeticError) as error:
            raise HubLost(f"{path}: the answer is none of a Bedside hub") from error


@contextlib.asynccontextmanager
async def _opened(url: str, token: str) -> AsyncIterator[ClientConnection]:
    """A WebSocket on which the hub has let us in. Raises HubLost or HubRefused; no proxy stands before this machine."""
    address = f"{url.replace('http', 'ws', 1).rstrip('/')}/realtime/ws"
    opening = connect(
        address,
        additional_headers={"Authorization": f"Bearer {token}"},
        compression=None,
        open_timeout=OPEN_SECONDS,
        close_timeout=1,
        ping_interval=None,
        proxy=None if (urlsplit(url).hostname or "") in _LOOPBACK else True,
    )
    try:
        socket = await opening
    except InvalidStatus as refused:
        raise _refused(refused.response.status_code, _json_of(refused.response.body)) from refused
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, WebSocketException) as error:
        raise HubLost(f"{url}: {getattr(error, 'strerror', None) or error or 'no answer'}") from error
    try:
        yield socket
    finally:
        await socket.close()


async def _ping(socket: ClientConnection) -> None:
    """Show life, and ask how the road behind the hub is."""
    while True:
        await _send(socket, {"type": "ping"})
        await asyncio.sleep(PING_SECONDS)


async def _send(socket: ClientConnection, message: Mapping[str, object]) -> None:
    try:
        await socket.send(msgspec.json.encode(message).decode())
    except ConnectionClosed as closed:
        raise _closed(closed) from closed


def _closed(closed: ConnectionClosed) -> HubLost | HubRefused:
    """Codes from 4500 on ask not to come back as we are; an expired token may have been renewed, so that is tried once more."""
    received = closed.rcvd
    if received is None:
        return HubLost("the connection broke")
    reason = received.reason or f"code {received.code}"
    if received.code == _FORBIDDEN_FOR_GOOD:
        return HubRefused(reason)
    return HubLost(f"the hub closed the connection: {reason}")


def _refused(status: int, content: Any) -> HubLost | HubRefused | NotThere:  # noqa: ANN401 - any JSON
    """The error that a status other than 200 is; the words are those of the hub's problem document."""
    detail = content.get("detail") if isinstance(content, dict) else None
    said = detail if isinstance(detail, str) else f"answer {status}"
    if status in (401, 403):
        return HubRefused(said)
    return NotThere(said) if status in (404, 422) else HubLost(said)


def _json_of(body: bytes | bytearray | None) -> Any:  # noqa: ANN401 - any JSON
    try:
        return msgspec.json.decode(body or b"null")
    except msgspec.DecodeError:
        return None


def _worst(group: ExceptionGroup[Exception]) -> Exception:
    """The one error of a group that decides: a lost link may come back, nothing else does."""
    return min(_leaves(group), key=lambda error: isinstance(error, HubLost))


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
