"""The client as it is used:

    async with Client("https://hub.example", token=fetch_token, rooms=["ward:h1:icu:vitals", "ward:h1:icu:alerts"]) as client:
        async for event in client:
            match event:
                case Event(event="patient.vitals.update", data=data):
                    show(data)
                case Gap(room=room, snapshot=snapshot):
                    redraw(room, snapshot)

It connects, and after a loss connects again, for as long as it is open; it goes on in every room where it stood, or says that it can't.
Nothing is given twice, nothing older after something newer of a room, and nothing is left out unsaid. It never connects without a token.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from random import SystemRandom
from types import TracebackType
from typing import Any, Final, Self

from bedside.client.errors import ConnectionEnded, NotConnected, RequestRefused, TokenUnavailable
from bedside.client.events import ClientEvent, Closed, Position
from bedside.client.link import Link, Timings
from bedside.client.queue import EventQueue
from bedside.client.rooms import RoomRequest
from bedside.client.session import AskToken, Drop, Send, Session, Settle, Tell
from bedside.client.socket import Socket, SocketLost, opened

Token = str | Callable[[], str | Awaitable[str]]
QUEUE_SIZE: Final = 1024
ANSWER_SECONDS: Final = 10.0


class Client:
    """One connection to one hub, as one user.

    `url` is the hub's (`https://hub.example`). `token` is a token, or a function, plain or async, that is asked for one at each connection and
    when one is about to end: it may raise TokenUnavailable where there is none now. `rooms` are names or RoomRequests. At most `queue_size` events
    wait for the reader, see `bedside.client.queue`. Raises ValueError for a `url` that is not http or https. Iterating ends when the client is closed, and raises ConnectionEnded
    after the `closed` event that is `terminal`, or what else the token function raised.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token,
        rooms: Iterable[str | RoomRequest] = (),
        timings: Timings | None = None,
        queue_size: int = QUEUE_SIZE,
        random: Callable[[], float] | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url}: must begin with http:// or https://")
        self._url = url
        self._token = token
        self._timings = timings or Timings()
        self._session = Session(
            timings=self._timings, random=random or SystemRandom().random, fixed_token=isinstance(token, str)
        )
        self._session.subscribe([_request(room) for room in rooms])
        self._queue = EventQueue(queue_size)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._running: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._socket: Socket | None = None
        self._stirred = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name="bedside-client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[ClientEvent]:
        return self

    async def __anext__(self) -> ClientEvent:
        if (event := await self._queue.get()) is None:
            raise StopAsyncIteration
        return event

    @property
    def link(self) -> Link:
        """Where the link is now."""
        return self._session.link

    def position(self, room: str) -> Position | None:
        """Where a room stands: to be kept by whoever wants to go on from there in another life (`RoomRequest.since`)."""
        return self._session.rooms.position(room)

    async def close(self) -> None:
        """Close the connection. What waits in the queue can still be read."""
        self._session.end()
        self._carry_out()
        self._queue.end()
        await _end(self._refreshing)
        await _end(self._running)

    # Asking

    def subscribe(self, *rooms: str | RoomRequest) -> None:
        """Want rooms from now on; `subscribed`, `recovered`, `gap` or `denied` come as events."""
        self._session.subscribe([_request(room) for room in rooms])
        self._carry_out()

    def unsubscribe(self, *rooms: str) -> None:
        self._session.unsubscribe(rooms)
        self._carry_out()

    async def history(self, room: str, *, since: Position | None = None, limit: int | None = None) -> dict[str, Any]:
        """The hub's `history` answer: `messages`, and the position after them. Raises NotConnected, RequestRefused or TimeoutError."""
        after = {"since": {"epoch": since.epoch, "offset": since.offset}} if since else {}
        return await self.ask("history", {"room": room, **after, **({} if limit is None else {"limit": limit})})

    async def presence(self, room: str) -> dict[str, Any]:
        """Who is there: the hub's `presence` answer. Raises as `history` does."""
        return await self.ask("presence", {"room": room})

    def activity(self, status: str) -> bool:
        """Say that the user is `active`, `idle` or `away`; whether there was a connection to say it over."""
        said = self._session.say("activity", {"status": status})
        self._carry_out()
        return said

    async def ask(self, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Send any request and wait for its answer. Raises NotConnected, RequestRefused or TimeoutError."""
        if (request_id := self._session.ask(kind, fields)) is None:
            raise NotConnected(f"not connected, so {kind} can't be asked")
        answer = self._answers[request_id] = asyncio.get_running_loop().create_future()
        self._carry_out()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                content: dict[str, Any] = await answer
                return content
        finally:
            self._answers.pop(request_id, None)

    # Running

    async def _run(self) -> None:
        try:
            self._session.start()
            while self._session.link is not Link.ENDED:
                await self._next_step()
                self._carry_out()
        except Exception as error:  # noqa: BLE001 - the reader is told
            self._queue.end(error)

    async def _next_step(self) -> None:
        session = self._session
        match session.link:
            case Link.ASKING:
                await self._ask_token()
            case Link.OPENING:
                await self._connect()
            case Link.WAITING:
                await asyncio.sleep(max(0.0, (session.wake_at or 0.0) - _now()))
                session.woken(_now())

    async def _ask_token(self) -> None:
        try:
            token = self._token() if callable(self._token) else self._token
            self._session.token_given(await token if inspect.isawaitable(token) else token)
        except TokenUnavailable as error:
            self._session.token_unavailable(_now(), str(error))

    async def _connect(self) -> None:
        """One connection, from its handshake to its end."""
        session = self._session
        try:
            async with opened(self._url, session.token, self._timings.open_seconds) as self._socket:
                session.opened(_now())
                self._carry_out()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._wake(), name="bedside-client-timer")
                    await self._receive(self._socket)
        except* SocketLost as group:
            lost = _first(group)
            session.lost(_now(), lost.code, lost.reason)
        finally:
            self._socket = None
            await _end(self._refreshing)

    async def _receive(self, socket: Socket) -> None:
        """Until the connection ends, which raises SocketLost. Nothing is read while the reader has not made room."""
        while True:
            await self._queue.room()
            text = await socket.receive()
            self._session.received(_now(), text)
            self._carry_out()

    async def _wake(self) -> None:
        """Let the session do what is due, until cancelled. Silence is not the hub's while we do not listen."""
        while True:
            self._stirred.clear()
            due = self._session.wake_at
            await _until(self._stirred, None if due is None else due - _now())
            if self._queue.is_full:
                self._session.not_listening(_now())
            self._session.woken(_now())
            self._carry_out()

    async def _refresh(self) -> None:
        try:
            await self._ask_token()
            self._carry_out()
        except Exception as error:  # noqa: BLE001 - the reader is told
            self._queue.end(error)
            self._session.end()
            if self._socket is not None:
                self._socket.abort()

    def _carry_out(self) -> None:
        for command in self._session.commands():
            match command:
                case Tell(event):
                    self._told(event)
                case Send(text) if self._socket is not None:
                    self._socket.send(text)
                case Drop() if self._socket is not None:
                    self._socket.abort()
                case AskToken() if self._refreshing is None or self._refreshing.done():
                    self._refreshing = asyncio.create_task(self._refresh(), name="bedside-client-refresh")
                case Settle():
                    self._settle(command)
        self._stirred.set()

    def _told(self, event: ClientEvent) -> None:
        self._queue.put(event)
        if isinstance(event, Closed) and event.terminal:
            self._queue.end(ConnectionEnded(event.code, event.reason))

    def _settle(self, settled: Settle) -> None:
        answer = self._answers.get(settled.request_id)
        if answer is None or answer.done():
            return
        if settled.answer is not None:
            answer.set_result(settled.answer)
        elif settled.refused is not None:
            answer.set_exception(RequestRefused(*settled.refused))
        else:
            answer.set_exception(NotConnected("the connection broke before the answer; ask again"))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _request(room: str | RoomRequest) -> RoomRequest:
    return RoomRequest(room=room) if isinstance(room, str) else room


def _first(group: BaseExceptionGroup[SocketLost]) -> SocketLost:
    """The one error of a group, however deep."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _until(event: asyncio.Event, seconds: float | None) -> None:
    """Until the event, or for so long; None: for ever."""
    try:
        async with asyncio.timeout(None if seconds is None else max(0.0, seconds)):
            await event.wait()
    except TimeoutError:
        return


async def _end(task: "asyncio.Task[None] | None") -> None:
    """Cancel a task until it has ended: one cancellation may be swallowed (Python 3.11)."""
    while task is not None and not task.done() and task is not asyncio.current_task():
        task.cancel()
        await asyncio.wait([task], timeout=1)
