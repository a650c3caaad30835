"""Outlets on real sockets, on asyncio's event loop and on uvloop: order, joining, what waits, and the end."""

import asyncio
import gc
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hub.limits import Limits
from hub.realtime import outbound as module
from hub.realtime.outbound import Outbound, Outlet
from tests.support.waiting import eventually

SEED = 20261125
WAIT_SECONDS = 30
Scenario = Callable[[], Awaitable[None]]


class Client:
    """What an outlet tells its client."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def fell_behind(self) -> None:
        self.told.append("behind")

    def caught_up(self) -> None:
        self.told.append("caught up")

    def overflowed(self) -> None:
        self.told.append("overflowed")

    def gone(self) -> None:
        self.told.append("gone")


class Accepted(asyncio.Protocol):
    def __init__(self, transports: "asyncio.Queue[asyncio.Transport]") -> None:
        self.transports = transports

    def connection_made(self, transport: Any) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.transports.put_nowait(transport)


class Side:
    """One connection: the outlet here, and the peer that reads or doesn't."""

    def __init__(self, outlet: Outlet, client: Client, peer: socket.socket) -> None:
        self.outlet = outlet
        self.client = client
        self.peer = peer

    async def read(self, count: int) -> bytes:
        """So many bytes as the peer gets them."""
        got = bytearray()
        async with asyncio.timeout(WAIT_SECONDS):
            while len(got) < count:
                piece = await asyncio.get_running_loop().sock_recv(self.peer, 65536)
                assert piece, "closed too early"
                got += piece
        return bytes(got)

    async def read_all(self) -> bytes:
        """Everything up to the end."""
        got = bytearray()
        async with asyncio.timeout(WAIT_SECONDS):
            while piece := await asyncio.get_running_loop().sock_recv(self.peer, 65536):
                got += piece
        return bytes(got)


