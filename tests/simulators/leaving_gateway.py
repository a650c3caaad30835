"""Subscribes to a cuff, prints a line when that holds, and waits to be killed: `python -m … ADDRESS`."""

import asyncio
import sys
from datetime import UTC, datetime

from device_drivers import uuids
from device_drivers.sessions import SubscribeTo
from device_drivers.transports.ble import Bluetooth


async def subscribe(address: str) -> None:
    async with Bluetooth() as bluetooth:
        await bluetooth.wait_for(address)
        link = await bluetooth.connect(address, clock=lambda: datetime.now(UTC))
        await link.perform(SubscribeTo(characteristic=uuids.BLOOD_PRESSURE_MEASUREMENT))
        print("subscribed", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(subscribe(sys.argv[1]))
