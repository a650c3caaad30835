"""Microlife's frames."""

from hypothesis import strategies as st

from device_drivers.cuffs import microlife
from device_drivers.cuffs.microlife import FIRST_RECORD, Frame, Record
from device_drivers.date_time import DateTime
from tests.device_drivers.families.family import Stream
from vitals.parameters import Parameter


def record(systolic):
    time = DateTime.parse("2026-11-23T13:00:00")
    return bytes(Record(systolic=systolic, diastolic=60, pulse_rate=70, timestamp=time))


def records_frame(*records):
    return bytes(Frame(payload=bytes(FIRST_RECORD) + b"".join(records)))


MESSAGES = {"microlife": st.builds(Frame, payload=st.binary(max_size=120), to_cuff=st.booleans())}
STREAMS = {
    "microlife-ble": Stream(
        unit=lambda systolic: records_frame(record(systolic)),
        parameter=Parameter.SYSTOLIC,
        notify=microlife.NOTIFY,
        raw=record,
    )
}
