"""A headless Chromium, driven over its own DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.request import urlopen

import websockets

FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
START_SECONDS = 60


class Page:
    """One tab: opens addresses, evaluates JavaScript, and keeps what the page wrote to its console."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict]] = {}
        self._changed = asyncio.Condition()
        self._loaded = asyncio.Event()
        self.console: list[str] = []

    async def receive(self) -> None:
        async for text in self._connection:
            message = json.loads(text)
            if answer := self._answers.pop(message.get("id"), None):
                answer.set_result(message)
            elif message.get("method") == "Page.loadEventFired":
                self._loaded.set()
            elif message.get("method") == "Runtime.consoleAPICalled":
                self.console.append(" ".join(_shown(arg) for arg in message["params"]["args"]))
            async with self._changed:
                self._changed.notify_all()

    async def call(self, method: str, **params: object) -> dict:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        message = await asyncio.wait_for(answer, 30)
        assert "error" not in message, message
        return message["result"]

    async def open(self, address: str) -> None:
        self._loaded.clear()
        await self.call("Page.navigate", url=address)
        await asyncio.wait_for(self._loaded.wait(), 30)

    async def evaluate(self, expression: str) -> object:
        """The value of `expression`, awaited where it is a promise. Fails the test on a JavaScript exception."""
        result = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def wait_for(self, expression: str, seconds: float = 30) -> object:
        """The first true value of `expression`, looked at whenever the page says something."""
        async with asyncio.timeout(seconds):
            while not (value := await self.evaluate(expression)):
                with contextlib.suppress(TimeoutError):
                    async with self._changed:
                        await asyncio.wait_for(self._changed.wait(), 0.5)
        return value


def _shown(argument: dict) -> str:
    return str(argument.get("value", argument.get("description", "")))


@contextlib.asynccontextmanager
async def page(binary: str, folder: Path) -> AsyncIterator[Page]:
    """A new tab of a new Chromium whose profile lies in `folder`."""
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    command = (binary, *FLAGS, *sandbox, f"--user-data-dir={folder}", "about:blank")
    with (folder / "chromium.log").open("wb") as log:
        process = await asyncio.to_thread(subprocess.Popen, command, stdout=log, stderr=log)
    try:
        port = await _port(process, folder / "DevToolsActivePort")
        targets = await asyncio.to_thread(lambda: json.load(urlopen(f"http://127.0.0.1:{port}/json/list")))
        address = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
        async with websockets.connect(address, max_size=None) as connection, asyncio.TaskGroup() as tasks:
            tab = Page(connection)
            receiver = tasks.create_task(tab.receive())
            await tab.call("Page.enable")
            await tab.call("Runtime.enable")
            yield tab
            receiver.cancel()
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)


async def _port(process: subprocess.Popen, file: Path) -> int:
    async with asyncio.timeout(START_SECONDS):
        while not (lines := await asyncio.to_thread(_lines, file)):
            assert process.poll() is None, "Chromium ended; see chromium.log beside its profile"
            await asyncio.sleep(0.1)  # another program's file: there is no event to wait for
    return int(lines[0])


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
