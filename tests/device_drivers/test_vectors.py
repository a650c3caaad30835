"""Every published example of our formats: decoded, encoded and decoded again, and cut at every length."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from device_drivers import contec_v7, nonin_df2, nonin_df8
from device_drivers.binary import ByteReader
from device_drivers.blood_pressure import BloodPressureMeasurement
from device_drivers.date_time import CurrentTime
from device_drivers.errors import Undecodable
from device_drivers.health_thermometer import TemperatureMeasurement
from device_drivers.ieee11073 import FLOAT, SFLOAT, Special
from device_drivers.registry import DRIVERS
from tests.device_drivers import vectors
from vitals.units import Unit

UNITS = {"mmHg": Unit.MMHG, "kPa": Unit.KILOPASCAL, "Cel": Unit.CELSIUS, "degF": Unit.FAHRENHEIT}
OTHER_NAMES = {"map": "mean", "temperature_type": "site", "cuff_pressure": "systolic", "fractions256": "fractions"}


def packet(data: bytes) -> nonin_df2.Packet:
    cut = [data[at : at + 5] for at in range(0, len(data), 5)]
    return nonin_df2.Packet.from_frames([nonin_df2.DataFrame.from_bytes(frame) for frame in cut])


DECODERS: dict[str, Callable[[bytes], Any]] = {
    "2A35": BloodPressureMeasurement.from_bytes,
    "2A36": BloodPressureMeasurement.from_bytes,
    "2A1C": TemperatureMeasurement.from_bytes,
    "2A08": lambda data: ByteReader(data).date_time(),
    "2A2B": lambda data: ByteReader(data).current_time(),
    "SFLOAT": lambda data: ByteReader(data).sfloat(),
    "FLOAT": lambda data: ByteReader(data).float32_11073(),
    "nonin-df2-frame": nonin_df2.DataFrame.from_bytes,
    "nonin-df2-packet": packet,
    "nonin-df8": nonin_df8.DataFrame.from_bytes,
    "cms50-9byte": contec_v7.LivePacket.from_bytes,
}
ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "SFLOAT": SFLOAT.encode,
    "FLOAT": FLOAT.encode,
    "nonin-df2-packet": lambda decoded: b"".join(bytes(frame) for frame in decoded.frames()),
}
PROTOCOLS_OF_DRIVER = {
    "sig-blood-pressure": {"2A35", "2A36", "2A08", "2A2B"},
    "sig-health-thermometer": {"2A1C"},
    "contec-v7": {"cms50-9byte"},
    "nonin-df2": {"nonin-df2-frame", "nonin-df2-packet"},
    "nonin-df8": {"nonin-df8"},
}
VECTORS = vectors.of(*DECODERS)
DECODABLE = [vector for vector in VECTORS if "reject" not in vector["expected"]]
REFUSED = [vector for vector in VECTORS if "reject" in vector["expected"]]


def decode(vector: vectors.Vector, data: bytes | None = None) -> Any:
    return DECODERS[vector["characteristic_or_protocol"]](vectors.data(vector) if data is None else data)


def field(decoded: Any, name: str) -> Any:
    """What the decoder made of the field that the vector calls `name`, in the vector's words."""
    match name:
        case "value":
            return decoded
        case "timestamp":
            return str(decoded if not hasattr(decoded, "timestamp") else decoded.timestamp)
        case "out_of_track" | "sensor_alarm" | "artifact" | "sync" if isinstance(decoded, nonin_df2.DataFrame):
            return bool(decoded.status & nonin_df2.Status[name.upper()])
        case "pleth_first":
            return decoded.pleth[0]
    return getattr(decoded, OTHER_NAMES.get(name, name))


@pytest.mark.parametrize("vector", DECODABLE, ids=lambda vector: vector["id"])
def test_every_example_decodes_to_the_values_that_its_source_gives(vector):
    decoded = decode(vector)
    for name, expected in vector["expected"].items():
        if name == "timestamp" and isinstance(decoded, CurrentTime):
            assert str(decoded.date_time) == expected
            continue
        seen = field(decoded, name)
        if isinstance(seen, Special | nonin_df2.Perfusion):
            seen = str(seen)
        assert seen == (UNITS.get(expected, expected) if isinstance(expected, str) else expected), name


@pytest.mark.parametrize("vector", DECODABLE, ids=lambda vector: vector["id"])
def test_every_example_survives_encoding(vector):
    decoded = decode(vector)
    encoded = ENCODERS.get(vector["characteristic_or_protocol"], bytes)(decoded)
    assert decode(vector, encoded) == decoded


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector["id"])
def test_examples_that_must_be_refused_are_refused(vector):
    with pytest.raises(Undecodable):
        decode(vector)


@pytest.mark.parametrize("vector", DECODABLE, ids=lambda vector: vector["id"])
def test_every_shorter_length_is_refused_as_truncated(vector):
    data = vectors.data(vector)
    for length in range(len(data)):
        with pytest.raises(Undecodable) as refusal:
            decode(vector, data[:length])
        assert refusal.value.reason == "truncated"


@pytest.mark.parametrize("vector", [v for v in DECODABLE if v["transport"] == "BLE GATT"], ids=lambda v: v["id"])
def test_what_follows_a_datagram_is_ignored(vector):
    assert decode(vector, vectors.data(vector) + b"\xff\x00") == decode(vector)


def test_numbers_are_exact():
    assert decode({"characteristic_or_protocol": "FLOAT"}, bytes.fromhex("6e0100ff")) == Decimal("36.6")


def test_every_driver_has_examples():
    assert PROTOCOLS_OF_DRIVER.keys() == DRIVERS.keys()
    for protocols in PROTOCOLS_OF_DRIVER.values():
        assert vectors.of(*protocols)
