"""TLS towards others: contexts for clients, and what is said, in words for a person, where it does not come about."""

import ssl
from collections.abc import Iterator
from pathlib import Path


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself where the handshake fails: paho forgets such a socket and leaves it open."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's own
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Believes certificates of an authority, or of the system's. Raises OSError for a file that can't be read, or holds none."""
    context = ssl.create_default_context(cafile=ca_file)
    context.sslsocket_class = _ClosingSocket
    return context


def tls_fault(error: BaseException | None) -> str | None:
    """Why no TLS came about, where that is behind an error; None where it is something else."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"no TLS with it: {cause.reason or type(cause).__name__}"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
