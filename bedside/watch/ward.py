"""The state behind a screen: what happens goes in, a picture comes out. Pure; both clocks by argument.

Ages are by the hub's clock, which its pongs tell, so that a terminal whose own clock is wrong shows no wrong ages. Test values never
stand in for real ones: test events are told in words only.
"""

import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from bedside.watch.ages import STALE_CONTINUOUS_SECONDS, spoken
from bedside.watch.alerts import Alerts
from bedside.watch.answers import Bed, Device, View
from bedside.watch.bed_state import OFFLINE, Aged, KnownDevice, KnownSign, aged, newer, troubles
from bedside.watch.happenings import (
    BedsRead,
    Happening,
    HistoryRead,
    LinkLive,
    LinkLost,
    Missed,
    ReadingsRead,
    Received,
)
from bedside.watch.messages import Alert, DeviceLink, DeviceStatus, Event, Notice, Pong, Sign, Vitals, signs_of
from bedside.watch.picture import (
    BedPicture,
    DevicePicture,
    LinkPicture,
    LinkState,
    Picture,
    ReplayPicture,
    ValuePicture,
)
from bedside.watch.words import VITALS, number_text
from vitals.parameters import CONTINUOUS, PARAMETERS, Vital

NOTICE_SECONDS: Final = 5 * 60
KEPT_NOTICES: Final = 3
LEAST_EXPECTED: Final = 2
"""Beds with continuous values of linked devices from which on their common silence is told once, not bed by bed."""
_UNITS: Final = {facts.vital: facts.unit.value for facts in PARAMETERS.values()}
_UPSTREAM: Final = {
    "redis_lost": "THE HUB HAS LOST REDIS for {}: nothing new can arrive",
    "ingest_lost": "THE HUB TAKES IN NO READINGS for {}: broker or database is lost",
}


