"""Prints heart rates and alerts of one patient. Usage: follow.py HUB TOKEN PATIENT"""

import asyncio
import sys

from msgspec import UNSET

from bedside.client import Client, Closed, Denied, Event, Gap
from vitals.events import PatientAlert, PatientVitals


async def follow(hub: str, token: str, patient: str) -> None:
    rooms = [f"patient:{patient}:vitals", f"patient:{patient}:alerts"]
    async with Client(hub, token=token, rooms=rooms) as client:
        async for event in client:
            match event:
                case Event(late=False, test=False, data=PatientVitals(heart_rate=rate)) if rate is not UNSET:
                    print("heart rate", "missing" if rate is None else rate, flush=True)
                case Event(test=False, data=PatientAlert(message=message)):
                    print("ALERT", message, flush=True)
                case Denied(room=room, reason=reason):
                    print("not for this token:", room, reason, flush=True)
                case Gap(room=room):
                    print("messages are missing in", room, flush=True)
                case Closed(reason=reason):
                    print("the link is lost:", reason, flush=True)


asyncio.run(follow(*sys.argv[1:]))
