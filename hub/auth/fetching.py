"""Fetching a provider's key set: one GET, bounded in size and time, to the very address that was configured."""

import ssl
import time
import urllib.error
import urllib.request
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO, Final

from hub.auth.keys import KeysUnavailable

MAX_BYTES: Final = 1024 * 1024
SECONDS: Final = 5.0
_CHUNK: Final = 64 * 1024


class _Direct(urllib.request.HTTPRedirectHandler):
    """Follows nothing: keys come from where an administrator said, not from where an answer points."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def fetch(url: str, ca_file: Path | None) -> bytes:
    """The body at an http or https address. Blocks, for SECONDS at most. Raises KeysUnavailable, which does not repeat the address."""
    ends = time.monotonic() + SECONDS
    try:
        context = ssl.create_default_context(cafile=ca_file)
        opener = urllib.request.build_opener(_Direct, urllib.request.HTTPSHandler(context=context))
        request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the scheme is checked
        with opener.open(request, timeout=SECONDS) as answer:
            return _bounded(answer, ends)
    except urllib.error.HTTPError as error:
        raise KeysUnavailable(f"the provider of keys answers {error.code}") from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise KeysUnavailable(f"the provider of keys does not answer ({type(reason).__name__})") from error


def _bounded(answer: IO[bytes], ends: float) -> bytes:
    body = bytearray()
    while chunk := answer.read(_CHUNK):
        body += chunk
        if len(body) > MAX_BYTES or time.monotonic() > ends:
            raise KeysUnavailable(f"the key set is larger than {MAX_BYTES} bytes, or slower than {SECONDS:g} s")
    return bytes(body)
