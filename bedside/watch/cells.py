"""The lines of one bed: values in columns, each with its age, then its devices, then what is wrong."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.text import Text

from bedside.watch.ages import Freshness, short
from bedside.watch.messages import Number, Pressure
from bedside.watch.picture import BedPicture, DevicePicture, LinkState, Picture, ValuePicture
from bedside.watch.words import NOTHING, VITALS, device_word, number_text, number_with_unit
from vitals.identifiers import DeviceType
from vitals.parameters import Vital

WIDE_COLUMNS: Final = 120
"""From this width on devices are named in full."""
AIRY_LINES: Final = 4
"""Lines a bed from which on it is shown with further vitals, its place in a recording, and a blank line."""
_AGE: Final = 4
_GAP: Final = "  "
_MARKS: Final = {
    "online": ("●", "green"),
    "idle": ("○", "dim"),
    "offline": ("✕", "bold red"),
    "fault": ("✕", "bold red"),
}
_UNKNOWN_MARK: Final = ("·", "dim")
_SHORT_DEVICES: Final[Mapping[str, str]] = {
    DeviceType.PULSE_OXIMETER: "ox",
    DeviceType.BLOOD_PRESSURE_MONITOR: "bp",
    DeviceType.THERMOMETER: "th",
    DeviceType.HEART_RATE_MONITOR: "hr",
    DeviceType.WEIGHT_SCALE: "wt",
    DeviceType.GLUCOSE_METER: "gl",
}
_DEVICE_ORDER: Final = tuple(_SHORT_DEVICES)
_ALERTS: Final = {"critical": "bold white on red", "warning": "bold black on yellow"}
_TROUBLE: Final = "bold yellow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`width` is that of the value alone; a mark stands before it, its age after it."""

    title: str
    vital: Vital
    width: int


_COLUMNS: Final = (
    Column(title="SpO2 %", vital=Vital.SPO2, width=4),
    Column(title="HR /min", vital=Vital.HEART_RATE, width=4),
    Column(title="BP mmHg", vital=Vital.BLOOD_PRESSURE, width=8),
    Column(title="Temp °C", vital=Vital.TEMPERATURE, width=5),
)
_FURTHER: Final = tuple(vital for vital in Vital if vital not in {column.vital for column in _COLUMNS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How wide what is. `live`: values can come; else all are greyed. `airy`: there is room for further vitals on a line of their own and a blank line after each bed."""

    width: int
    bed_width: int
    airy: bool
    live: bool

    @classmethod
    def of(cls, picture: Picture, width: int, room: int) -> "Layout":
        """For `room` lines of beds: it depends on how many there are, not on what is wrong with them, so that lines stay in place."""
        bed_width = max([3, *(len(bed.label) for bed in picture.beds)])
        return cls(
            width=width,
            bed_width=bed_width,
            airy=room >= AIRY_LINES * len(picture.beds),
            live=picture.link.state is LinkState.LIVE and not picture.link.broken_behind,
        )

    @property
    def wide(self) -> bool:
        return self.width >= WIDE_COLUMNS

    @property
    def indent(self) -> str:
        return " " * (1 + self.bed_width + len(_GAP))


def heading(layout: Layout) -> Text:
    line = Text(f" {'Bed':<{layout.bed_width}}", style="bold underline")
    for column in _COLUMNS:
        line.append(f"{_GAP} {column.title:<{column.width + 1 + _AGE}}")
    line.append(f"{_GAP}Devices")
    return line


def bed_lines(bed: BedPicture, layout: Layout) -> list[Text]:
    """One line, and where something is wrong further ones that say what."""
    line = Text.assemble((f" {bed.label:<{layout.bed_width}}", "bold"))
    if bed.patient_id is None:
        line.append(f"{_GAP}empty", style="dim")
        return [line, Text()] if layout.airy else [line]
    for column in _COLUMNS:
        line.append(_GAP)
        line.append_text(_cell(bed.values.get(column.vital), column, live=layout.live))
    line.append(_GAP)
    line.append_text(_devices(bed.devices, layout))
    if layout.airy:
        return [line, *_troubles(bed, layout), _further(bed, layout), Text()]
    return [line, *_troubles(bed, layout)]


def _cell(value: ValuePicture | None, column: Column, *, live: bool) -> Text:
    if value is None:
        return Text.assemble((f"{NOTHING:>{1 + column.width}}", "dim"), " " * (1 + _AGE))
    mark, style = _mark_and_style(value)
    text = NOTHING if value.freshness is Freshness.GONE else value_text(column.vital, value.number)
    return Text.assemble(
        " " * max(0, column.width - len(text)),
        (f"{mark}{text}", style if live else "dim"),
        (f" {short(value.age_seconds):<{_AGE}}", "dim" if live and value.freshness is Freshness.FRESH else "yellow"),
    )


def _mark_and_style(value: ValuePicture) -> tuple[str, str]:
    """The mark before a value stands where its age leaves it; what is old or missing has no style that calls."""
    if value.freshness is not Freshness.FRESH:
        return " ", "dim"
    if value.alert is not None:
        return "!", _ALERTS.get(value.alert, "bold")
    if value.worth.status == "questionable":
        return "?", "bold"
    return " ", "bold"


def value_text(vital: Vital, number: Number | Pressure) -> str:
    """A temperature always with a decimal, so that points stand below each other."""
    if vital is Vital.TEMPERATURE and isinstance(number, Decimal) and number == round(number, 1):
        return f"{number:.1f}"
    return number_text(number)


def _devices(devices: Sequence[DevicePicture], layout: Layout) -> Text:
    if not devices:
        return Text("none", style="dim")
    marked = Text()
    for device in sorted(devices, key=_place):
        mark, style = _MARKS.get(device.status, _UNKNOWN_MARK)
        style = style if layout.live else "dim"  # what is said of it is of before
        word = device_word(device.device_type) if layout.wide else _SHORT_DEVICES.get(device.device_type, "?")
        marked.append(f"{mark} " if layout.wide else mark, style=style)
        marked.append(f"{word}{_GAP if layout.wide else ' '}", style="" if style != "dim" else "dim")
    return marked


def _place(device: DevicePicture) -> tuple[int, str]:
    known = device.device_type in _DEVICE_ORDER
    return (_DEVICE_ORDER.index(device.device_type) if known else len(_DEVICE_ORDER)), device.device_id


def _further(bed: BedPicture, layout: Layout) -> Text:
    """Vitals without a column, a mean pressure, and where in its recording the bed is."""
    parts = []
    pressure = bed.values.get(Vital.BLOOD_PRESSURE)
    if pressure is not None and isinstance(pressure.number, Pressure) and pressure.freshness is Freshness.FRESH:
        mean = pressure.number.mean
        parts += [f"mean {number_text(mean)}"] if mean is not None else []
    for vital in _FURTHER:
        value = bed.values.get(vital)
        if value is not None and value.freshness is Freshness.FRESH:
            parts.append(f"{VITALS[vital]} {number_with_unit(vital, value.number)} {short(value.age_seconds)}")
    if bed.replayed is not None:
        parts.append(f"stay {bed.replayed.recording} at {bed.replayed.position_seconds / 3600:.1f} h")
    return Text(layout.indent + " · ".join(parts), style="dim")


def _troubles(bed: BedPicture, layout: Layout) -> list[Text]:
    lines = textwrap.wrap("; ".join(bed.troubles), max(20, layout.width - len(layout.indent) - 1))
    return [Text.assemble(layout.indent, (line, _TROUBLE)) for line in lines]
