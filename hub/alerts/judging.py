"""Judging a reading by the rules. Pure: the reading and the open episodes in, alerts and changed episodes out."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from hub.alerts.rules import Rule
from vitals.events import PatientAlert
from vitals.identifiers import PatientId
from vitals.readings import Reading


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of one kind for one patient that belong together: from the first breach until a reading is within its limits again."""

    episode_id: str
    patient_id: PatientId
    alert_type: str
    repeats: int
    started: datetime
    latest: datetime
    ended: datetime | None = None


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule makes of one reading."""

    episode: Episode
    alert: PatientAlert | None


class Judge:
    """The rules, and the episodes that are open in one hospital: the owner's alert state (delivery rules 11 and 12).

    Its state is ahead of the record while a transaction is open; when that fails, a new Judge is made from the record.
    """

    def __init__(self, rules: Iterable[Rule], open_episodes: Iterable[Episode], new_id: Callable[[], str]) -> None:
        self._rules = tuple(rules)
        self._open = {(episode.patient_id, episode.alert_type): episode for episode in open_episodes}
        self._new_id = new_id

    def judge(self, reading: Reading, patient_id: PatientId) -> list[Judgement]:
        """Alerts that the reading raises and episodes that it begins, goes on with or ends."""
        found = [self._judge(rule, reading, patient_id) for rule in self._rules]
        judgements = [judgement for judgement in found if judgement is not None]
        for judgement in judgements:
            self._keep(judgement.episode)
        return judgements

    def _keep(self, episode: Episode) -> None:
        key = episode.patient_id, episode.alert_type
        if episode.ended is None:
            self._open[key] = episode
        else:
            self._open.pop(key, None)

    def _judge(self, rule: Rule, reading: Reading, patient_id: PatientId) -> Judgement | None:
        numbers = {value.parameter: value.number for value in reading.values}
        judged = [condition for condition in rule.any if numbers.get(condition.parameter) is not None]
        if not judged:
            return None  # a missing value neither raises nor clears
        episode = self._open.get((patient_id, rule.alert_type))
        if not any(condition.holds(numbers[condition.parameter]) for condition in judged):
            if episode is None or len(judged) < len(rule.any):
                return None
            return Judgement(episode=msgspec.structs.replace(episode, ended=reading.measured), alert=None)
        episode = self._next(episode, rule, reading, patient_id)
        return Judgement(episode=episode, alert=_alert(rule, reading, episode))

    def _next(self, episode: Episode | None, rule: Rule, reading: Reading, patient_id: PatientId) -> Episode:
        if episode is not None:
            return msgspec.structs.replace(episode, repeats=episode.repeats + 1, latest=reading.measured)
        return Episode(
            episode_id=self._new_id(),
            patient_id=patient_id,
            alert_type=rule.alert_type,
            repeats=1,
            started=reading.measured,
            latest=reading.measured,
        )


def _alert(rule: Rule, reading: Reading, episode: Episode) -> PatientAlert:
    numbers = {value.parameter: value.number for value in reading.values}
    words = {parameter.value: "-" if number is None else str(number) for parameter, number in numbers.items()}
    return PatientAlert(
        patient_id=episode.patient_id,
        alert_type=rule.alert_type,
        severity=rule.severity,
        message=rule.message.format_map(_Dashes(words)),
        data={parameter.value: numbers.get(parameter) for parameter in rule.data}
        | {"device_id": reading.device.device_id},
        episode_id=episode.episode_id,
        kind="physiological",
        repeat=episode.repeats,
        timestamp=reading.measured,
    )


class _Dashes(dict[str, str]):
    """Values that a reading does not have are dashes in its message."""

    def __missing__(self, key: str) -> str:
        return "-"
