"""What a check found, and what the findings together mean for the exit code."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from bedside.exits import Exit


@unique
class Outcome(StrEnum):
    """From good to bad."""

    OK = "ok"
    NOT_APPLICABLE = "not applicable"
    WARNING = "warning"
    FAILED = "failed"


SEVERITY: Final = tuple(Outcome)
WORST_FIRST: Final = (Exit.CONFIGURATION, Exit.AUTHENTICATION, Exit.UNREACHABLE, Exit.FAILED)
"""Of several exit codes the first counts: a wrong configuration or password explains what can't be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`found` is what was seen, `advice` one line that says what to do; `code` is of a failure."""

    outcome: Outcome
    found: str
    advice: str = ""
    code: Exit = Exit.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    name: str
    finding: Finding


def ok(found: str) -> Finding:
    return Finding(outcome=Outcome.OK, found=found)


def not_applicable(why: str) -> Finding:
    return Finding(outcome=Outcome.NOT_APPLICABLE, found=why)


def warning(found: str, advice: str) -> Finding:
    return Finding(outcome=Outcome.WARNING, found=found, advice=advice)


def failed(found: str, advice: str, code: Exit) -> Finding:
    return Finding(outcome=Outcome.FAILED, found=found, advice=advice, code=code)


def together(findings: Sequence[Finding]) -> Finding:
    """Several findings of one check as one: the worst, and all that are as bad. There must be one at least."""
    worst = max((finding.outcome for finding in findings), key=SEVERITY.index)
    those = [finding for finding in findings if finding.outcome is worst]
    return Finding(
        outcome=worst,
        found="; ".join(dict.fromkeys(finding.found for finding in those)),
        advice="; ".join(dict.fromkeys(finding.advice for finding in those if finding.advice)),
        code=_worst_code(finding.code for finding in those),
    )


def exit_code(checks: Iterable[Checked]) -> Exit:
    """0 where nothing failed; else the first of WORST_FIRST that some failure has."""
    return _worst_code(checked.finding.code for checked in checks if checked.finding.outcome is Outcome.FAILED)


def _worst_code(codes: Iterable[Exit]) -> Exit:
    present = set(codes)
    return next((code for code in WORST_FIRST if code in present), Exit.OK)
