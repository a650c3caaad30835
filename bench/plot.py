"""The picture of the fan-out: what a delivery costs each server, as an SVG of bars (SVG 1.1), from a run's own JSON.

Bars are multiples of bare send() of single messages, the median over the rounds; what is measured is one message a tick, and the mark on
a bar is eight a tick.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 860
_LABELS: Final = 260
_ROW: Final = 26
_BAR: Final = 16
_TITLE: Final = 44
_LINE: Final = 18
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1f2933 } .title { font-weight: 600; font-size: 15px } .value { font-size: 12px }
.bar { fill: #9aa5b1 } .hub { fill: #0b7285 } .bare { fill: #52606d } .joined { stroke: #d9480f; stroke-width: 3 }
.ground { fill: #ffffff } .axis { stroke: #cbd2d9; stroke-width: 1 }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One server, against bare send(): `single` with one message a tick, `joined` with eight; None where not measured."""

    name: str
    single: float
    joined: float | None = None


def picture(panels: Mapping[str, Sequence[Bar]], caption: Sequence[str]) -> str:
    """One panel a transport, its bars sorted by what a single message costs."""
    drawn: list[str] = []
    top = 16
    for title, bars in panels.items():
        drawn += _panel(title, sorted(bars, key=lambda bar: bar.single), top)
        top += _TITLE + _ROW * len(bars) + 16
    drawn += [_text(16, top + 14 + _LINE * place, line, "value") for place, line in enumerate(caption)]
    height = top + 14 + _LINE * len(caption)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
            f"<title>{escape(caption[0])}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def _panel(title: str, bars: Sequence[Bar], top: int) -> list[str]:
    longest = max(bar.single for bar in bars)
    scale = (WIDTH - _LABELS - 90) / longest
    drawn = [_text(16, top + 18, title, "title")]
    left, first = _LABELS, top + _TITLE - 8
    one = left + scale
    drawn.append(f'<line class="axis" x1="{one:.1f}" y1="{first - 6}" x2="{one:.1f}" y2="{first + _ROW * len(bars)}"/>')
    for place, bar in enumerate(bars):
        drawn += _bar(bar, first + place * _ROW, scale)
    return drawn


def _bar(bar: Bar, top: int, scale: float) -> list[str]:
    kind = {"hub": "hub", "bare send()": "bare"}.get(bar.name, "bar")
    name = "Bedside's hub" if kind == "hub" else bar.name
    length = bar.single * scale
    drawn = [
        _text(16, top + 13, name, kind if kind == "hub" else ""),
        f'<rect class="{kind}" x="{_LABELS}" y="{top}" width="{length:.1f}" height="{_BAR}"/>',
        _text(_LABELS + length + 8, top + 13, f"{bar.single:.2f} ×", "value"),
    ]
    if bar.joined is not None:
        at = _LABELS + bar.joined * scale
        drawn.append(f'<line class="joined" x1="{at:.1f}" y1="{top - 2}" x2="{at:.1f}" y2="{top + _BAR + 2}"/>')
    return drawn


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'
