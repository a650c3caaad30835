"""Notices that bluetoothd has died, which bleak does not: watches who owns its name on the system bus."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 5.0
_NAME: Final = "org.bluez"
_RULE: Final = f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{_NAME}'"


async def watch_bluez(died: Callable[[], None]) -> None:
    """Call `died` each time that the name loses its owner, or the bus itself goes, until cancelled."""
    while True:
        try:
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        except (OSError, EOFError, ValueError) as error:
            log.debug("no system bus: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
            continue
        try:
            bus.add_message_handler(lambda message: _look(message, died))
            await bus.call(
                Message(
                    destination="org.freedesktop.DBus",
                    path="/org/freedesktop/DBus",
                    interface="org.freedesktop.DBus",
                    member="AddMatch",
                    signature="s",
                    body=[_RULE],
                )
            )
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except (OSError, EOFError) as error:
            log.debug("the system bus has gone: %s", error)
        finally:
            bus.disconnect()
        died()


def _look(message: Message, died: Callable[[], None]) -> None:
    changed = message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged"
    if changed and message.body[0] == _NAME and not message.body[2]:
        died()
