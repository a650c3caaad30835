"""What can be wrong with words of the shared language.

VitalsError
├── InvalidIdentifier   an id has a length or a character that ids do not have
├── InvalidRoom         a room's name does not parse
├── InvalidTopic        an MQTT topic is none of ours
└── InvalidEnvelope     an MQTT payload does not decode, or is of a version that is not spoken
"""

from typing import Final

IDENTIFIER_FORM: Final = "1 to 64 of the characters A-Z a-z 0-9 _ . -"


class VitalsError(Exception):
    """Root of the package's errors."""


class InvalidIdentifier(VitalsError):
    """`text` is no identifier; `what` names which one was expected."""

    def __init__(self, what: str, text: str) -> None:
        super().__init__(f"{what} must be {IDENTIFIER_FORM}, not {text[:80]!r}")
        self.what = what
        self.text = text


class InvalidRoom(VitalsError):
    """`text` names no room."""

    def __init__(self, text: str) -> None:
        super().__init__(f"there is no room of the form {text[:200]!r}")
        self.text = text


class InvalidTopic(VitalsError):
    """`text` is no topic of this product."""

    def __init__(self, text: str) -> None:
        super().__init__(f"no topic of ours: {text[:200]!r}")
        self.text = text


class InvalidEnvelope(VitalsError):
    """An MQTT payload was refused; `reason` is short, stable and holds nothing of the payload."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
