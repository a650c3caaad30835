"""UUIDs as this project writes them: full and lower-case. Assigned numbers from the Bluetooth SIG."""

from typing import Final


def sig(short: int) -> str:
    """The full UUID of a 16-bit number that the Bluetooth SIG has assigned."""
    return f"0000{short:04x}-0000-1000-8000-00805f9b34fb"


BLOOD_PRESSURE_SERVICE: Final = sig(0x1810)
HEALTH_THERMOMETER_SERVICE: Final = sig(0x1809)
BATTERY_SERVICE: Final = sig(0x180F)
CURRENT_TIME_SERVICE: Final = sig(0x1805)

BLOOD_PRESSURE_MEASUREMENT: Final = sig(0x2A35)
INTERMEDIATE_CUFF_PRESSURE: Final = sig(0x2A36)
BLOOD_PRESSURE_FEATURE: Final = sig(0x2A49)
TEMPERATURE_MEASUREMENT: Final = sig(0x2A1C)
TEMPERATURE_TYPE: Final = sig(0x2A1D)
INTERMEDIATE_TEMPERATURE: Final = sig(0x2A1E)
MEASUREMENT_INTERVAL: Final = sig(0x2A21)
BATTERY_LEVEL: Final = sig(0x2A19)
DATE_TIME: Final = sig(0x2A08)
CURRENT_TIME: Final = sig(0x2A2B)
