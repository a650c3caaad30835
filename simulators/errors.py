"""What can go wrong in the simulators.

SimulatorError
├── InvalidPlan       ward.toml says something that can't be
├── InvalidRecording  a recording can't be read
├── LinkGone          a central left, or never confirmed
├── Unreadable        a characteristic has no value to read, whatever its properties say
└── BluetoothFailed   the simulated stack could not do what it was asked
"""


class SimulatorError(Exception):
    """Root of the package's errors."""


class InvalidPlan(SimulatorError):
    pass


class InvalidRecording(SimulatorError):
    pass


class LinkGone(SimulatorError):
    pass


class Unreadable(SimulatorError):
    pass


class BluetoothFailed(SimulatorError):
    pass
