"""What can go wrong in the agent.

AgentError
├── InvalidSettings     gateway.toml says something that can't be; `where` names the key
├── OutboxFault         the disk refused: full, read-only, or broken; `reason` says which
├── IllegalTransition   a state machine was given an event that its table doesn't have: a bug
└── MqttUnavailable     the broker can't be reached, refused us, or the link to it broke
"""

from enum import StrEnum, unique


class AgentError(Exception):
    """Root of the package's errors."""


class InvalidSettings(AgentError):
    """`where` is the key, `problem` what is wrong with it and what to do."""

    def __init__(self, source: str, where: str, problem: str) -> None:
        super().__init__(f"{source}: {where}: {problem}" if where else f"{source}: {problem}")
        self.source = source
        self.where = where
        self.problem = problem


@unique
class DiskProblem(StrEnum):
    """Why the outbox can't write."""

    FULL = "disk_full"
    READ_ONLY = "read_only"
    BROKEN = "io_error"
    CORRUPT = "corrupt"


class OutboxFault(AgentError):
    """The outbox database couldn't be read or written."""

    def __init__(self, reason: DiskProblem, detail: str) -> None:
        super().__init__(f"outbox: {reason}: {detail}")
        self.reason = reason


class IllegalTransition(AgentError):
    """`state` has no way out by `event`."""

    def __init__(self, state: object, event: object) -> None:
        super().__init__(f"{state} has no transition for {event}")


class MqttUnavailable(AgentError):
    """No link to the broker, or no more."""
