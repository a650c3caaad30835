"""Bluetooth captures: those which bumble writes of a real conversation, and damaged ones."""

import asyncio
import contextlib
import io
import json
from pathlib import Path

import pytest
from bumble import hci
from bumble.core import UUID
from bumble.device import Device, Peer
from bumble.snoop import BtSnooper
from hypothesis import given
from hypothesis import strategies as st

from device_drivers import uuids
from device_drivers.captures.att import CapturedValue, Said, values
from device_drivers.captures.btsnoop import acl_packets
from device_drivers.errors import Malformed
from simulators.models.model import Property
from simulators.peripherals.gatt import CharacteristicSpec, GattPeripheral, ServiceSpec
from simulators.radio import Radio
from tests.bedside.command_line import typed
from tests.device_drivers import vectors

ADDRESS = "C0:00:00:00:01:00"
CUFF = next(vectors.data(vector) for vector in vectors.of("2A35") if vector["id"] == "V001")
CLOCK = bytes.fromhex("e20704110f3300")


async def conversation() -> bytes:
    """What a host records that discovers a cuff, reads and sets its clock, and is indicated a measurement."""
    radio = Radio()
    cuff = GattPeripheral(
        radio,
        name="cuff",
        address=ADDRESS,
        services=[
            ServiceSpec(
                uuid=uuids.BLOOD_PRESSURE_SERVICE,
                characteristics=[
                    CharacteristicSpec(
                        uuid=uuids.BLOOD_PRESSURE_MEASUREMENT, properties=frozenset({Property.INDICATE})
                    ),
                    CharacteristicSpec(
                        uuid=uuids.DATE_TIME,
                        properties=frozenset({Property.READ, Property.WRITE}),
                        read=lambda: CLOCK,
                        written=lambda _: None,
                    ),
                ],
            )
        ],
    )
    recorded = io.BytesIO()
    central: Device = radio.host("central", "C0:00:00:00:00:99")
    central.host.snooper = BtSnooper(recorded)
    await central.power_on()
    await cuff.power_on()
    await cuff.advertise()
    connection = await central.connect(hci.Address(ADDRESS))
    peer = Peer(connection)
    await peer.discover_all()
    (clock,) = peer.get_characteristics_by_uuid(UUID(uuids.DATE_TIME))
    (measurement,) = peer.get_characteristics_by_uuid(UUID(uuids.BLOOD_PRESSURE_MEASUREMENT))
    await clock.read_value()
    await clock.write_value(CLOCK, with_response=True)
    await measurement.subscribe(lambda _: None)
    await cuff.wait_subscribed(uuids.BLOOD_PRESSURE_MEASUREMENT)
    await cuff.indicate(uuids.BLOOD_PRESSURE_MEASUREMENT, CUFF)
    await connection.disconnect()
    return recorded.getvalue()


@pytest.fixture(scope="module")
def capture() -> bytes:
    return asyncio.run(conversation())


def said(capture: bytes) -> list[CapturedValue]:
    return list(values(acl_packets([capture])))


def test_values_are_found_with_their_characteristic_and_who_said_them(capture: bytes):
    found = [(value.how, value.received, value.characteristic, value.data) for value in said(capture)]
    assert (Said.INDICATION, True, uuids.BLOOD_PRESSURE_MEASUREMENT, CUFF) in found
    assert (Said.READ, True, uuids.DATE_TIME, CLOCK) in found
    assert (Said.WRITE_REQUEST, False, uuids.DATE_TIME, CLOCK) in found


def test_a_capture_reads_the_same_in_any_blocks(capture: bytes):
    pieces = [capture[at : at + 7] for at in range(0, len(capture), 7)]
    assert list(values(acl_packets(pieces))) == said(capture)


def test_a_capture_that_begins_after_the_discovery_has_values_of_unknown_characteristics(capture: bytes):
    packets = list(acl_packets([capture]))
    late = list(values(packets[-4:]))
    assert {value.characteristic for value in late} == {None}
    assert CUFF in {value.data for value in late}


@given(end=st.integers(0, 4000), damage=st.lists(st.tuples(st.integers(16, 4000), st.integers(0, 255)), max_size=20))
def test_a_cut_or_damaged_capture_is_read_as_far_as_it_goes(capture: bytes, end: int, damage):
    damaged = bytearray(capture[:end])
    for place, byte in damage:
        if place < len(damaged):
            damaged[place] = byte
    with contextlib.suppress(Malformed):
        list(values(acl_packets([bytes(damaged)])))


def test_the_command_shows_every_value_or_those_of_one_protocol(capsys, tmp_path: Path, capture: bytes):
    file = tmp_path / "btsnoop_hci.log"
    file.write_bytes(capture)
    everything = [json.loads(line) for line in typed(capsys, "decode", "--btsnoop", file).out.splitlines()]
    assert {line["characteristic"] for line in everything} >= {"2A35", "2A08"}
    assert all("protocol" in line or "hex" in line for line in everything)
    only = [
        json.loads(line) for line in typed(capsys, "decode", "--btsnoop", file, "--protocol", "2A35").out.splitlines()
    ]
    (line,) = only
    assert line["systolic"] == 124
    assert (line["from"], line["how"]) == ("device", "indication")
    assert line["at"].startswith("20")
