"""`bedside demo`: the embedded set-up, and what to do with it."""

import argparse
import json
import os
from typing import Final

from bedside.commands.up import add_arguments, run_embedded
from bedside.up.embedded import Running
from bedside.up.layout import default_state
from simulators.plan import GUIDE_PATIENT

_TEXT: Final = """
Bedside is running: {beds} beds of real, de-identified intensive-care stays, replayed {speed:g} times as fast.
Simulated devices, real Bluetooth LE and serial code. A secondary display: not a primary alarm.
{notes}
  hub       {hub}
  broker    {mqtt}
  state     {state}   (logs in {state}/log, what the devices made in {state}/ledger.jsonl)
  hospital  {hospital}
{patients}

Watch the ward, in a second terminal:
  {bedside} watch{where}

Stream one patient, as in the guide (a clinician's token, good for a day):
  TOKEN={token}
  curl -N -H "Authorization: Bearer $TOKEN" {hub}/realtime/events/patient/{patient}

Publish the guide's test event (that needs a tester's token):
  curl -X POST {hub}/realtime/test/publish -H "Content-Type: application/json" \\
    -H "Authorization: Bearer $({bedside} token --role tester{where})" \\
    -d '{{"event_type": "patient.vitals.update", "patient_id": "{patient}", "vitals": {{"heart_rate": 72}}}}'

Other clients:
  websocat "{live}/ws/patient/{patient}?token=$TOKEN"
  JavaScript  new WebSocket(`{live}/ws?token=${{token}}`)
  Python      websockets.connect(f"{live}/ws/patient/{patient}?token={{token}}")

How it is doing:
  {bedside} doctor{where}
  {bedside} agent status{where}

Ctrl-C stops everything.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON line when all is ready, and nothing else")
    parser.epilog = (
        "Runs until it is stopped. A --json consumer reads one line: ready, hub, token, hospital_id, patients, devices, mqtt,\n"
        "redis, state; where something did not become ready in time, ready is false and `missing` says what.\n\n"
        "What was recorded stays in the state folder; while it is stopped, `rm -r .bedside/demo` (in a checkout) begins the demo anew.\n\n"
        "examples:\n  bedside demo\n  bedside demo --json --port 6054 --state /tmp/demo"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    return run_embedded(arguments, simulators=True, tell=_tell_json if arguments.json else _tell)


def _tell_json(running: Running) -> None:
    print(json.dumps(ready_line(running)), flush=True)


def ready_line(running: Running) -> dict[str, object]:
    """What `--json` prints: where everything is, and a clinician's token."""
    line: dict[str, object] = {
        "ready": not running.missing,
        "hub": running.hub,
        "token": running.token,
        "hospital_id": running.plan.hospital_id,
        "patients": [{"patient_id": bed.patient_id, "bed": bed.bed} for bed in running.plan.beds],
        "devices": [
            {
                "device_type": device.device_type.value,
                "device_id": device.device_id,
                "patient_id": running.patient_of(device),
                "transport": device.transport,
            }
            for device in running.devices
        ],
        "mqtt": running.mqtt,
        "redis": running.redis,
        "state": str(running.layout.state),
    }
    if running.missing:
        line["missing"] = list(running.missing)
    return line


def _tell(running: Running) -> None:
    problems = [*running.notes, *(f"NOT READY: {problem}" for problem in running.missing)]
    where = "" if running.layout.state == default_state().absolute() else f" --state {running.layout.state}"
    text = _TEXT.format(
        beds=len(running.plan.beds),
        speed=running.plan.speed,
        notes="".join(f"\n{problem}" for problem in problems) + ("\n" if problems else ""),
        hub=running.hub,
        live=f"{running.hub.replace('http', 'ws', 1)}/realtime",
        mqtt=running.mqtt,
        state=running.layout.state,
        hospital=running.plan.hospital_id,
        patients="\n".join(f"  bed {bed.bed}   patient {bed.patient_id}" for bed in running.plan.beds),
        bedside="./dev bedside" if "BEDSIDE_TOOLS" in os.environ else "bedside",
        where=where,
        token=running.token,
        patient=GUIDE_PATIENT,
    )
    print(text, flush=True)
