"""The findings for people, as a table with the worst at its end, and for machines, as one JSON object."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from bedside.doctor.findings import SEVERITY, Checked, Outcome, exit_code

_COLOURS: Final = {Outcome.OK: "32", Outcome.NOT_APPLICABLE: "2", Outcome.WARNING: "33", Outcome.FAILED: "1;31"}
_LABELS: Final = {Outcome.NOT_APPLICABLE: "-", Outcome.FAILED: "FAILED"}
_LABEL_WIDTH: Final = 9


def as_text(checks: Sequence[Checked], *, colour: bool) -> str:
    """Failures last, where a terminal still shows them when the rest has scrolled away."""
    width = max(len(checked.name) for checked in checks) + 2
    ordered = sorted(checks, key=lambda checked: SEVERITY.index(checked.finding.outcome))
    return "\n".join([*(_row(checked, width, colour=colour) for checked in ordered), "", _summary(checks)])


def as_json(checks: Sequence[Checked], subject: Mapping[str, str]) -> str:
    code = exit_code(checks)
    rows = [
        {
            "check": checked.name,
            "outcome": checked.finding.outcome,
            "found": checked.finding.found,
            "advice": checked.finding.advice or None,
        }
        for checked in checks
    ]
    return json.dumps({"ok": code == 0, "exit_code": int(code), "subject": subject, "checks": rows})


def _row(checked: Checked, width: int, *, colour: bool) -> str:
    finding = checked.finding
    label = f"{_LABELS.get(finding.outcome, finding.outcome.value):{_LABEL_WIDTH}}"
    if colour:
        label = f"\033[{_COLOURS[finding.outcome]}m{label}\033[0m"
    advice = f"\n{'':{_LABEL_WIDTH + width}}→ {finding.advice}" if finding.advice else ""
    return f"{label}{checked.name:{width}}{finding.found}{advice}"


def _summary(checks: Sequence[Checked]) -> str:
    counts = [(outcome, sum(checked.finding.outcome is outcome for checked in checks)) for outcome in SEVERITY]
    return f"{len(checks)} checks: {', '.join(f'{count} {outcome}' for outcome, count in counts if count)}"
