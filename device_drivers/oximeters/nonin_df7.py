"""Nonin serial data format 7 (OEM III, Xpod, WristOx2 3150, 9560): that of format 2 with a waveform of 16 bits.

Source: 9560 OEM Specification, "Serial Data Format #7". A frame is `STATUS PLETH_MSB PLETH_LSB FLOAT CHECKSUM`; nothing but the upper bit of the
status and the checksum shows where one begins. All else is that of `nonin_packets`.
"""

from functools import partial
from typing import ClassVar, Final

from device_drivers.driver import Driver, Transport, Verified
from device_drivers.format import AnyFormat
from device_drivers.oximeters import nonin, nonin_packets
from device_drivers.oximeters.nonin_host import SELECT_FORMAT
from device_drivers.oximeters.nonin_packet_stream import PacketSession, formats_of
from vitals.identifiers import DeviceType

LAYOUT: Final = nonin_packets.Layout(start=b"", sample_bytes=2)


class DataFrame(nonin_packets.DataFrame):
    """One frame; `pleth` is 0 to 65535."""

    __slots__ = ()
    LAYOUT: ClassVar = LAYOUT


class Packet(nonin_packets.Packet):
    """25 frames; the samples of `pleth` are 0 to 65535."""

    __slots__ = ()
    LAYOUT: ClassVar = LAYOUT


FORMATS: Final[tuple[AnyFormat, ...]] = formats_of(DataFrame, Packet, number=7)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="nonin-df7",
        title="Nonin pulse oximeter, serial data format 7",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=nonin.LINE,
        formats=("nonin-df7-packet", "nonin-df7-frame"),
        measures=nonin.MEASURES,
        session=partial(PacketSession, packet=Packet, data_format=7),
        verified=(Verified.VENDOR_DOCUMENT,),
        stale_after_seconds=10,
        options=(SELECT_FORMAT,),
        missing="data format 1 of older modules; choosing the format on a WristOx2 3150, which has a command of its own",
    ),
)
