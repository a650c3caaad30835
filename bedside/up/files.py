"""The configuration of an embedded set-up, written anew at each start; secrets are made once and kept."""

import secrets
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from bedside.services.process import write_private
from bedside.up.layout import GATEWAY, Layout
from bedside.up.toml import toml
from simulators.places import tty_path
from simulators.plan import PlannedBed, PlannedDevice, WardPlan

GENERATED: Final = "# Written by `bedside up` at each start; changes are lost.\n\n"
KEPT: Final = "# Written by `bedside up --no-simulators` once, and yours from here on: it is not written again.\n\n"


def kept_secret(path: Path) -> str:
    """A random secret in a private file; made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        write_private(path, secrets.token_urlsafe(48))
    return path.read_text(encoding="utf-8")


def write_ward(layout: Layout, plan: WardPlan) -> None:
    layout.ward_toml.write_text(GENERATED + toml(msgspec.to_builtins(plan)), encoding="utf-8")


def write_registry(layout: Layout, plan: WardPlan, *, simulators: bool) -> None:
    """The plan's hospital, beds and patients as the hub's registry file, with its devices where they are simulated."""
    patients = [
        {
            "id": bed.patient_id,
            "hospital": plan.hospital_id,
            "name": f"Recorded patient {bed.stay}",
            "record_number": f"SIM-{bed.stay}",
            "age_group": "adult",
            "ward": plan.ward_id,
            "bed": bed.bed,
        }
        for bed in plan.beds
    ]
    devices = [
        {"type": device.device_type.value, "id": device.device_id, "gateway": GATEWAY, "patient": bed.patient_id}
        for bed in plan.beds
        for device in bed.devices
        if simulators
    ]
    ward = {"id": plan.ward_id, "name": "Simulated ward", "beds": [bed.bed for bed in plan.beds]}
    content = {
        "hospitals": [{"id": plan.hospital_id, "name": "Simulated hospital", "zone": "UTC", "wards": [ward]}],
        "patients": patients,
        "gateways": [{"id": GATEWAY, "hospital": plan.hospital_id}],
        "devices": devices,
    }
    _write(layout.registry_toml, toml(content), keep=not simulators)


def write_hub(layout: Layout, *, port: int, redis_url: str, mqtt_port: int) -> None:
    """Redis's address holds its password: the file is private."""
    content = {
        "host": "127.0.0.1",
        "port": port,
        "database_url": f"sqlite+aiosqlite:///{layout.record}",
        "redis_url": redis_url,
        "registry_file": str(layout.registry_toml),
        "mqtt": {"host": "127.0.0.1", "port": mqtt_port, "username": "hub", "password_file": str(layout.hub_password)},
        "auth": {"secret_file": str(layout.jwt_secret)},
    }
    write_private(layout.hub_toml, GENERATED + toml(content))


def write_gateway(
    layout: Layout, plan: WardPlan, *, mqtt_port: int, started: datetime, simulators: bool, bluetooth: bool
) -> None:
    """Devices are those of the plan where they are simulated; without Bluetooth the serial half."""
    devices = [
        _gateway_device(layout, plan, bed, device, started)
        for bed in plan.beds
        for device in bed.devices
        if simulators and (bluetooth or device.transport == "serial")
    ]
    content = {
        "gateway_id": GATEWAY,
        "state_dir": str(layout.gateway_state),
        "mqtt": {"host": "127.0.0.1", "port": mqtt_port, "password_file": str(layout.gateway_password)},
        "devices": devices,
    }
    _write(layout.gateway_toml, toml(content), keep=not simulators)


def _gateway_device(
    layout: Layout, plan: WardPlan, bed: PlannedBed, device: PlannedDevice, started: datetime
) -> dict[str, Any]:
    found: dict[str, Any] = {"device_id": device.device_id, "driver": device.model}
    if device.address is not None:
        found["address"] = device.address
    else:
        found["port"] = str(tty_path(layout.state, device.device_id))
    found["replay"] = {
        "recording": bed.stay,
        "started": started.isoformat(),
        "speed": plan.speed,
        "position_seconds": bed.position_seconds,
    }
    return found


def _write(path: Path, text: str, *, keep: bool) -> None:
    """What a person may have changed is kept; what a simulated ward left is not."""
    if keep and path.exists() and not path.read_text(encoding="utf-8").startswith(GENERATED):
        return
    path.write_text((KEPT if keep else GENERATED) + text, encoding="utf-8")
