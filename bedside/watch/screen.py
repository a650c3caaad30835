"""A picture drawn for a terminal: what must be known first on top, then the beds, then the alerts. Pure.

Colour is never the only sign: an alert has a mark, a doubtful value a question mark, an old one its age. All text is inserted as text.
Where beds don't fit, those that need attention are shown first, and how many are not is said.
"""

import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Group
from rich.text import Text

from bedside.watch.ages import short
from bedside.watch.cells import Layout, bed_lines, heading
from bedside.watch.picture import AlertPicture, BedPicture, LinkState, Picture

FOOTER: Final = "A secondary display, not a primary alarm."
_LEGENDS: Final = ("! alert  ? doubtful  grey: old  ● linked  ○ asleep  ✕ lost", "● on ○ asleep ✕ lost", "")
"""The longest that fits is shown."""
_STOP: Final = "Ctrl-C ends"
LEAST_ALERT_LINES: Final = 4
_HEADINGS: Final = 3  # of the beds, a blank line, of the alerts
_SEVERITIES: Final = {"critical": "bold white on red", "warning": "bold yellow", "info": ""}
_WARNING: Final = "bold white on red"
_REPLAY: Final = "black on yellow"
_OLD: Final = "dim"


def screen(picture: Picture, *, width: int, height: int) -> Group:
    """Exactly `height` lines of at most `width` columns."""
    top, bottom = _top(picture, width), [_footer(picture, width)]
    room = height - len(top) - len(bottom) - _HEADINGS
    layout = Layout.of(picture, width, room - LEAST_ALERT_LINES)
    beds = _beds(picture, layout, room - min(len(picture.alerts) or 1, LEAST_ALERT_LINES))
    alerts = _alerts(picture, layout, room - len(beds))
    lines = [*top, *_middle(layout, beds, alerts)]
    lines += [Text()] * (height - len(lines) - len(bottom))
    return Group(*[_fitted(line, width) for line in [*lines, *bottom][:height]])


def whole(picture: Picture, *, width: int) -> Group:
    """Everything, in as many lines as it takes."""
    layout = Layout.of(picture, width, sys.maxsize)
    beds, alerts = _beds(picture, layout, sys.maxsize), _alerts(picture, layout, sys.maxsize)
    lines = [*_top(picture, width), *_middle(layout, beds, alerts), Text(f" {FOOTER}", style=_OLD)]
    return Group(*[_fitted(line, width) for line in lines])


def local_time(picture: Picture, at: datetime) -> str:
    """`at` on the hospital's wall clock."""
    return f"{at.astimezone(zone_of(picture.zone)):%H:%M:%S}"


def zone_of(name: str) -> tzinfo:
    """The zone, or UTC where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _top(picture: Picture, width: int) -> list[Text]:
    return [_title(picture, width), *_replay(picture, width), *_warnings(picture, width)]


def _middle(layout: Layout, beds: Sequence[Text], alerts: Sequence[Text]) -> list[Text]:
    return [heading(layout), *beds, Text(), Text(" Alerts of the last hour", style="bold underline"), *alerts]


def _title(picture: Picture, width: int) -> Text:
    zone = picture.at.astimezone(zone_of(picture.zone)).tzname() or "UTC"
    state = {LinkState.LIVE: "● hub linked", LinkState.LOST: "✕ HUB LOST", LinkState.CONNECTING: "○ connecting"}
    style = {LinkState.LIVE: "green", LinkState.LOST: _WARNING, LinkState.CONNECTING: "yellow"}
    wards = sorted({bed.ward_id for bed in picture.beds})
    place = " · ".join(part for part in (picture.hospital, f"ward {wards[0]}" if len(wards) == 1 else "") if part)
    left = Text.assemble((" Bedside ", "bold reverse"), f" {place}")
    right = Text.assemble(
        f"{local_time(picture, picture.at)} {zone}  ", (state[picture.link.state], style[picture.link.state]), " "
    )
    left.truncate(max(0, width - right.cell_len - 1), overflow="ellipsis")
    left.append(" " * (width - left.cell_len - right.cell_len))
    return left + right


def _replay(picture: Picture, width: int) -> list[Text]:
    """That the values are replayed, and how fast."""
    if not picture.speeds:
        return []
    speeds = " and ".join(f"{speed:g}×" for speed in picture.speeds)
    text = f" REPLAY at {speeds} speed: recorded, de-identified stays; nobody lies in these beds"
    return [_bar(text, _REPLAY, width)]


def _warnings(picture: Picture, width: int) -> list[Text]:
    return [
        _bar(f" {line}", _WARNING, width)
        for warning in picture.warnings
        for line in textwrap.wrap(warning, max(20, width - 2))
    ]


def _bar(text: str, style: str, width: int) -> Text:
    line = Text(text, style=style)
    line.truncate(width, overflow="ellipsis", pad=True)
    return line


def _beds(picture: Picture, layout: Layout, room: int) -> list[Text]:
    if not picture.beds:
        return [Text(" no beds are known yet" if picture.link.state is not LinkState.LIVE else " there are no beds")]
    drawn = [(bed, bed_lines(bed, layout)) for bed in picture.beds]
    shown = _chosen(drawn, room)
    lines = [line for bed, lines in drawn if bed in shown for line in lines]
    if hidden := len(drawn) - len(shown):
        lines.append(Text(f" … {hidden} of {len(drawn)} beds not shown: make the window larger, or use --ward", "bold"))
    return lines


def _chosen(drawn: Sequence[tuple[BedPicture, list[Text]]], room: int) -> list[BedPicture]:
    """The beds that fit into `room` lines: all, or else first those that need attention."""
    if sum(len(lines) for _, lines in drawn) <= room:
        return [bed for bed, _ in drawn]
    left, shown = room - 1, []
    for bed, lines in sorted(drawn, key=lambda entry: not entry[0].needs_attention):
        if len(lines) <= left:
            left -= len(lines)
            shown.append(bed)
    return shown


def _alerts(picture: Picture, layout: Layout, room: int) -> list[Text]:
    if not picture.alerts:
        return [Text(" none", style=_OLD)]
    fits = len(picture.alerts) <= room
    shown = picture.alerts if fits else picture.alerts[: max(0, room - 1)]
    lines = [_alert(picture, alert, layout) for alert in shown]
    if not fits:
        lines.append(Text(f" … {len(picture.alerts) - len(shown)} more", style=_OLD))
    return lines


def _alert(picture: Picture, alert: AlertPicture, layout: Layout) -> Text:
    style = _SEVERITIES.get(alert.severity, "bold") if alert.recent else _OLD
    times = f"  ×{alert.repeat}" if alert.repeat > 1 else ""
    test = "TEST, not measured: " if alert.test else ""
    technical = "device: " if alert.kind == "technical" else ""
    return Text.assemble(
        f" {local_time(picture, alert.at)} ",
        (f"{short(alert.age_seconds):>4} ", _OLD),
        f" {alert.bed or '':<{layout.bed_width}} ",
        (f"{alert.severity:<8} {test}{technical}{alert.message}", style),
        times,
    )


def _footer(picture: Picture, width: int) -> Text:
    unreadable = picture.unreadable_messages
    said = [FOOTER, f"{unreadable} messages can't be read." if unreadable else ""]
    footers = [" " + "  ".join(filter(None, (*said, legend, _STOP))) for legend in _LEGENDS]
    return Text(next((footer for footer in footers if len(footer) <= width), footers[-1]), style=_OLD)


def _fitted(line: Text, width: int) -> Text:
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line
