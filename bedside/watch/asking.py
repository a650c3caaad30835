"""What a screen asks a hub over REST: beds, last readings, what alerts there were."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from bedside.hub_client import HubUnreachable, get
from bedside.watch.answers import Device, History, Hospital, RecordedReading, View
from bedside.watch.errors import HubLost, HubRefused, NotThere
from bedside.watch.messages import Sign

T = TypeVar("T")

HISTORY_MESSAGES: Final = 200
READINGS_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to watch. `token` is asked for at each connection, so that a renewed one is used. `hospital` None: the token's only one."""

    url: str
    token: Callable[[], str]
    hospital: str | None = None
    ward: str | None = None
    patient: str | None = None


class Asking:
    """Questions about one target, by the newest token. Every one raises HubLost, HubRefused or NotThere."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.token = ""

    async def view(self) -> View:
        target = self._target
        hospital = target.hospital or await self._only_hospital()
        narrowed = {name: value for name, value in (("ward", target.ward), ("patient", target.patient)) if value}
        return await self._ask(f"/hospitals/{quote(hospital, safe='')}/beds", View, **narrowed)

    async def history(self, room: str) -> History:
        """A room's newest messages, and the position after them."""
        return await self._ask(f"/realtime/history/{quote(room)}", History, limit=HISTORY_MESSAGES)

    async def last_readings(self, view: View) -> tuple[Sign, ...]:
        """What each device at a bed said last."""
        limit = asyncio.Semaphore(READINGS_AT_ONCE)

        async def last(device: Device) -> tuple[Sign, ...]:
            async with limit:
                path = f"/devices/{quote(device.device_type)}/{quote(device.device_id)}/data"
                readings = await self._ask(path, tuple[RecordedReading, ...], limit=1)
            return tuple(sign for reading in readings for sign in reading.signs(device))

        found = await asyncio.gather(*[last(device) for bed in view.beds for device in bed.devices])
        return tuple(sign for signs in found for sign in signs)

    async def _only_hospital(self) -> str:
        found = await self._ask("/hospitals", tuple[Hospital, ...])
        if not found:
            raise HubRefused("the token covers no hospital of this hub")
        if len(found) > 1:
            names = ", ".join(hospital.hospital_id for hospital in found)
            raise NotThere(f"the token covers several hospitals; choose one with --hospital: {names}")
        return found[0].hospital_id

    async def _ask(self, path: str, kind: type[T], **query: object) -> T:
        """The `data` of an answer."""
        url = f"{self._target.url.rstrip('/')}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            answer = await asyncio.to_thread(get, url, token=self.token)
        except HubUnreachable as error:
            raise HubLost(str(error).replace(url, self._target.url)) from error
        if answer.status != 200:
            raise _refused(answer.status, answer.content)
        try:
            return msgspec.convert(answer.content["data"], kind)
        except (msgspec.ValidationError, KeyError, TypeError, ArithmeticError) as error:
            raise HubLost(f"{path}: the answer is none of a Bedside hub") from error


def _refused(status: int, content: Any) -> HubLost | HubRefused | NotThere:  # noqa: ANN401 - any JSON
    """The error that a status other than 200 is; the words are those of the hub's problem document."""
    detail = content.get("detail") if isinstance(content, dict) else None
    said = detail if isinstance(detail, str) else f"answer {status}"
    if status in (401, 403):
        return HubRefused(said)
    return NotThere(said) if status in (404, 422) else HubLost(said)