@asynccontextmanager
async def listening(outbound: Outbound) -> AsyncIterator[Callable[[], Awaitable[Side]]]:
    """Connections, one a call."""
    loop = asyncio.get_running_loop()
    transports: asyncio.Queue[asyncio.Transport] = asyncio.Queue()
    server = await loop.create_server(lambda: Accepted(transports), "127.0.0.1", 0)
    sides: list[Side] = []

    async def connect() -> Side:
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        await loop.sock_connect(peer, server.sockets[0].getsockname())
        client = Client()
        outlet = Outlet(await transports.get(), set(), outbound)
        outlet.open(client)
        sides.append(Side(outlet, client, peer))
        return sides[-1]

    yield connect
    for side in sides:
        side.peer.close()
        await eventually(lambda: "gone" in side.client.told, seconds=WAIT_SECONDS)  # noqa: B023 - waited for at once
    server.close()
    await server.wait_closed()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def on_loop(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Runs a scenario on each kind of event loop."""

    def run(scenario: Scenario) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(scenario())

    return run


def test_a_turns_frames_leave_in_one_write_a_client(on_loop):
    async def scenario() -> None:
        outbound = Outbound(Limits())
        async with listening(outbound) as connect:
            sides = [await connect() for _ in range(3)]
            for number in range(8):
                for side in sides:
                    side.outlet.push(b"%d;" % number)
            assert [await side.read(16) for side in sides] == [b"0;1;2;3;4;5;6;7;"] * 3
            assert (outbound.frames, outbound.writes) == (24, 3)

    on_loop(scenario)


def test_a_client_that_fails_silences_nobody_after_it(on_loop):
    async def scenario() -> None:
        async with listening(Outbound(Limits(behind_bytes=1000, unsent_bytes=10_000))) as connect:
            failing, other = await connect(), await connect()

            def fails() -> None:
                raise RuntimeError("of this test's making")

            failing.client.overflowed = fails
            failing.outlet.push(bytes(10_000_000))
            other.outlet.push(b"first;")
            assert await other.read(6) == b"first;"
            other.outlet.push(b"second")
            assert await other.read(6) == b"second"
            await eventually(lambda: failing.client.told[-1:] == ["gone"], seconds=WAIT_SECONDS)

    on_loop(scenario)


def test_a_chunk_that_cannot_be_joined_silences_nobody_else(on_loop):
    async def scenario() -> None:
        async with listening(Outbound(Limits())) as connect:
            failing, other = await connect(), await connect()
            failing.outlet.push("no bytes")  # type: ignore[arg-type]
            for chunk in (b"1;", b"2;"):
                other.outlet.push(chunk)
            assert await other.read(4) == b"1;2;"
            await eventually(lambda: failing.client.told[-1:] == ["gone"], seconds=WAIT_SECONDS)

    on_loop(scenario)


def test_what_was_sent_is_joined_once_for_all_who_get_the_same_and_then_forgotten(on_loop, monkeypatch):
    """Also where clients part: bundles know each other while a turn lasts, and the collector of garbage would be slow to find them."""
    joined: list[int] = []
    alive: Counter[str] = Counter()

    class Counted(module.Bundle):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            alive["bundles"] += 1

        def __del__(self) -> None:
            alive["bundles"] -= 1

        def join(self) -> bytes:
            joined.append(self.frames)
            return super().join()

    monkeypatch.setattr(module, "Bundle", Counted)

    async def scenario() -> None:
        async with listening(Outbound(Limits())) as connect:
            groups = {name: [await connect() for _ in range(3)] for name in (b"a", b"b")}
            gc.disable()
            try:
                for name, group in groups.items():
                    for chunk in (b"both;", name + b"1;", name + b"2;"):
                        for side in group:
                            side.outlet.push(chunk)
                for name, group in groups.items():
                    assert {await side.read(11) for side in group} == {b"both;%b1;%b2;" % (name, name)}
                assert alive["bundles"] == 1  # the empty one of the turn that comes
            finally:
                gc.enable()
        assert joined == [3, 3]

    on_loop(scenario)


def test_a_client_that_has_reset_its_connection_is_ended_like_any_other(on_loop):
    """Before the event loop has seen it: a node that stops must not stumble over one of its clients."""

    async def scenario() -> None:
        async with listening(Outbound(Limits())) as connect:
            side = await connect()
            side.peer.close()  # whatever is sent now is answered with a reset
            side.outlet.finish([b"last words"])
            side.outlet.hang_up()
            await eventually(lambda: "gone" in side.client.told, seconds=WAIT_SECONDS)

    on_loop(scenario)


def test_order_is_kept_however_little_the_socket_takes(on_loop, monkeypatch):
    """Short writes, full sockets and a reader that comes and goes: what arrives is what was pushed, and both ways were used."""
    random = Random(SEED)
    outcomes: list[bool] = []

    def write(descriptor: int, pushed: bytes) -> int:
        taken = write_really(descriptor, pushed)
        outcomes.append(taken == len(pushed))
        return taken

    write_really = module.os.write
    monkeypatch.setattr(module.os, "write", write)

    async def scenario() -> None:
        async with listening(Outbound(Limits(unsent_bytes=1 << 30))) as connect:
            side = await connect()
            pushed = bytearray()
            read = bytearray()
            for _ in range(300):
                for _ in range(random.randrange(4)):
                    chunk = random.randbytes(random.choice([1, 100, 3000, 20_000]))
                    pushed += chunk
                    side.outlet.push(chunk)
                await asyncio.sleep(0)
                if random.random() < 0.5:
                    waiting = min(len(pushed) - len(read), random.randrange(30_000))
                    read += await side.read(waiting) if waiting else b""
            read += await side.read(len(pushed) - len(read))
            assert read == pushed
        assert {True, False} <= set(outcomes)

    on_loop(scenario)


def test_a_client_that_does_not_read_is_behind_then_too_much_and_what_waits_is_bounded(on_loop):
    async def scenario() -> None:
        limits = Limits(behind_bytes=20_000, unsent_bytes=100_000)
        async with listening(Outbound(limits)) as connect:
            side = await connect()
            while "overflowed" not in side.client.told:
                side.outlet.push(b"x" * 1000)
                await asyncio.sleep(0)
                assert side.outlet.unsent <= limits.unsent_bytes + 1000
            assert side.client.told == ["behind", "overflowed"]

    on_loop(scenario)


def test_a_client_that_reads_again_has_caught_up(on_loop):
    async def scenario() -> None:
        async with listening(Outbound(Limits(behind_bytes=20_000))) as connect:
            side = await connect()
            pushed = 0
            while not side.client.told:
                side.outlet.push(b"x" * 1000)
                pushed += 1000
                await asyncio.sleep(0)
            await side.read(pushed)
            await eventually(lambda: side.client.told == ["behind", "caught up"], seconds=WAIT_SECONDS)

    on_loop(scenario)


def test_nothing_reaches_another_client_whose_socket_has_the_same_number(on_loop):
    async def scenario() -> None:
        async with listening(Outbound(Limits())) as connect:
            first = await connect()
            number = first.outlet._socket
            first.peer.close()
            await eventually(lambda: first.client.told == ["gone"], seconds=WAIT_SECONDS)
            second = await connect()
            assert second.outlet._socket == number, "the test's own premise"
            first.outlet.push(b"of the first")
            second.outlet.push(b"of the second")
            await asyncio.sleep(0)
            second.outlet.finish([])
            second.outlet.hang_up()
            assert await second.read_all() == b"of the second"

    on_loop(scenario)


def test_the_last_words_come_after_all_that_waits_and_nothing_after_them(on_loop):
    async def scenario() -> None:
        async with listening(Outbound(Limits())) as connect:
            side = await connect()
            side.outlet.push(b"x" * 500_000)
            await asyncio.sleep(0)
            side.outlet.push(b"y")
            side.outlet.finish([b"z"])
            side.outlet.push(b"never")
            side.outlet.hang_up()
            assert await side.read_all() == b"x" * 500_000 + b"yz"

    on_loop(scenario)


def test_a_client_that_takes_nothing_is_gone_soon_after_the_end(on_loop, monkeypatch):
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.05)

    async def scenario() -> None:
        async with listening(Outbound(Limits(unsent_bytes=1 << 30))) as connect:
            side = await connect()
            side.outlet.push(b"x" * 1_000_000)
            side.outlet.finish([b"z"])
            side.outlet.hang_up()
            await eventually(lambda: side.client.told[-1:] == ["gone"], seconds=WAIT_SECONDS)

    on_loop(scenario)


def _contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's, of a certificate made for this test alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both = folder / "server.pem"
    both.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(both)
    return server, ssl.create_default_context(cafile=str(both))


def test_under_tls_nothing_goes_beside_the_transport(on_loop, tmp_path, monkeypatch):
    def write(*_: object) -> int:
        raise AssertionError("plain bytes in the midst of TLS")

    monkeypatch.setattr(module.os, "write", write)
    server_side, client_side = _contexts(tmp_path)
    random = Random(SEED)
    chunks = [random.randbytes(random.choice([1, 1000, 100_000])) for _ in range(50)]

    async def scenario() -> None:
        transports: asyncio.Queue[asyncio.Transport] = asyncio.Queue()
        server = await asyncio.get_running_loop().create_server(
            lambda: Accepted(transports), "127.0.0.1", 0, ssl=server_side
        )
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_side, server_hostname="localhost")
        client = Client()
        outlet = Outlet(await transports.get(), set(), Outbound(Limits(unsent_bytes=1 << 30)))
        outlet.open(client)
        for chunk in chunks:
            outlet.push(chunk)
            await asyncio.sleep(0)
        outlet.finish([b"last"])
        outlet.hang_up()
        async with asyncio.timeout(WAIT_SECONDS):
            assert await reader.read() == b"".join(chunks) + b"last"
        writer.close()
        await writer.wait_closed()
        await eventually(lambda: "gone" in client.told, seconds=WAIT_SECONDS)
        server.close()
        await server.wait_closed()

    on_loop(scenario)
