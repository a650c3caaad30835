"""The clients of the crowd notice what they must: a benchmark that does not check what it received proves nothing."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from bench.compiled import PROGRAMS, compile_program
from bench.crowd import Crowd, Talk, crowd_of
from bench.errors import BenchFailed
from bench.messages import event_message, websocket_message
from bench.servers import get, handshake

ROOM = "patient:p000:vitals"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WAIT_SECONDS = 30
AT_ONCE = 200
"""So many clients' bytes are read before the next command is obeyed."""


def frame(payload: bytes, first: int = 0x81) -> bytes:
    length = len(payload)
    head = bytes((first, length)) if length < 126 else bytes((first, 126)) + length.to_bytes(2)
    return head + payload


def chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


def event(name: str, data: bytes) -> bytes:
    return b"id: 7\nevent: %b\ndata: %b\n\n" % (name.encode(), data)


def subscribed(offset: int = 0, **members: object) -> bytes:
    said = {"type": "subscription", "room": ROOM, "status": "subscribed", "epoch": "e", "offset": offset} | members
    return frame(json.dumps(said, separators=(",", ":")).encode())


def connected(offset: int = 0) -> bytes:
    positions = {"other": {"epoch": "e", "offset": 99}, ROOM: {"epoch": "e", "offset": offset}}
    data = json.dumps({"client_id": "c", "rooms": [ROOM], "positions": positions}, separators=(",", ":")).encode()
    return chunk(b"retry: 3000\n" + event("connected", data))


def message(offset: int) -> bytes:
    return frame(websocket_message(offset))


def told(offset: int) -> bytes:
    return chunk(event("patient.vitals.update", event_message(offset)))


class Host:
    """A server that answers each request with the same opening, piece by piece, and then says what the test says."""

    def __init__(self, *opening: bytes) -> None:
        self.connections: list[socket.socket] = []
        self._opening = opening
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            request = connection.recv(4096)
            if request == b"end":
                connection.close()
                return
            connection.settimeout(WAIT_SECONDS)
            self.connections.append(connection)
            for piece in self._opening:
                connection.sendall(piece)

    def say(self, *words: bytes) -> None:
        """One for each connection."""
        for connection, word in zip(self.connections, words, strict=True):
            connection.sendall(word)

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"end")
            self._thread.join(WAIT_SECONDS)
        for each in (self._listener, *self.connections):
            each.close()


@contextmanager
def hosted(
    opening: bytes, talk: Talk, clients: int = 1, rooms: tuple[str, ...] = (ROOM,)
) -> Iterator[tuple[Host, Crowd]]:
    with ExitStack() as open_:
        host = Host(opening)
        open_.callback(host.close)
        request = get("/") if talk is Talk.EVENTS else handshake("/")
        yield host, open_.enter_context(crowd_of(host.port, [request] * clients, talk, rooms))


@pytest.mark.parametrize(
    ("talk", "opening", "make", "made"),
    [
        (Talk.WEBSOCKET, UPGRADED + subscribed(4), message, websocket_message),
        (Talk.EVENTS, OK + connected(4), told, event_message),
    ],
    ids=["websocket", "events"],
)
def test_a_stream_may_be_cut_anywhere(talk, opening, make, made):
    stream = b"".join(map(make, (5, 6, 7)))
    for first in range(1, len(stream), AT_ONCE):
        cuts = range(first, min(first + AT_ONCE, len(stream)))
        with hosted(opening, talk, len(cuts)) as (host, crowd):
            host.say(*(stream[:cut] for cut in cuts))
            crowd.latency()
            host.say(*(stream[cut:] for cut in cuts))
            crowd.receive(3)
            assert crowd.messages() == [made(offset) for offset in (5, 6, 7)]


def test_an_opening_may_come_byte_by_byte():
    opening = UPGRADED + subscribed(4)
    with ExitStack() as open_:
        host = Host(*(opening[place : place + 1] for place in range(len(opening))))
        open_.callback(host.close)
        crowd = open_.enter_context(crowd_of(host.port, [handshake("/")], Talk.WEBSOCKET, [ROOM]))
        host.say(message(5))
        crowd.receive(1)


def test_events_that_are_not_in_chunks_are_read():
    with hosted(b"HTTP/1.1 200 OK\r\n\r\n: hi\n\n", Talk.EVENTS, rooms=()) as (host, crowd):
        host.say(event("patient.vitals.update", event_message(1)).replace(b"\n", b"\r\n"))
        crowd.receive(1)
        assert crowd.messages() == [event_message(1)]


@pytest.mark.parametrize("offset", [1, 3], ids=["repeated", "skipped"])
@pytest.mark.parametrize(("talk", "opening", "make"), [(Talk.WEBSOCKET, UPGRADED, message), (Talk.EVENTS, OK, told)])
def test_a_message_out_of_order_is_a_failure(talk, opening, make, offset):
    with hosted(opening, talk, rooms=()) as (host, crowd):
        host.say(make(1) + make(offset))
        with pytest.raises(BenchFailed, match="out of order after offset 1"):
            crowd.receive(2)


