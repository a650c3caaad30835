"""A plethysmogram that is generated from the pulse, not recorded."""

import math
from datetime import datetime


def pleth(now: datetime, pulse_rate: int | None, top: int) -> int:
    """A generated plethysmogram from 0 to `top`: a sharp rise, a slow fall and a notch, once a beat."""
    if not pulse_rate:
        return 0
    phase = (now.timestamp() * pulse_rate / 60) % 1.0
    wave = math.exp(-((phase - 0.18) ** 2) / 0.008) + 0.35 * math.exp(-((phase - 0.48) ** 2) / 0.012)
    return round(min(wave, 1.0) * top)
