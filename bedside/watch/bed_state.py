"""What is known of one bed's values and devices, and what is wrong with them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from bedside.watch.ages import Freshness, freshness, spoken
from bedside.watch.answers import Device
from bedside.watch.messages import Sign
from bedside.watch.words import VITALS, device_word, listed, plain
from vitals.parameters import CONTINUOUS

LOW_BATTERY_PERCENT: Final = 20
OFFLINE: Final = "offline"
GATEWAY_OFFLINE: Final = "gateway_offline"
_NOT_THERE: Final = frozenset({OFFLINE, GATEWAY_OFFLINE, "fault"})


class KnownSign(msgspec.Struct, frozen=True, kw_only=True):
    """A sign, when it arrived here, and since when it has been missing for the same reasons."""

    sign: Sign
    arrived: datetime
    missing_since: datetime | None

    def age_seconds(self, now: datetime, hub_now: datetime) -> float:
        """By the clock of the measurement and by our own, whichever says more: a clock that runs ahead keeps nothing fresh."""
        return max(0.0, (hub_now - self.sign.measured).total_seconds(), (now - self.arrived).total_seconds())


class KnownDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device's last status; `reason` is that of its last disconnection. `told`: by a message of this connection."""

    device: Device
    reason: str | None = None
    told: bool = False


def newer(known: KnownSign | None, sign: Sign, now: datetime, *, in_order: bool) -> KnownSign:
    """Which of two statements about one vital stands.

    `in_order`: it came live and not late, so that nothing newer is known whatever its gateway's clock says (it may have been set
    back); anything else must have been measured later than what is known.
    """
    if known is not None and not in_order and known.sign.measured > sign.measured:
        return known
    missing_since = None
    if sign.is_missing:
        same = known is not None and known.missing_since is not None and known.sign.worth == sign.worth
        missing_since = known.missing_since if known is not None and same else sign.measured
    return KnownSign(sign=sign, arrived=now, missing_since=missing_since)


class Aged(msgspec.Struct, frozen=True, kw_only=True):
    """A known sign at one moment."""

    known: KnownSign
    age_seconds: float
    missing_seconds: float

    @property
    def freshness(self) -> Freshness:
        return freshness(self.known.sign.vital, self.age_seconds)

    @property
    def is_shown_missing(self) -> bool:
        """Whether what is shown is that it is missing; after a while only that nothing comes."""
        return self.known.sign.is_missing and self.freshness is not Freshness.GONE


def aged(known: KnownSign, now: datetime, hub_now: datetime) -> Aged:
    since = known.missing_since or hub_now
    return Aged(
        known=known,
        age_seconds=known.age_seconds(now, hub_now),
        missing_seconds=max(0.0, (hub_now - since).total_seconds()),
    )


def troubles(
    signs: Sequence[Aged], devices: Sequence[KnownDevice], hub_now: datetime, *, silence_explained: bool
) -> Iterator[str]:
    """What is wrong, a short sentence each. `silence_explained`: something else says already why nothing comes."""
    lost = {known.device.device_id for known in devices if known.device.status in _NOT_THERE}
    yield from _missing(signs)
    if not silence_explained:
        yield from _silent([sign for sign in signs if sign.known.sign.device_id not in lost])
    yield from _doubtful(signs)
    yield from _lost_together(devices, hub_now)
    for known in devices:
        yield from _of_device(known.device)


def _missing(signs: Sequence[Aged]) -> Iterator[str]:
    """Missing values, those with the same reasons together."""
    groups: dict[tuple[str, ...], list[Aged]] = {}
    for aged_sign in signs:
        if aged_sign.is_shown_missing:
            groups.setdefault(aged_sign.known.sign.worth.reasons, []).append(aged_sign)
    for reasons, group in groups.items():
        seconds = max(aged_sign.missing_seconds for aged_sign in group)
        yield f"no {_named(group)}: {listed(reasons) or 'no reason given'} {spoken(seconds)}"


def _silent(signs: Sequence[Aged]) -> Iterator[str]:
    silent = [
        aged_sign
        for aged_sign in signs
        if aged_sign.known.sign.vital in CONTINUOUS and aged_sign.freshness is not Freshness.FRESH
        if not aged_sign.is_shown_missing
    ]
    if silent:
        yield f"no {_named(silent)} for {spoken(min(aged_sign.age_seconds for aged_sign in silent))}"


def _doubtful(signs: Sequence[Aged]) -> Iterator[str]:
    for aged_sign in signs:
        sign = aged_sign.known.sign
        if not sign.is_missing and sign.worth.status != "valid" and aged_sign.freshness is not Freshness.GONE:
            yield f"{VITALS[sign.vital]} doubtful: {listed(sign.worth.reasons) or plain(sign.worth.status)}"


def _named(signs: Sequence[Aged]) -> str:
    return ", ".join(VITALS[aged_sign.known.sign.vital] for aged_sign in signs)


def _lost_together(devices: Sequence[KnownDevice], hub_now: datetime) -> Iterator[str]:
    """Devices that are not there, those with the same status and reason together."""
    groups: dict[str, list[str]] = {}
    for known in devices:
        device = known.device
        if device.status not in _NOT_THERE:
            continue
        said = plain(device.status)
        if device.status != GATEWAY_OFFLINE:  # that says all: what the device said last is of another time
            said += f" {spoken((hub_now - device.since).total_seconds())}" if device.since else ""
            said += f" ({plain(known.reason)})" if known.reason else ""
        groups.setdefault(said, []).append(device_word(device.device_type))
    for said, words in groups.items():
        yield f"{', '.join(words)}: {said}"


def _of_device(device: Device) -> Iterator[str]:
    word = device_word(device.device_type)
    if device.faults:
        yield f"{word}: {listed(device.faults)}"
    if device.battery is not None and device.battery <= LOW_BATTERY_PERCENT:
        yield f"{word} battery {device.battery} %"