def test_a_repeat_to_one_of_two_clients_is_a_failure():
    with hosted(UPGRADED + subscribed(), Talk.WEBSOCKET, 2) as (host, crowd):
        host.say(message(1) + message(2), message(1) + message(1))
        with pytest.raises(BenchFailed, match="a message out of order"):
            crowd.receive(2)


def test_two_clients_must_get_the_same_bytes():
    with hosted(UPGRADED + subscribed(), Talk.WEBSOCKET, 2) as (host, crowd):
        host.say(message(1), message(1).replace(b'"spo2":92', b'"spo2":93'))
        with pytest.raises(BenchFailed, match="different messages at offset 1"):
            crowd.receive(1)


def test_more_deliveries_than_were_sent_are_a_failure():
    with hosted(UPGRADED + subscribed(), Talk.WEBSOCKET) as (host, crowd):
        host.say(message(1) + message(2))
        with pytest.raises(BenchFailed, match="2 deliveries instead of 1"):
            crowd.receive(1)


@pytest.mark.parametrize(
    ("opening", "failure"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "refused: HTTP/1.1 401"),
        (UPGRADED + message(1), "unexpected message"),
        (UPGRADED + subscribed(status="denied"), "unexpected message"),
        (UPGRADED + frame(b"\x03\xe8", 0x88), "unexpected frame: 0x88"),
        (UPGRADED + frame(b"x", 0xC1), "unexpected frame: 0xc1"),
    ],
    ids=["refused", "before the subscription", "denied", "closed", "compressed"],
)
def test_what_a_client_must_not_receive_is_a_failure(opening, failure):
    with pytest.raises(BenchFailed, match=failure), hosted(opening, Talk.WEBSOCKET):
        pass


def test_a_gap_in_an_event_stream_is_a_failure():
    with pytest.raises(BenchFailed, match="unexpected event"), hosted(OK + chunk(event("gap", b"{}")), Talk.EVENTS):
        pass


def test_compression_that_was_asked_for_must_happen():
    with hosted(UPGRADED, Talk.DEFLATED, rooms=()) as (host, crowd):
        host.say(message(1))
        with pytest.raises(BenchFailed, match="unexpected frame: 0x81"):
            crowd.receive(1)


def test_a_closed_connection_is_a_failure():
    with hosted(UPGRADED + subscribed(), Talk.WEBSOCKET) as (host, crowd):
        host.connections[0].shutdown(socket.SHUT_RDWR)
        with pytest.raises(BenchFailed, match="closed a client's connection"):
            crowd.receive(1)


def test_pings_are_answered():
    """Else the hub takes a client that only listens for dead."""
    with hosted(UPGRADED + subscribed(), Talk.WEBSOCKET) as (host, crowd):
        host.say(frame(b'{"type":"ping"}') + frame(b"abc", 0x89) + message(1))
        crowd.receive(1)
        pong = bytes((0x81, 0x8F)) + bytes(4) + b'{"type":"pong"}'
        assert host.connections[0].recv(100) == pong + bytes((0x8A, 0x83)) + bytes(4) + b"abc"


def test_socket_io_is_opened_and_its_messages_unpacked():
    with ExitStack() as open_:
        host = Host(UPGRADED + frame(b'0{"sid":"x"}') + frame(b'40{"sid":"y"}'))
        open_.callback(host.close)
        crowd = open_.enter_context(crowd_of(host.port, [handshake("/")], Talk.SOCKET_IO))
        assert host.connections[0].recv(100) == bytes((0x81, 0x82)) + bytes(4) + b"40"
        host.say(frame(b"2") + frame(b'42["message",%b]' % websocket_message(1)))
        crowd.receive(1)
        assert crowd.messages() == [websocket_message(1)]


def test_silent_clients_are_not_waited_for():
    with hosted(UPGRADED + subscribed(), Talk.WEBSOCKET) as (host, crowd):
        crowd.join(host.port, [handshake("/")], silent=True)
        host.say(message(1), b"")
        crowd.receive(1)
        assert len(crowd) == 1


def test_latency_counts_from_publication_and_from_measurement():
    now = datetime.now(UTC)
    stamps = [
        (now - timedelta(seconds=back)).isoformat(timespec="microseconds").replace("+00:00", "Z") for back in (20, 40)
    ]
    first, second = (stamp.encode() for stamp in stamps)
    with hosted(UPGRADED, Talk.WEBSOCKET, rooms=()) as (host, crowd):
        host.say(frame(b'{"type":"x","timestamp":"%b","data":{"timestamp":"%b"},"offset":1}' % (first, second)))
        crowd.receive(1)
        published, measured = crowd.latency()
        assert (published.count, measured.count) == (1, 1)
        assert 19 < published.median <= published.p99 <= published.longest < 20 + WAIT_SECONDS
        assert 39 < measured.median < 40 + WAIT_SECONDS
        assert crowd.latency()[0].count == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_compile_without_a_warning(name, tmp_path):
    compile_program(name, tmp_path / name, "-Werror")
