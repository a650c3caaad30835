"""Prints a patient's latest vitals, what came before and who watches them. Usage: ask.py HUB TOKEN PATIENT"""

import asyncio
import sys

from bedside.client import Client, RoomRequest, Subscribed


async def ask(hub: str, token: str, patient: str) -> None:
    room = f"patient:{patient}:vitals"
    request = RoomRequest(room=room, snapshot=True, max_rate=0.5, presence=True)
    async with Client(hub, token=token, rooms=[request]) as client:
        async for event in client:
            if isinstance(event, Subscribed):
                print("now:", event.snapshot["state"])
                print("before:", (await client.history(room, limit=100))["messages"])
                print("who:", (await client.presence(room))["users"])
                return


asyncio.run(ask(*sys.argv[1:]))
