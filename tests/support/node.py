"""A hub node in a process of its own, for tests that kill one: `running_hub`, started by `other_node`.

Run as `python -m tests.support.node FOLDER REDIS_URL PORT LIMITS`; FOLDER holds the secret in `given`.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import websockets

from tests.support.hub import LiveHub, running_hub
from tests.support.net import free_port
from tests.support.waiting import eventually

START_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherNode:
    """A node that is ready. `process` ends with the test at the latest."""

    process: "asyncio.subprocess.Process"
    port: int

    def connect(self, path: str, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return websockets.connect(f"ws://127.0.0.1:{self.port}{path}", additional_headers=headers, compression=None)

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def other_node(folder: Path, hub: LiveHub, **limits: Any) -> AsyncIterator[OtherNode]:
    """Another node beside `hub`: the same Redis, the same secret."""
    _give(folder, hub.secret)
    port = free_port()
    arguments = (str(folder), hub.settings.redis_url, str(port), json.dumps(limits))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.support.node", *arguments)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            await eventually(lambda: _is_ready(http), seconds=START_SECONDS)
        yield OtherNode(process=process, port=port)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _give(folder: Path, secret: bytes) -> None:
    folder.mkdir()
    (folder / "given").write_bytes(secret)


async def _is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def _serve(folder: Path, redis_url: str, port: int, limits: dict[str, Any]) -> None:
    secret = (folder / "given").read_bytes()
    async with running_hub(folder, redis_url, begin=False, secret=secret, port=port, **limits):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])))
