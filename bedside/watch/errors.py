"""What can keep a screen from showing a ward.

WatchError
├── HubLost      the hub does not answer, or the link to it broke; it may come back
├── HubRefused   the token is not believed, or may not watch this; it won't get better by itself
└── NotThere     no such hospital, ward or patient, or no single one
"""


class WatchError(Exception):
    """Root of the package's errors; the message is for the person who watches."""


class HubLost(WatchError):
    """`silent_seconds`: how long nothing had come when it was noticed."""

    def __init__(self, message: str, *, silent_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.silent_seconds = silent_seconds


class HubRefused(WatchError):
    pass


class NotThere(WatchError):
    pass
