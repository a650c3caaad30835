"""What Viatom's older rings say of themselves (0x14), and the setting of their clock (0x16).

Source: Viatom's LepuBle, OxyBleResponse.kt (OxyInfo) and OxyBleCmd.java (syncTime). Everything else that 0x16 can set stays as it is.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from device_drivers.date_time import DateTime
from device_drivers.errors import Malformed
from device_drivers.fields import named
from device_drivers.format import Parts

_TIME: Final = "%Y-%m-%d,%H:%M:%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """Answer to 0x14: one JSON object under the device's own names, everything a text on most devices; unknown names are left out."""

    model: str | int | None = named("Model", default=None)
    serial: str | int | None = named("SN", default=None)
    region: str | int | None = named("Region", default=None)
    branch: str | int | None = named("BranchCode", default=None)
    hardware: str | int | None = named("HardwareVer", default=None)
    software: str | int | None = named("SoftwareVer", default=None)
    bootloader: str | int | None = named("BootloaderVer", default=None)
    file_version: str | int | None = named("FileVer", default=None)
    protocol: str | int | None = named("SPCPVer", default=None)
    time: str | int | None = named("CurTIME", default=None)
    battery: str | int | None = named("CurBAT", default=None)
    battery_state: str | int | None = named("CurBatState", default=None)
    state: str | int | None = named("CurState", default=None)
    mode: str | int | None = named("CurMode", default=None)
    spo2_threshold: str | int | None = named("CurOxiThr", default=None)
    spo2_alarm: str | int | None = named("OxiSwitch", default=None)
    pulse_alarm: str | int | None = named("HRSwitch", default=None)
    pulse_low: str | int | None = named("HRLowThr", default=None)
    pulse_high: str | int | None = named("HRHighThr", default=None)
    motor: str | int | None = named("CurMotor", default=None)
    buzzer: str | int | None = named("CurBuzzer", default=None)
    step_target: str | int | None = named("CurPedtar", default=None)
    lighting: str | int | None = named("LightingMode", default=None)
    brightness: str | int | None = named("LightStr", default=None)
    files: str | int | None = named("FileList", default=None)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        try:
            said = json.loads(data.rstrip(b" \t\r\n\0").decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError) as error:
            raise Malformed("no_json") from error
        if not isinstance(said, dict):
            raise Malformed("no_json")
        known = {name: said[key] for name, key in _NAMES.items() if type(said.get(key)) in (str, int)}
        return cls(**known)

    def __bytes__(self) -> bytes:
        said = {key: value for name, key in _NAMES.items() if (value := getattr(self, name)) is not None}
        return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")

    def explain(self, parts: Parts, size: int) -> None:
        names = [key for name, key in _NAMES.items() if getattr(self, name) is not None]
        parts.add(size, "info", f"{len(names)} settings as JSON", *names, "info")


_NAMES: Final = {name: field.metadata["name"] for name, field in Info.__dataclass_fields__.items()}


def clock_of(info: Info) -> DateTime | None:
    """The ring's clock; None where it says none, or nothing that is a time."""
    try:
        return DateTime.of(datetime.strptime(str(info.time), _TIME))
    except ValueError:
        return None


def files_of(info: Info) -> list[str]:
    """Names of the recordings that it keeps."""
    return [name for name in str(info.files or "").split(",") if name]


def clock_setting(ours: datetime) -> bytes:
    """What 0x16 carries to set the clock, and nothing else."""
    return json.dumps({"SetTIME": ours.strftime(_TIME)}, separators=(",", ":")).encode()
