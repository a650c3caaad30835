"""Refusals.

HubError
├── Unauthenticated   no credential, or one that is not believed
│   └── InvalidToken  a token that is not believed
└── Forbidden         believed, but not allowed this
"""

from hub.errors import HubError


class Unauthenticated(HubError):
    """The message says what was wrong and holds nothing of the credential."""


class InvalidToken(Unauthenticated):
    pass


class Forbidden(HubError):
    pass
