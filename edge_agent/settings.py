"""What `gateway.toml` says, typed and checked. Every key is in docs/reference/gateway-configuration.md."""

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime, tzinfo
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from edge_agent.errors import InvalidSettings
from vitals.identifiers import DeviceId, GatewayId
from vitals.readings import Instant, Replayed

MAX_DEVICES: Final = 64
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
MIN_OUTBOX_BYTES: Final = 4 << 20

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
OptionValue = str | int | bool


@unique
class Level(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The broker. `username` is the gateway's id when not said; the password is read from `password_file` at each connection."""

    host: str = "127.0.0.1"
    port: Port = 1883
    username: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None


class OutboxSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`max_bytes`: of the database file. `backlog_entries_per_second`: how fast an outage's rest follows beside the live lane."""

    max_bytes: Annotated[int, msgspec.Meta(ge=MIN_OUTBOX_BYTES)] = 256 << 20
    keep_acknowledged_hours: Annotated[float, msgspec.Meta(ge=0)] = 24.0
    backlog_entries_per_second: Annotated[float, msgspec.Meta(gt=0)] = 2000.0


class WaveformSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`max_bytes_per_second`: of all devices' waveforms together."""

    max_bytes_per_second: Annotated[float, msgspec.Meta(ge=1024)] = 128 * 1024


class ReplaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Simulated devices only: which recording is played to the device, so that its readings can say so.

    `position_seconds` is the place in the recording at `started`; it runs `speed` recorded seconds a second.
    """

    recording: str
    started: Instant
    speed: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    position_seconds: float = 0.0

    def at(self, moment: datetime) -> Replayed:
        """The place in the recording at `moment`."""
        played = (moment - self.started).total_seconds() * self.speed
        return Replayed(
            recording=self.recording, position_seconds=round(self.position_seconds + played, 3), speed=self.speed
        )


class DeviceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device. `address` for Bluetooth LE, `port` for serial lines; `zone` is of the device's own clock. `waveforms`: send those that it gives."""

    device_id: DeviceId
    driver: str
    address: str | None = None
    port: str | None = None
    zone: str = "UTC"
    waveforms: bool = True
    options: dict[str, OptionValue] = {}
    replay: ReplaySettings | None = None

    @property
    def tzinfo(self) -> tzinfo:
        return ZoneInfo(self.zone)


class LoggingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Levels: one for all, and one for each logger named."""

    level: Level = Level.INFO
    loggers: dict[str, Level] = {}


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `allow_inflation`: cuffs whose driver's option asks for it may be inflated by this gateway."""

    gateway_id: GatewayId
    state_dir: Path
    mqtt: MqttSettings = msgspec.field(default_factory=MqttSettings)
    outbox: OutboxSettings = msgspec.field(default_factory=OutboxSettings)
    waveforms: WaveformSettings = msgspec.field(default_factory=WaveformSettings)
    devices: Annotated[tuple[DeviceSettings, ...], msgspec.Meta(max_length=MAX_DEVICES)] = ()
    allow_inflation: bool = False
    logging: LoggingSettings = msgspec.field(default_factory=LoggingSettings)


def load(path: Path) -> GatewaySettings:
    """Read and check a file. Raises InvalidSettings, which names the file and the key."""
    try:
        found = tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidSettings(str(path), "", f"can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(str(path), "", f"is no TOML: {error}") from error
    return from_mapping(found, source=path.name)


def from_mapping(found: Mapping[str, Any], *, source: str) -> GatewaySettings:
    """Settings from what a TOML file holds. Raises InvalidSettings."""
    devices = found.get("devices", [])
    if not isinstance(devices, list):
        raise InvalidSettings(source, "devices", "must be a list of tables: write [[devices]] before each")
    typed = tuple(_convert(device, DeviceSettings, source, f"devices[{index}]") for index, device in enumerate(devices))
    rest = {key: value for key, value in found.items() if key != "devices"}
    whole: GatewaySettings = _convert(rest, GatewaySettings, source, "")
    settings = msgspec.structs.replace(whole, devices=typed)
    check(settings, source=source)
    return settings


def check(settings: GatewaySettings, *, source: str = "gateway.toml") -> None:
    """What types can't say. Raises InvalidSettings."""
    if len(settings.devices) > MAX_DEVICES:
        raise InvalidSettings(source, "devices", f"{len(settings.devices)} are more than {MAX_DEVICES}")
    if settings.mqtt.ca_file is not None and not settings.mqtt.tls:
        raise InvalidSettings(source, "mqtt.ca_file", "is for TLS: set mqtt.tls = true, or leave it out")
    seen: dict[str, int] = {}
    for index, device in enumerate(settings.devices):
        where = f"devices[{index}]"
        if device.device_id in seen:
            raise InvalidSettings(source, f"{where}.device_id", f"is that of devices[{seen[device.device_id]}] too")
        seen[device.device_id] = index
        _check_device(device, source, where)


def _check_device(device: DeviceSettings, source: str, where: str) -> None:
    if (device.address is None) == (device.port is None):
        raise InvalidSettings(source, where, "needs either address (Bluetooth) or port (serial)")
    if device.address is not None and not _ADDRESS.fullmatch(device.address):
        raise InvalidSettings(
            source,
            f"{where}.address",
            f"{device.address!r} is no Bluetooth address; write C0:26:DA:00:12:34 (macOS: the UUID that a scan shows)",
        )
    try:
        ZoneInfo(device.zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidSettings(source, f"{where}.zone", f"{device.zone!r} is no time zone; try Europe/Berlin") from error


def decode_path(kind: type[Any], found: object) -> Any:  # noqa: ANN401 - msgspec's own type
    """For msgspec: a path is written as text. Raises TypeError for what isn't text."""
    if kind is not Path or not isinstance(found, str):
        raise TypeError(f"Expected `str`, got `{type(found).__name__}`")
    return Path(found)


def _convert(found: object, into: type[Any], source: str, where: str) -> Any:  # noqa: ANN401 - msgspec's own type
    try:
        return msgspec.convert(found, into, strict=False, dec_hook=decode_path)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        key = f"{where}{path.rstrip('`')}".lstrip(".")
        raise InvalidSettings(source, key, problem) from error
