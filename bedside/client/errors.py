"""What can go wrong for a user of the client.

ClientError
├── ConnectionEnded    the hub will not have us back as we are (token, rights): the iterator's last word
├── NotConnected       there is no connection to ask over, or it broke before the answer; ask again when there is one
├── RequestRefused     the hub answered a request with an error
└── TokenUnavailable   to be raised by a token callable: there is no token now, try again later
"""


class ClientError(Exception):
    """Root of the package's errors. No message holds a token or a patient's data."""


class ConnectionEnded(ClientError):
    """`code` is a WebSocket close code from 4500 on, or the HTTP status (401, 403) with which a handshake was refused."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason or 'the hub closed the connection'} (code {code})")
        self.code = code
        self.reason = reason


class NotConnected(ClientError):
    pass


class RequestRefused(ClientError):
    """`code` is one of the hub's error codes, such as `rate_limited`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


class TokenUnavailable(ClientError):
    pass
