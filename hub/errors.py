"""What can go wrong in the hub.

HubError
├── ConfigurationError   a setting can't be used; the message names it and says what to do
├── Unavailable          a component does not answer
│   ├── RecordUnavailable
│   ├── RoomsUnavailable
│   ├── BrokerUnavailable
│   └── RestoreUntold    the database is older than what was published from it
├── Fenced               another owner, or another record epoch, has taken over (delivery rules 5 and 11)
├── Unreadable           a message in Redis can't be opened: its key is unknown, or it was changed
├── NotFound             no such hospital, patient or device
├── Conflict             the request contradicts what is recorded
└── Invalid              the request's content is refused; `faults` says what and where
"""


class HubError(Exception):
    """Root of the package's errors."""


class ConfigurationError(HubError):
    pass


class Unavailable(HubError):
    pass


class RecordUnavailable(Unavailable):
    pass


class RoomsUnavailable(Unavailable):
    pass


class BrokerUnavailable(Unavailable):
    pass


class RestoreUntold(Unavailable):
    pass


class Fenced(HubError):
    pass


class Unreadable(HubError):
    pass


class NotFound(HubError):
    """`kind` and `name` of what isn't there."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is no {kind} {name!r}")
        self.kind = kind
        self.name = name


class Conflict(HubError):
    pass


class Invalid(HubError):
    """`faults` are sentences for people, one a fault."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
