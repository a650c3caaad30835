"""Entries on the disk: deflate with a dictionary of the words that every entry has, so that 72 hours of four devices fit.

Each entry is packed alone (it must be readable alone). The dictionary is part of the file format: packed bytes begin with its
number, and a change of the words that pay gets a new number beside the old one, never in its place.
"""

import zlib
from typing import Final

LEVEL: Final = 6
WINDOW_BITS: Final = -12  # 4 KiB, raw deflate: an entry is smaller
_MEMORY_LEVEL: Final = 4
_FORMAT: Final = b"\x01"

# The end of a dictionary is the cheapest to refer to: what every reading has comes last.
_DICTIONARY_1: Final = (
    b'{"type":"outbox_started","sequence":"previous_epoch":"previous_top":"at":"'
    b'{"type":"device_event","sequence":,"event":{"kind":"connected","disconnected","status","fault","device":'
    b'"status":"online","offline","idle","reason":"link_lost","sleeping","battery_percent":"faults":["'
    b'"sent_number":,"sent_unit":"mmHg","device_time":"2026-01-01T,"time_uncertain":true,"stored":true,"record":,"user":'
    b'"quality":"questionable","reasons":["quality":"missing","reasons":["no_finger","searching","sensor_disconnected",'
    b'"artifact","low_perfusion","weak_signal","motion","implausible","measurement_failed","not_measured"],'
    b'"unit":"kPa""unit":"Cel""unit":"[degF]""unit":"mm[Hg]"},{"parameter":"diastolic","number":80,"unit":"mm[Hg]"},'
    b'{"parameter":"mean","number":93,{"parameter":"systolic","number":120,{"parameter":"pulse_rate","number":70,'
    b'{"parameter":"temperature","number":36.6,{"parameter":"perfusion_index","number":1.5,"unit":"%"}'
    b'"data_type":"blood_pressure","device":{"device_type":"blood_pressure_monitor","device_id":"'
    b'"data_type":"temperature","device":{"device_type":"thermometer","device_id":"'
    b'"replayed":{"recording":"mimic","position_seconds":,"speed":60.0}}}'
    b'{"type":"reading","sequence":100,"reading":{"data_type":"spo2","device":{"device_type":"pulse_oximeter",'
    b'"device_id":"oximeter-"},"values":[{"parameter":"spo2","number":97,"unit":"%"},'
    b'{"parameter":"oximeter_pulse_rate","number":71,"unit":"/min"}],"measured":"2026-11-24T12:00:00.000000Z",'
    b'"received":"2026-11-24T12:00:00.000000Z","raw":"AAAA"}}'
)


def pack(body: bytes) -> bytes:
    compressor = zlib.compressobj(
        LEVEL, zlib.DEFLATED, WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY_1
    )
    return _FORMAT + compressor.compress(body) + compressor.flush()


def unpack(packed: bytes) -> bytes:
    """What `pack` was given. Raises ValueError for bytes that it never made."""
    if packed[:1] != _FORMAT:
        raise ValueError(f"packed with dictionary {packed[:1].hex()}, which this version doesn't know")
    decompressor = zlib.decompressobj(WINDOW_BITS, _DICTIONARY_1)
    try:
        body = decompressor.decompress(packed[1:])
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not decompressor.eof:
        raise ValueError("cut short")
    return body
