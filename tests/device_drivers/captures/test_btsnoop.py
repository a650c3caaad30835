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
from device_drivers.captures.btsnoop import AclPacket, LinkChanged, packets
from device_drivers.errors import Malformed
from simulators.models.model import Property
from simulators.peripherals.gatt import CharacteristicSpec, GattPeripheral, ServiceSpec
from simulators.radio import Radio
from tests.bedside.command_line import typed
from tests.device_drivers import vectors
from tests.device_drivers.samples import NOON

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
    return list(values(packets([capture])))


def test_values_are_found_with_their_characteristic_and_who_said_them(capture: bytes):
    found = [(value.how, value.received, value.characteristic, value.data) for value in said(capture)]
    assert (Said.INDICATION, True, uuids.BLOOD_PRESSURE_MEASUREMENT, CUFF) in found
    assert (Said.READ, True, uuids.DATE_TIME, CLOCK) in found
    assert (Said.WRITE_REQUEST, False, uuids.DATE_TIME, CLOCK) in found


def test_a_connection_and_its_end_are_found(capture: bytes):
    begun, ended = (packet for packet in packets([capture]) if isinstance(packet, LinkChanged))
    assert begun.peer is not None
    assert begun.peer[:0:-1] == bytes.fromhex(ADDRESS.replace(":", ""))
    assert (ended.handle, ended.peer) == (begun.handle, None)


def test_a_capture_reads_the_same_in_any_blocks(capture: bytes):
    pieces = [capture[at : at + 7] for at in range(0, len(capture), 7)]
    assert list(values(packets(pieces))) == said(capture)


def test_a_capture_that_begins_after_the_discovery_has_values_of_unknown_characteristics(capture: bytes):
    acl = [packet for packet in packets([capture]) if isinstance(packet, AclPacket)]
    late = list(values(acl[-4:]))
    assert {value.characteristic for value in late} == {None}
    assert CUFF in {value.data for value in late}


@given(end=st.integers(0, 4000), damage=st.lists(st.tuples(st.integers(16, 4000), st.integers(0, 255)), max_size=20))
def test_a_cut_or_damaged_capture_is_read_as_far_as_it_goes(capture: bytes, end: int, damage):
    damaged = bytearray(capture[:end])
    for place, byte in damage:
        if place < len(damaged):
            damaged[place] = byte
    with contextlib.suppress(Malformed):
        list(values(packets([bytes(damaged)])))


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


HOST = b"\x00\x11\x22\x33\x44\x55\x66"
ANOTHER = b"\x00\x99\x22\x33\x44\x55\x66"


def att(*pdus: bytes, received: bool = True, handle: int = 0x40) -> list[AclPacket]:
    """One ACL packet for each ATT PDU."""
    frames = [len(pdu).to_bytes(2, "little") + b"\x04\x00" + pdu for pdu in pdus]
    return [
        AclPacket(
            at=NOON, received=received, data=handle.to_bytes(2, "little") + len(frame).to_bytes(2, "little") + frame
        )
        for frame in frames
    ]


def declares(handle: int, uuid: int) -> bytes:
    """A response that says of which characteristic the value at `handle` is."""
    return bytes((0x09, 7, handle - 1, 0, 0x10, handle, 0)) + uuid.to_bytes(2, "little")


ASKS = bytes.fromhex("08 01 00 ff ff 03 28")
NOTIFIES = bytes.fromhex("1b 10 00 64")


def test_a_handle_that_is_used_again_is_another_devices():
    found = list(
        values(
            [
                LinkChanged(handle=0x40, peer=HOST),
                *att(ASKS, received=False),
                *att(declares(0x10, 0x2A19), NOTIFIES),
                LinkChanged(handle=0x40, peer=None),
                LinkChanged(handle=0x40, peer=ANOTHER),
                *att(NOTIFIES),
                LinkChanged(handle=0x40, peer=HOST),
                *att(NOTIFIES),
            ]
        )
    )
    assert [value.characteristic for value in found] == [uuids.BATTERY_LEVEL, None, uuids.BATTERY_LEVEL]
    assert [value.link for value in found] == [1, 2, 3]


def test_the_hosts_own_characteristics_are_not_taken_for_the_devices():
    device = [*att(ASKS, received=False), *att(declares(0x10, 0x2A19))]
    host = [*att(ASKS, received=True), *att(declares(0x10, 0x2A35), received=False)]
    for order in (device + host, host + device):
        found = list(values([*order, *att(NOTIFIES), *att(NOTIFIES, received=False)]))
        assert [value.characteristic for value in found] == [uuids.BATTERY_LEVEL, uuids.BLOOD_PRESSURE_MEASUREMENT]


def test_a_long_value_is_put_together_of_its_pieces():
    asked = [bytes.fromhex("0a 10 00"), bytes.fromhex("0c 10 00 03 00"), bytes.fromhex("0c 10 00 05 00")]
    answers = [b"\x0babc", b"\x0dde", b"\x0d"]
    talk = [
        packet for pair in zip(asked, answers, strict=True) for packet in (*att(pair[0], received=False), *att(pair[1]))
    ]
    assert [value.data for value in values(talk)] == [b"abc", b"abcde"]
    assert not list(values(talk[2:]))
