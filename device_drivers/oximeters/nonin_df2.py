"""Nonin serial data format 2 (OEM III, Xpod, WristOx2 3150, 9560): 9600 baud, 8N1, 75 frames a second, a waveform of 8 bits.

Source: 9560 OEM Specification, "Serial Data Format #2". A frame is `01 STATUS PLETH FLOAT CHECKSUM`; 0x01 also occurs within frames. All else is
that of `nonin_packets`.
"""

from functools import partial
from typing import ClassVar, Final

from device_drivers.driver import Driver, Transport, Verified
from device_drivers.format import AnyFormat
from device_drivers.oximeters import nonin, nonin_packets
from device_drivers.oximeters.nonin_host import SELECT_FORMAT
from device_drivers.oximeters.nonin_packet_stream import PacketSession, formats_of
from vitals.identifiers import DeviceType

LAYOUT: Final = nonin_packets.Layout(start=b"\x01", sample_bytes=1)


class DataFrame(nonin_packets.DataFrame):
    """One frame; `pleth` is 0 to 255."""

    __slots__ = ()
    LAYOUT: ClassVar = LAYOUT


class Packet(nonin_packets.Packet):
    """25 frames; the samples of `pleth` are 0 to 255."""

    __slots__ = ()
    LAYOUT: ClassVar = LAYOUT


FORMATS: Final[tuple[AnyFormat, ...]] = formats_of(DataFrame, Packet, number=2)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="nonin-df2",
        title="Nonin pulse oximeter, serial data format 2",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=nonin.LINE,
        formats=("nonin-df2-packet", "nonin-df2-frame"),
        measures=nonin.MEASURES,
        session=partial(PacketSession, packet=Packet, data_format=2),
        verified=(Verified.VENDOR_DOCUMENT, Verified.CAPTURE),
        stale_after_seconds=10,
        options=(SELECT_FORMAT,),
        missing="data format 1 of older modules; choosing the format on a WristOx2 3150, which has a command of its own",
    ),
)
