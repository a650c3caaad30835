"""Exit codes, and the errors that carry them."""

from enum import IntEnum
from typing import Self


class Exit(IntEnum):
    """How a command ended; `meaning` in words."""

    meaning: str

    OK = 0, "ok"
    FAILED = 1, "failed"
    USAGE = 2, "the command was typed wrongly"
    CONFIGURATION = 3, "the configuration is wrong, or something isn't installed"
    UNREACHABLE = 4, "a dependency can't be reached, or is missing"
    AUTHENTICATION = 5, "a password or token is refused"

    def __new__(cls, value: int, meaning: str) -> Self:
        member = int.__new__(cls, value)
        member._value_, member.meaning = value, meaning
        return member


class CommandFailed(Exception):
    """Ends a command with `code`; the message is for the person who typed it."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code
