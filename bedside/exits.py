"""Exit codes, and the errors that carry them."""

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    UNREACHABLE = 4  # a dependency can't be reached or is missing
    AUTHENTICATION = 5


class CommandFailed(Exception):
    """Ends a command with `code`; the message is for the person who typed it."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code
