"""What a gateway's agent says of itself: is it running, does its outbox empty, do its devices answer."""

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Final

import msgspec

from bedside.doctor.findings import Finding, failed, not_applicable, ok, together, warning
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from edge_agent import status
from edge_agent.connection import State
from edge_agent.outbox import Summary
from edge_agent.settings import GatewaySettings

LATE_SECONDS: Final = 60.0
"""How long the oldest entry may wait: beyond, the hub does not acknowledge."""
LOW_BATTERY_PERCENT: Final = 15
CORRUPT: Final = "outbox.corrupt-*"
"""What the agent calls an outbox that it had to give up."""
_STANDING: Final = frozenset({State.LIVE, State.TALKING, State.IDLE})
_REFUSED: Final = re.compile(r"not authori[sz]ed|bad user ?name or password", re.IGNORECASE)
_SILENT: Final = not_applicable("the agent doesn't report")


def running(settings: GatewaySettings, subject: Subject) -> Finding:
    try:
        report = status.read(settings.state_dir)
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is none that this version writes"
        found = f"{settings.state_dir / status.FILE_NAME}: {reason}"
        return failed(found, "restart the agent, and ask as the user that runs it", Exit.FAILED)
    see = subject.see("agent", "bedside-agent")
    if report is None:
        return failed(f"no agent has run in {settings.state_dir}", _start(subject), Exit.UNREACHABLE)
    if not status.is_current(report, datetime.now(UTC)):
        return failed(f"not running since {report.at.astimezone(UTC):%F %T} UTC", see, Exit.UNREACHABLE)
    if report.mqtt.connected:
        return ok(
            f"{report.gateway_id} runs and is at the broker; {report.mqtt.entries_acknowledged} entries acknowledged"
        )
    problem = report.mqtt.problem or "not connected yet"
    if _REFUSED.search(problem):
        advice = f"make {settings.mqtt.password_file} hold the password that the broker knows; no restart is needed"
        return failed(f"runs; {problem}", advice, Exit.AUTHENTICATION)
    return failed(f"runs; {problem}", "see the check of the broker; readings wait in the outbox", Exit.UNREACHABLE)


def outbox(settings: GatewaySettings, _: Subject) -> Finding:
    report = _current(settings)
    if report is None:
        return _SILENT
    box = report.outbox
    if box.fault is not None:
        return failed(box.fault, f"readings are refused: look at the disk of {settings.state_dir}", Exit.FAILED)
    findings = [ok(_room(box.summary))]
    if box.oldest_unsent_seconds is not None and box.oldest_unsent_seconds > LATE_SECONDS:
        found = f"the oldest entry has waited {box.oldest_unsent_seconds:.0f} s for the hub's word"
        findings.append(warning(found, "see the checks of broker and hub; does the hub's registry know this gateway?"))
    if box.summary is not None and box.summary.set_aside_reasons:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in box.summary.set_aside_reasons.items())
        findings.append(warning(f"the hub has refused entries: {reasons}", "the hub's log says which gateway and why"))
    if kept := sorted(path.name for path in settings.state_dir.glob(CORRUPT)):
        found = f"an outbox was corrupt; its readings may be in {', '.join(kept)}"
        findings.append(
            warning(found, f"recover them (sqlite3 FILE .recover), then remove it from {settings.state_dir}")
        )
    return together(findings)


def devices(settings: GatewaySettings, _: Subject) -> Finding:
    """A device that has not been seen yet may be asleep: that is none of our business. One that failed is."""
    report = _current(settings)
    if report is None:
        return _SILENT
    if not report.devices:
        return not_applicable("none is configured")
    states = Counter(device.state.replace("_", " ") for device in report.devices.values())
    findings = [ok(", ".join(f"{count} {state}" for state, count in states.most_common()))]
    for name, device in report.devices.items():
        if device.problem and device.state not in _STANDING:
            findings.append(warning(f"{name}: {device.problem}", "wake it, bring it nearer or plug it in"))
        if device.battery_percent is not None and device.battery_percent < LOW_BATTERY_PERCENT:
            findings.append(warning(f"{name}: battery at {device.battery_percent} %", "change batteries"))
    return together(findings)


def _current(settings: GatewaySettings) -> status.StatusReport | None:
    """None where `running` says what is wrong."""
    try:
        report = status.read(settings.state_dir)
    except (OSError, msgspec.DecodeError):
        return None
    return report if report is not None and status.is_current(report, datetime.now(UTC)) else None


def _start(subject: Subject) -> str:
    if subject.layout is not None:
        return f"start the set-up: {subject.start}"
    return f"start it: bedside agent run --config {subject.gateway_file}"


def _room(summary: Summary | None) -> str:
    if summary is None:
        return "takes readings"
    used, most = summary.used_bytes / 1024**2, summary.max_bytes / 1024**2
    return f"{used:.1f} of {most:.0f} MiB used, nothing waits for long"
