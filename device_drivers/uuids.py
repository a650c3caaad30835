"""UUIDs as this project writes them: full and lower-case. Assigned numbers from the Bluetooth SIG."""

from typing import Final


def sig(short: int) -> str:
    """The full UUID of a 16-bit number that the Bluetooth SIG has assigned."""
    return f"0000{short:04x}-0000-1000-8000-00805f9b34fb"


def short(uuid: str) -> str:
    """Four digits for a UUID that the Bluetooth SIG has assigned, as in `sig`; another as it is."""
    return uuid[4:8].upper() if uuid == sig(int(uuid[4:8], 16)) else uuid


BLOOD_PRESSURE_SERVICE: Final = sig(0x1810)
HEALTH_THERMOMETER_SERVICE: Final = sig(0x1809)
HEART_RATE_SERVICE: Final = sig(0x180D)
PULSE_OXIMETER_SERVICE: Final = sig(0x1822)
BATTERY_SERVICE: Final = sig(0x180F)
CURRENT_TIME_SERVICE: Final = sig(0x1805)
GLUCOSE_SERVICE: Final = sig(0x1808)
DEVICE_INFORMATION_SERVICE: Final = sig(0x180A)
WEIGHT_SCALE_SERVICE: Final = sig(0x181D)

BLOOD_PRESSURE_MEASUREMENT: Final = sig(0x2A35)
INTERMEDIATE_CUFF_PRESSURE: Final = sig(0x2A36)
BLOOD_PRESSURE_FEATURE: Final = sig(0x2A49)
TEMPERATURE_MEASUREMENT: Final = sig(0x2A1C)
TEMPERATURE_TYPE: Final = sig(0x2A1D)
INTERMEDIATE_TEMPERATURE: Final = sig(0x2A1E)
MEASUREMENT_INTERVAL: Final = sig(0x2A21)
PLX_SPOT_CHECK: Final = sig(0x2A5E)
PLX_CONTINUOUS: Final = sig(0x2A5F)
PLX_FEATURES: Final = sig(0x2A60)
HEART_RATE_MEASUREMENT: Final = sig(0x2A37)
BODY_SENSOR_LOCATION: Final = sig(0x2A38)
BATTERY_LEVEL: Final = sig(0x2A19)
DATE_TIME: Final = sig(0x2A08)
CURRENT_TIME: Final = sig(0x2A2B)
GLUCOSE_MEASUREMENT: Final = sig(0x2A18)
RECORD_ACCESS_CONTROL_POINT: Final = sig(0x2A52)
WEIGHT_MEASUREMENT: Final = sig(0x2A9D)
WEIGHT_SCALE_FEATURE: Final = sig(0x2A9E)