class Ward:
    """All that one screen knows. `take` what happens, in order; ask for the `picture` at any time."""

    def __init__(self, now: datetime) -> None:
        self._view: View | None = None
        self._link = LinkState.CONNECTING
        self._link_since = now
        self._problem: str | None = None
        self._upstream = "unknown"
        self._upstream_since = now
        self._hub_ahead = timedelta()
        self._signs: dict[tuple[str, Vital], KnownSign] = {}
        self._devices: dict[tuple[str, str], KnownDevice] = {}
        self._alerts = Alerts()
        self._notices: deque[tuple[datetime, str]] = deque(maxlen=KEPT_NOTICES)
        self._unreadable = 0

    def take(self, happening: Happening, now: datetime) -> None:
        """Let one thing happen. `now` is our own clock."""
        match happening:
            case LinkLive() | LinkLost():
                self._link_changed(happening, now)
            case BedsRead(view=view):
                self._beds_read(view)
            case ReadingsRead(signs=signs):
                for sign in signs:
                    self._keep(sign, now, in_order=False)
            case HistoryRead(events=events):
                for event in events:
                    self._alerts.take(event)
            case Missed(what=what):
                self._notices.append((now, what))
            case Received(message=None):
                self._unreadable += 1
            case Received(message=Event() as event):
                self._told(event, now)
            case Received(message=Pong() as pong):
                self._ponged(pong, now)
            case _:
                pass

    # Asking

    @property
    def zone(self) -> str:
        """The hospital's IANA time zone; UTC until it is known."""
        return self._view.zone if self._view else "UTC"

    def bed_of(self, patient_id: str) -> str | None:
        """A patient's bed as a screen calls it: with its ward, where there are several."""
        found = next((bed for bed in self._beds() if bed.patient_id == patient_id), None)
        return None if found is None else self.label(found.ward_id, found.bed)

    def bed_of_device(self, device_type: str, device_id: str) -> str | None:
        key = device_type, device_id
        found = next((bed for bed in self._beds() if key in [device.key for device in bed.devices]), None)
        return None if found is None else self.label(found.ward_id, found.bed)

    def why_of_device(self, device_type: str, device_id: str) -> str | None:
        """The reason of a device's last disconnection, where it has not connected again."""
        known = self._devices.get((device_type, device_id))
        return None if known is None else known.reason

    def label(self, ward_id: str, bed: str) -> str:
        several = len({held.ward_id for held in self._beds()}) > 1
        return f"{ward_id}/{bed}" if several else bed

    def picture(self, now: datetime) -> Picture:
        """Everything as it is at `now`, our own clock."""
        hub_now = now + self._hub_ahead
        signs = {key: aged(known, now, hub_now) for key, known in self._signs.items()}
        silence = self._silence(signs)
        explained = silence is not None or self._link is not LinkState.LIVE or self._upstream in _UPSTREAM
        return Picture(
            at=hub_now,
            zone=self.zone,
            hospital=self._view.name if self._view else "",
            link=LinkPicture(
                state=self._link,
                seconds=(now - self._link_since).total_seconds(),
                problem=self._problem,
                upstream=self._upstream,
            ),
            warnings=(*self._warnings(now), *([silence] if silence else [])),
            silent=silence is not None,
            beds=tuple(self._bed(bed, signs, hub_now, silence_explained=explained) for bed in self._beds()),
            alerts=self._alerts.pictures(hub_now, self.bed_of),
            unreadable_messages=self._unreadable,
        )

    # Taking

    def _link_changed(self, change: LinkLive | LinkLost, now: datetime) -> None:
        state = LinkState.LIVE if isinstance(change, LinkLive) else LinkState.LOST
        if state is not self._link:
            self._link, self._link_since = state, now
            self._devices = {key: msgspec.structs.replace(known, told=False) for key, known in self._devices.items()}
            if isinstance(change, LinkLost):
                self._upstream, self._upstream_since = "unknown", now
                self._link_since -= timedelta(seconds=change.silent_seconds)
        self._problem = change.problem if isinstance(change, LinkLost) else None

    def _beds_read(self, view: View) -> None:
        """Take beds and devices as they are read; what a message of this connection has said of a device stands."""
        self._view = view
        held = {device.key: device for bed in view.beds for device in bed.devices}
        self._devices = {key: self._read(device) for key, device in held.items()}
        self._signs = {key: known for key, known in self._signs.items() if key[0] in view.patients}

    def _read(self, device: Device) -> KnownDevice:
        known = self._devices.get(device.key)
        if known is not None and known.told:
            return known
        same = known is not None and known.device.status == device.status
        return KnownDevice(device=device, reason=known.reason if known and same else None)

    def _told(self, event: Event, now: datetime) -> None:
        match event.data:
            case Vitals() as vitals if event.test:
                self._notices.append((now, self._in_words(vitals)))
            case Vitals() as vitals:
                for sign in signs_of(vitals):
                    self._keep(sign, now, in_order=not event.late)
            case Alert() | Notice():
                self._alerts.take(event)
            case DeviceStatus() | DeviceLink() if not event.test and not event.late:
                self._device_told(event.data, event.at)
            case _:
                pass

    def _keep(self, sign: Sign, now: datetime, *, in_order: bool) -> None:
        key = sign.patient_id, sign.vital
        if self._view is None or sign.patient_id in self._view.patients:
            self._signs[key] = newer(self._signs.get(key), sign, now, in_order=in_order)

    def _device_told(self, said: DeviceStatus | DeviceLink, at: datetime) -> None:
        known = self._devices.get((said.device_type, said.device_id))
        if known is None:
            return
        if isinstance(said, DeviceLink):
            changed = msgspec.structs.replace(known, reason=said.reason)
        else:
            same = known.device.status == said.status
            device = Device(
                device_type=said.device_type,
                device_id=said.device_id,
                status=said.status,
                battery=said.battery,
                faults=said.faults,
                since=known.device.since if same else at,
            )
            changed = msgspec.structs.replace(known, device=device, told=True)
        self._devices[known.device.key] = changed

    def _ponged(self, pong: Pong, now: datetime) -> None:
        self._hub_ahead = pong.time - now
        if pong.upstream != self._upstream:
            self._upstream, self._upstream_since = pong.upstream, now

    def _in_words(self, vitals: Vitals) -> str:
        said = ", ".join(f"{VITALS[sign.vital]} {number_text(sign.number)}" for sign in signs_of(vitals))
        return f"TEST values for bed {self.bed_of(vitals.patient_id) or 'unknown'}, not measured: {said}"

    # Picturing

    def _beds(self) -> list[Bed]:
        beds = self._view.beds if self._view else ()
        return sorted(beds, key=lambda bed: (bed.ward_id, _natural(bed.bed)))

    def _warnings(self, now: datetime) -> Iterator[str]:
        seconds = (now - self._link_since).total_seconds()
        if self._link is LinkState.LOST:
            yield f"LINK TO THE HUB LOST for {spoken(seconds)}, nothing here is new: {self._problem}"
        elif self._link is LinkState.CONNECTING:
            yield f"connecting to the hub for {spoken(seconds)}"
        if (lost := _UPSTREAM.get(self._upstream)) is not None:
            yield lost.format(spoken((now - self._upstream_since).total_seconds()))
        for at, what in self._notices:
            if (now - at).total_seconds() <= NOTICE_SECONDS:
                yield what

    def _silence(self, signs: dict[tuple[str, Vital], Aged]) -> str | None:
        """Where link and hub are well and yet no device says anything, something between them is lost."""
        if self._link is not LinkState.LIVE or self._upstream in _UPSTREAM:
            return None
        linked = {known.device.device_id for known in self._devices.values() if known.device.status != OFFLINE}
        expected = {
            patient_id
            for (patient_id, vital), sign in signs.items()
            if vital in CONTINUOUS and sign.known.sign.device_id in linked
        }
        seconds = min((sign.age_seconds for sign in signs.values()), default=0.0)
        if len(expected) < LEAST_EXPECTED or seconds <= STALE_CONTINUOUS_SECONDS:
            return None
        return f"NO READINGS FROM ANY BED for {spoken(seconds)}: gateway, broker or network may be lost"

    def _bed(
        self, bed: Bed, signs: dict[tuple[str, Vital], Aged], hub_now: datetime, *, silence_explained: bool
    ) -> BedPicture:
        here = {vital: sign for vital in VITALS if (sign := signs.get((bed.patient_id or "", vital))) is not None}
        devices = [self._devices[device.key] for device in bed.devices if device.key in self._devices]
        return BedPicture(
            label=self.label(bed.ward_id, bed.bed),
            ward_id=bed.ward_id,
            bed=bed.bed,
            patient_id=bed.patient_id,
            values={vital: self._value(sign) for vital, sign in here.items()},
            devices=tuple(_device(known) for known in devices),
            troubles=tuple(troubles([*here.values()], devices, hub_now, silence_explained=silence_explained)),
            replayed=_replayed([*here.values()]),
        )

    def _value(self, aged_sign: Aged) -> ValuePicture:
        sign = aged_sign.known.sign
        return ValuePicture(
            number=sign.number,
            unit=_UNITS[sign.vital],
            worth=sign.worth,
            measured=sign.measured,
            age_seconds=aged_sign.age_seconds,
            freshness=aged_sign.freshness,
            device_id=sign.device_id,
            alert=self._alerts.severity_of(sign),
        )


def _device(known: KnownDevice) -> DevicePicture:
    device = known.device
    return DevicePicture(
        device_type=device.device_type, device_id=device.device_id, status=device.status, battery=device.battery
    )


def _replayed(signs: list[Aged]) -> ReplayPicture | None:
    """The furthest place in a recording that a value of this bed comes from."""
    places = [sign.known.sign.replayed for sign in signs if sign.known.sign.replayed is not None]
    if not places:
        return None
    furthest = max(places, key=lambda place: place.position_seconds)
    return ReplayPicture(recording=furthest.recording, position_seconds=furthest.position_seconds, speed=furthest.speed)


def _natural(text: str) -> list[tuple[int, str]]:
    """So that bed 2 comes before bed 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", text)]
