"""Figures and their ratios: the median over interleaved rounds, the spread beside it, and a goal where there is one.

Absolute figures drift on a machine that others share. A ratio is made within each round, of two things that ran one after the
other, and is what a series can be held against.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from statistics import median


@unique
class Unit(StrEnum):
    MICROSECONDS = "µs"
    PER_SECOND = "/s"
    RATIO = "×"
    SHARE = "%"
    MILLISECONDS = "ms"
    BYTES = "B"


@unique
class Bound(StrEnum):
    AT_MOST = "≤"
    AT_LEAST = "≥"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a median is held against."""

    bound: Bound
    limit: float

    def met(self, value: float) -> bool:
        return value <= self.limit if self.bound is Bound.AT_MOST else value >= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured, a value each round. A figure of the unit RATIO belongs to the figure above it."""

    what: str
    unit: Unit
    values: tuple[float, ...]
    goal: Goal | None = None

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.values), max(self.values)


def against(figure: Figure, baseline: Figure, goal: Goal | None = None) -> Figure:
    """How many times the baseline of the same round a figure is. Raises ValueError where their rounds differ."""
    ratios = tuple(mine / other for mine, other in zip(figure.values, baseline.values, strict=True))
    return Figure(what=f"against {baseline.what}", unit=Unit.RATIO, values=ratios, goal=goal)


def as_baseline(figure: Figure) -> Figure:
    """A baseline's own figure, named as one."""
    return replace(figure, what=f"baseline: {figure.what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one benchmark found. `notes` say what the figures must be read with; `picture` is an SVG of them, where there is one."""

    name: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    picture: str = ""

    def as_json(self) -> dict[str, object]:
        return {
            "figures": [_figure_json(figure) for figure in self.figures],
            "notes": list(self.notes),
        }


def table(reports: Sequence[Report]) -> str:
    """For people: a line a figure, ratios indented below what they are ratios of."""
    rows = [row for report in reports for row in ((report.name, "median", "spread", "goal"), *_rows(report))]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for report in reports:
        head = (report.name, "median", "spread", "goal")
        lines += ["", *(_line(row, widths) for row in (head, *_rows(report))), *(f"  {note}" for note in report.notes)]
    return "\n".join(lines[1:])


def shown(value: float, unit: Unit) -> str:
    """Three figures, as many as rounds agree on at best; a share as a percentage."""
    if unit is Unit.SHARE:
        return f"{value:.1%}".replace("%", " %")
    digits = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{digits} {unit}"


def _rows(report: Report) -> list[tuple[str, str, str, str]]:
    return [_row(figure) for figure in report.figures]


def _row(figure: Figure) -> tuple[str, str, str, str]:
    low, high = figure.spread
    indent = "    " if figure.unit is Unit.RATIO else "  "
    return (
        indent + figure.what,
        shown(figure.median, figure.unit),
        f"{shown(low, figure.unit).split()[0]} – {shown(high, figure.unit).split()[0]}",
        "" if figure.goal is None else _goal(figure.goal, figure),
    )


def _goal(goal: Goal, figure: Figure) -> str:
    verdict = "met" if goal.met(figure.median) else "not met"
    return f"{goal.bound} {shown(goal.limit, figure.unit)}: {verdict}"


def _line(row: tuple[str, str, str, str], widths: Sequence[int]) -> str:
    what, value, spread, goal = row
    return f"{what:<{widths[0]}}  {value:>{widths[1]}}  {spread:>{widths[2]}}  {goal}".rstrip()


def _figure_json(figure: Figure) -> dict[str, object]:
    low, high = figure.spread
    goal = figure.goal
    return {
        "what": figure.what,
        "unit": figure.unit,
        "median": figure.median,
        "low": low,
        "high": high,
        "rounds": list(figure.values),
        "goal": None if goal is None else {"bound": goal.bound, "limit": goal.limit, "met": goal.met(figure.median)},
    }
