"""The hub of `tests.support.hub` in a process of its own on uvloop, as in production, so that what it costs can be measured.

The process is told by lines of JSON on its standard input, and answers each with a line on its standard output.
"""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import uvloop

from hub.auth.tokens import mint
from tests.support.hub import HOSPITAL, PATIENT, running_hub
from vitals.events import EventName

WAIT_SECONDS = 60
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HubProcess:
    """A running hub: its id, port and key."""

    process: asyncio.subprocess.Process
    port: int
    secret: bytes
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def token(self, *, subject: str | None = None) -> str:
        now, ttl = datetime.now(UTC), timedelta(hours=1)
        return mint(
            self.secret, subject=subject or "clinician", role="clinician", hospitals=[HOSPITAL], now=now, ttl=ttl
        )

    async def publish(
        self,
        room: str,
        *,
        count: int,
        pause: float = 0,
        event: EventName = EventName.PATIENT_VITALS_UPDATE,
        **data: object,
    ) -> None:
        """Publish so many messages, one after the other, with a `pause` of seconds after each; `number` in their data says which, `at` when, on this machine's monotonic clock."""
        await self._ask(
            {"room": room, "count": count, "pause": pause, "event": event, "data": {"patient_id": PATIENT} | data}
        )

    async def drain(self) -> None:
        """Let nobody in, and ask all clients to leave."""
        await self._ask({"drain": True})

    async def figures(self) -> dict[str, Any]:
        """Clients, and what was sent and coalesced."""
        return await self._ask({"figures": True})

    def memory(self) -> int:
        """Resident bytes."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most resident bytes since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # see proc(5)

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

    async def _ask(self, order: dict[str, object]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_SECONDS), self._asking:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return answer


@contextlib.asynccontextmanager
async def hub_process(folder: Path, redis_url: str, **limits: object) -> AsyncIterator[HubProcess]:
    """A hub until the end of the block; it must then have ended by itself, without an error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.hub_process", str(folder), redis_url, json.dumps(limits)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            began = json.loads(await process.stdout.readline())
        yield HubProcess(process=process, port=began["port"], secret=began["secret"].encode())
        process.stdin.close()
        async with asyncio.timeout(WAIT_SECONDS):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def _serve(folder: str, redis_url: str, limits: dict[str, Any]) -> None:
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with running_hub(Path(folder), redis_url, **limits) as hub:
        _say({"port": hub.settings.port, "secret": hub.secret.decode()})
        async for line in orders:
            _say(await _obey(hub, json.loads(line)))


async def _obey(hub: Any, order: dict[str, Any]) -> dict[str, object]:
    if "drain" in order:
        await hub.live.clients.drain(Random(1))
    for number in range(order.get("count", 0)):
        data = order["data"] | {"number": number, "at": time.monotonic()}
        await hub.owner.publish(HOSPITAL, [order["room"]], data, event=EventName(order["event"]))
        if order["pause"]:
            await asyncio.sleep(order["pause"])
    outbound = hub.live.clients.outbound
    return {"clients": len(hub.live.clients), "frames": outbound.frames, "coalesced": outbound.coalesced}


def _say(answer: dict[str, object]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
