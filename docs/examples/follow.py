"""Prints heart rates and alerts of one patient. Usage: follow.py HUB TOKEN PATIENT"""

import asyncio
import sys

from bedside.client import Client, Closed, Event, Gap


async def follow(hub: str, token: str, patient: str) -> None:
    rooms = [f"patient:{patient}:vitals", f"patient:{patient}:alerts"]
    async with Client(hub, token=token, rooms=rooms) as client:
        async for event in client:
            match event:
                case Event(event="patient.vitals.update", late=False, data=vitals):
                    print("heart rate", vitals.heart_rate, flush=True)
                case Event(event="patient.alert", data=alert):
                    print("ALERT", alert.message, flush=True)
                case Gap(room=room):
                    print("messages are missing in", room, flush=True)
                case Closed(reason=reason):
                    print("the link is lost:", reason, flush=True)


asyncio.run(follow(*sys.argv[1:]))
