"""The alerts that a screen has heard of: one entry an episode, the newest kept."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from bedside.watch.messages import Alert, Event, Notice, Sign
from bedside.watch.picture import AlertPicture
from vitals.parameters import PARAMETERS, Parameter, Vital

KEPT_EPISODES: Final = 200
"""When there are more, the oldest are forgotten; the record has them all."""
SHOWN_SECONDS: Final = 60 * 60
RECENT_SECONDS: Final = 5 * 60
RANKS: Final[Mapping[str, int]] = MappingProxyType({"critical": 0, "warning": 1, "info": 2})
_VITALS: Final = {facts.member or facts.vital.value: facts.vital for facts in PARAMETERS.values()} | {
    Parameter.CUFF_PULSE_RATE.value: Vital.PULSE_RATE
}


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    said: Alert | Notice
    at: datetime
    test: bool

    @property
    def patient_id(self) -> str | None:
        return self.said.patient_id if isinstance(self.said, Alert) else None


class Alerts:
    """What `patient.alert`, `device.alert` and the notices of hospital and system have said, by episode."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def take(self, event: Event) -> None:
        """Keep an alert or a notice; one that is older than what is known of its episode changes nothing."""
        if not isinstance(event.data, Alert | Notice):
            return
        alert = event.data if isinstance(event.data, Alert) else None
        key = alert.episode_id if alert else event.event_id
        entry = _Entry(said=event.data, at=alert.timestamp if alert else event.at, test=event.test)
        known = self._entries.pop(key, None)
        self._entries[key] = known if known is not None and known.at > entry.at else entry
        while len(self._entries) > KEPT_EPISODES:
            del self._entries[min(self._entries, key=lambda held: self._entries[held].at)]

    def severity_of(self, sign: Sign) -> str | None:
        """The severity of the alert that was raised on exactly this measurement."""
        found = [
            entry.said.severity
            for entry in self._entries.values()
            if entry.patient_id == sign.patient_id and entry.at == sign.measured and not entry.test
            if _is_about(entry.said, sign.vital)
        ]
        return min(found, key=rank, default=None)

    def pictures(self, now: datetime, bed_of: Callable[[str], str | None]) -> tuple[AlertPicture, ...]:
        """Those of the last hour: recent ones first, of these the most severe first, then the newest."""
        drawn = [_picture(entry, now, bed_of) for entry in self._entries.values()]
        shown = [alert for alert in drawn if alert.age_seconds <= SHOWN_SECONDS]
        return tuple(
            sorted(shown, key=lambda alert: (not alert.recent, rank(alert.severity), alert.age_seconds, alert.message))
        )


def rank(severity: str) -> int:
    """Its place from the most severe on; a severity that isn't known comes first, so that it isn't overlooked."""
    return RANKS.get(severity, -1)


def _is_about(said: Alert | Notice, vital: Vital) -> bool:
    """Whether an alert's data names `vital`; one that names none is about all that was measured then."""
    named = {_VITALS[name] for name in said.data if name in _VITALS} if isinstance(said, Alert) else set()
    return not named or vital in named


def _picture(entry: _Entry, now: datetime, bed_of: Callable[[str], str | None]) -> AlertPicture:
    said, patient_id = entry.said, entry.patient_id
    age = max(0.0, (now - entry.at).total_seconds())
    return AlertPicture(
        bed=bed_of(patient_id) if patient_id else None,
        patient_id=patient_id,
        severity=said.severity,
        kind=said.kind if isinstance(said, Alert) else "notice",
        message=said.message,
        repeat=said.repeat if isinstance(said, Alert) else 1,
        at=entry.at,
        age_seconds=age,
        recent=age <= RECENT_SECONDS,
        test=entry.test,
    )
