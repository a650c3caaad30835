"""The TypeScript client in a real browser, against the real hub."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conformance.line import line
from tests.conformance.script import DATA
from tests.end_to_end import chromium
from tests.support.hub import HOSPITAL, PATIENT, running_hub
from vitals.events import EventName

pytestmark = pytest.mark.slow

ALERTS = f"patient:{PATIENT}:alerts"
FOLLOW = """
    (async () => {
        const { Client } = await import('%(modules)s/index.js');
        window.seen = [];
        const client = new Client(location.origin, {
            token: async () => '%(token)s', rooms: ['%(room)s'], timings: { first_wait_seconds: 0.05, longest_wait_seconds: 0.2 },
        });
        for await (const event of client) {
            window.seen.push(event.kind === 'event' ? `alert ${event.data.repeat}` : event.kind);
            console.log(window.seen.at(-1));
        }
    })(); 0
"""


class _Modules(http.server.SimpleHTTPRequestHandler):
    """The built modules, for a page of another origin."""

    def guess_type(self, _: object) -> str:
        return "text/javascript"

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Modules, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def test_a_page_follows_the_hub_over_a_cut_line(
    tmp_path, redis_server, chromium_binary, typescript_client_modules: Path
):
    async def alert(number: int) -> None:
        data = DATA[EventName.PATIENT_ALERT] | {"patient_id": PATIENT, "repeat": number}
        await hub.owner.publish(HOSPITAL, [ALERTS], data, event=EventName.PATIENT_ALERT)

    (tmp_path / "browser").mkdir()
    with served(typescript_client_modules) as modules:
        async with (
            running_hub(tmp_path, redis_server.url) as hub,
            line(hub.settings.port) as between,
            chromium.page(str(chromium_binary), tmp_path / "browser") as page,
        ):
            await page.open(f"{between.url}/health/live")
            await page.evaluate(FOLLOW % {"modules": modules, "token": hub.token("viewer"), "room": ALERTS})
            await page.wait_for("window.seen?.includes('subscribed')")
            await alert(1)
            await page.wait_for("window.seen.includes('alert 1')")
            between.cut()
            await page.wait_for("window.seen.includes('closed')")
            await alert(2)
            between.mend()
            await page.wait_for("window.seen.includes('alert 2')")
            seen = await page.evaluate("window.seen.filter((kind) => kind !== 'closed')")
    assert seen == ["subscribed", "alert 1", "reconnected", "recovered", "alert 2"]
