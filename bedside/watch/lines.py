"""What happens, as lines for where there is no terminal: one a message, with the time, the bed, and what was said."""

from datetime import datetime, tzinfo
from typing import Final

from bedside.watch.happenings import Happening, LinkLive, LinkLost, Missed, Received
from bedside.watch.messages import (
    Alert,
    DeviceLink,
    DeviceStatus,
    Event,
    Movement,
    Notice,
    Pong,
    Sign,
    Vitals,
    signs_of,
)
from bedside.watch.ward import Ward
from bedside.watch.words import NOTHING, VITALS, device_word, listed, number_with_unit, plain

_UPSTREAM: Final = {
    "ok": "the road behind the hub is well",
    "redis_lost": "the hub has lost Redis",
    "ingest_lost": "the hub takes in no readings",
}


class Lines:
    """Makes lines in order; remembers only what must not be said twice. `zone` is that in which times are written."""

    def __init__(self, ward: Ward) -> None:
        self._ward = ward
        self._replaying = False
        self._upstream = "ok"
        self._live: bool | None = None

    def of(self, happening: Happening, now: datetime, zone: tzinfo) -> list[str]:
        """The lines for one happening, after the ward has taken it; most have none or one."""
        match happening:
            case LinkLive():
                said = [] if self._live else ["the link to the hub is live"]
                self._live = True
            case LinkLost(problem=problem):
                said = [] if self._live is False else [f"THE LINK TO THE HUB IS LOST: {problem}"]
                self._live = False
            case Missed(what=what):
                said = [what]
            case Received(message=None):
                said = ["a message can't be read"]
            case Received(message=Event() as event):
                return [_line(event.at, zone, text) for text in self._of_event(event)]
            case Received(message=Pong(upstream=upstream)) if upstream != self._upstream:
                self._upstream = upstream
                said = [_UPSTREAM.get(upstream, plain(upstream))]
            case _:
                said = []
        return [_line(now, zone, text) for text in said]

    def _of_event(self, event: Event) -> list[str]:
        mark = "TEST " if event.test else ""
        match event.data:
            case Vitals() as vitals:
                said = ", ".join(_sign(sign) for sign in sorted(signs_of(vitals), key=_place))
                late = f" (late: measured {vitals.timestamp:%F %T} UTC)" if event.late else ""
                return [*self._replay(vitals), f"{self._bed(vitals.patient_id)}  {mark}{said}{late}"]
            case Alert() as alert:
                times = f" (×{alert.repeat})" if alert.repeat > 1 else ""
                return [f"{self._bed(alert.patient_id)}  {mark}ALERT {alert.severity}: {alert.message}{times}"]
            case Notice(severity=severity, message=message):
                return [f"{'all':7}  {mark}NOTICE {severity}: {message}"]
            case DeviceStatus() as said:
                faults = f": {listed(said.faults)}" if said.faults else ""
                return [f"{self._device(said)} {mark}{plain(said.status)}{self._why(said)}{faults}"]
            case DeviceLink(reason=reason) as said if event.late or event.test:  # else its status says it
                when = f" (late: at {event.at:%F %T} UTC)" if event.late else ""
                why = f" ({plain(reason)})" if reason else ""
                return [f"{self._device(said)} {mark}{event.event.rpartition('.')[2]}{why}{when}"]
            case Movement() as moved:
                return [f"bed {moved.bed:3}  {mark}{event.event.rpartition('.')[2]}"]
        return []

    def _replay(self, vitals: Vitals) -> list[str]:
        """Said once: that values are replayed, and how fast."""
        if vitals.replayed is None or self._replaying:
            return []
        self._replaying = True
        return [f"REPLAY at {vitals.replayed.speed:g}× speed: recorded, de-identified stays; nobody lies in these beds"]

    def _bed(self, patient_id: str | None) -> str:
        return f"bed {(self._ward.bed_of(patient_id) if patient_id else None) or '?':3}"

    def _device(self, device: DeviceStatus | DeviceLink) -> str:
        bed = self._ward.bed_of_device(device.device_type, device.device_id) or "?"
        return f"bed {bed:3}  {device_word(device.device_type)} {device.device_id}"

    def _why(self, device: DeviceStatus) -> str:
        reason = self._ward.why_of_device(device.device_type, device.device_id)
        return f" ({plain(reason)})" if reason and device.status != "online" else ""


def _place(sign: Sign) -> int:
    return [*VITALS].index(sign.vital)


def _line(at: datetime, zone: tzinfo, text: str) -> str:
    return f"{at.astimezone(zone):%H:%M:%S}  {text}"


def _sign(sign: Sign) -> str:
    if sign.is_missing:
        return f"{VITALS[sign.vital]} {NOTHING} ({listed(sign.worth.reasons) or 'missing'})"
    doubt = f" (doubtful: {listed(sign.worth.reasons)})" if sign.worth.status != "valid" else ""
    return f"{VITALS[sign.vital]} {number_with_unit(sign.vital, sign.number)}{doubt}"
