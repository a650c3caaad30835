"""gateway.toml: what is accepted, what is refused and how that is said."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import InvalidSettings
from edge_agent.settings import (
    DeviceSettings,
    GatewaySettings,
    LoggingSettings,
    MqttSettings,
    OutboxSettings,
    ReplaySettings,
    WaveformSettings,
    from_mapping,
    load,
)

REFERENCE = Path(__file__).parents[2] / "docs/reference/gateway-configuration.md"
WHOLE = """
gateway_id = "gw-1"
state_dir = "state"

[mqtt]
port = 1884

[[devices]]
device_id = "cuff-1"
driver = "sig-blood-pressure"
address = "C0:26:DA:00:12:34"
zone = "Europe/Berlin"
options = {set_time = true}

[[devices]]
device_id = "ox-1"
driver = "contec-v7"
port = "/dev/ttyUSB0"
replay = {recording = "stay-1", started = 2026-03-01T12:00:00Z, speed = 60, position_seconds = 30}
"""


def changed(**changes: Any) -> dict[str, Any]:
    return tomllib.loads(WHOLE) | changes


def device(**changes: Any) -> dict[str, Any]:
    return {"device_id": "ox-2", "driver": "contec-v7", "port": "/dev/ttyUSB1"} | changes


def problem(found: dict[str, Any]) -> str:
    with pytest.raises(InvalidSettings) as refused:
        from_mapping(found, source="gateway.toml")
    return str(refused.value)


def test_a_whole_file_is_read(tmp_path: Path):
    path = tmp_path / "gateway.toml"
    path.write_text(WHOLE)
    settings = load(path)
    assert settings.mqtt == MqttSettings(port=1884)
    assert [one.device_id for one in settings.devices] == ["cuff-1", "ox-1"]
    assert settings.devices[0].options == {"set_time": True}
    assert settings.devices[1].replay == ReplaySettings(
        recording="stay-1", started=datetime(2026, 3, 1, 12, tzinfo=UTC), speed=60, position_seconds=30
    )


def test_the_place_in_a_recording_moves_with_its_speed():
    replay = ReplaySettings(
        recording="stay-1", started=datetime(2026, 3, 1, 12, tzinfo=UTC), speed=60, position_seconds=30
    )
    assert replay.at(datetime(2026, 3, 1, 12, 0, 2, tzinfo=UTC)).position_seconds == 150


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            changed(devices=[device(), device(port=7)]),
            "gateway.toml: devices[1].port: Expected `str | null`, got `int`",
        ),
        (changed(mqtt={"port": 70000}), "gateway.toml: mqtt.port: Expected `int` <= 65535"),
        (changed(gateway_id="a/b"), "gateway.toml: gateway_id: Expected `str` matching regex"),
        (changed(colour="red"), "gateway.toml: Object contains unknown field `colour`"),
        (changed(devices=[device(), device()]), "gateway.toml: devices[1].device_id: is that of devices[0] too"),
        (changed(devices=[device(address="C0:00")]), "gateway.toml: devices[0]: needs either address"),
        (changed(devices=[device(port=None)]), "gateway.toml: devices[0]: needs either address"),
        (
            changed(devices=[device(port=None, address="C0:26:DA:00:12")]),
            "gateway.toml: devices[0].address: 'C0:26:DA:00:12' is no Bluetooth address",
        ),
        (changed(devices=[device(zone="Mars/Base")]), "gateway.toml: devices[0].zone: 'Mars/Base' is no time zone"),
        (changed(devices={"device_id": "x"}), "gateway.toml: devices: must be a list of tables"),
        (changed(mqtt={"ca_file": "ca.pem"}), "gateway.toml: mqtt.ca_file: is for TLS"),
        (changed(outbox={"max_bytes": 1000}), "gateway.toml: outbox.max_bytes: Expected `int` >= 4194304"),
        (changed(devices=[device(device_id=f"d{n}") for n in range(65)]), "gateway.toml: devices: 65 are more than 64"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(found: dict[str, Any], said: str):
    assert problem(found).startswith(said)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path):
    path = tmp_path / "gateway.toml"
    path.write_text("gateway_id = ")
    with pytest.raises(InvalidSettings, match=r"gateway\.toml: is no TOML"):
        load(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(InvalidSettings, match="can't be read: No such file"):
        load(tmp_path / "gateway.toml")


def test_every_key_is_in_the_reference():
    text = REFERENCE.read_text()
    structs = (GatewaySettings, MqttSettings, OutboxSettings, WaveformSettings, DeviceSettings, ReplaySettings)
    structs += (LoggingSettings,)
    keys = {key for struct in structs for key in struct.__struct_fields__} - {"mqtt", "outbox", "devices", "logging"}
    assert sorted(key for key in keys if f"| `{key}` |" not in text) == []


def test_the_example_of_the_reference_is_accepted():
    example = REFERENCE.read_text().partition("```toml\n")[2].partition("```")[0]
    assert len(from_mapping(tomllib.loads(example), source="the reference").devices) == 2
