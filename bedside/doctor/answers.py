"""Asks the running hub: is it alive and ready, does it believe a token of its secret, is what it shows live."""

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

from bedside.doctor.findings import Finding, failed, not_applicable, ok
from bedside.doctor.running import ASK_SECONDS
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from bedside.hub_client import HubUnreachable, get
from hub.auth.tokens import Role, load_secret, mint
from hub.settings import HubSettings

TOKEN_LIFE: Final = timedelta(minutes=5)
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what a hub may listen on
_UPSTREAM: Final = {
    "redis_lost": ("it does not follow its rooms in Redis", "see the check of Redis, and the hub's log"),
    "ingest_lost": ("it takes in no readings", "see the checks of broker and database, and the hub's log"),
}


def address(settings: HubSettings) -> str:
    """Where the hub answers on this machine."""
    host = _EVERYWHERE.get(settings.host, settings.host)
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def trust(settings: HubSettings) -> ssl.SSLContext | None:
    """Believes the certificate that this hub has, under whatever name it is asked on this machine; None where it speaks no TLS."""
    if settings.tls_certificate is None:
        return None
    context = ssl.create_default_context(cafile=settings.tls_certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def ready(settings: HubSettings, subject: Subject) -> Finding:
    url = address(settings)
    try:
        alive = get(f"{url}/health/live", seconds=ASK_SECONDS, tls=trust(settings))
        answer = get(f"{url}/health/ready", seconds=ASK_SECONDS, tls=trust(settings))
    except HubUnreachable as error:
        return failed(str(error), subject.see("hub", "bedside-hub"), Exit.UNREACHABLE)
    if alive.status != 200:
        advice = f"is it a hub that listens there? choose another port, or stop it: ss -ltnp 'sport = :{settings.port}'"
        return failed(f"{url}/health/live answers {alive.status}", advice, Exit.FAILED)
    if answer.status == 200:
        return ok(f"{url} is alive and ready")
    lacking = ", ".join(_lacking(answer.content)) or f"it answers {answer.status}"
    return failed(f"{url} is alive, but not ready: {lacking}", "see the checks of what it lacks", Exit.UNREACHABLE)


def _lacking(content: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    checks = content.get("checks") if isinstance(content, dict) else None
    for name, said in (checks or {}).items():
        if said != "ok":
            yield f"{name.replace('_', ' ')} ({said})"


def live(settings: HubSettings, subject: Subject) -> Finding:
    """A WebSocket with a token of the secret, which sees no rooms; one ping, whose answer says what the hub has lost."""
    if settings.auth.secret_file is None or not settings.shared_secret:
        return not_applicable("tokens are signed by an identity provider, which isn't asked for one")
    url = f"{address(settings).replace('http', 'ws', 1)}/realtime/ws"
    headers = {"Authorization": f"Bearer {_token(settings, settings.auth.secret_file)}"}
    try:
        with connect(
            url,
            additional_headers=headers,
            compression=None,
            proxy=None,
            open_timeout=ASK_SECONDS,
            close_timeout=1,
            ssl=trust(settings),
        ) as socket:
            socket.send('{"type": "ping"}')
            return _upstream(url, _pong(socket.recv(timeout=ASK_SECONDS)))
    except InvalidStatus as error:
        return _refused(settings, error.response.status_code, error.response.body, subject)
    except (OSError, WebSocketException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return failed(f"{url}: {reason}", subject.see("hub", "bedside-hub"), Exit.UNREACHABLE)


def _token(settings: HubSettings, secret_file: Path) -> str:
    return mint(
        load_secret(secret_file),
        subject="bedside-doctor",
        role=Role.TECHNICIAN,
        ttl=TOKEN_LIFE,
        now=datetime.now(UTC),
        issuer=settings.auth.issuer,
        audience=settings.auth.audience,
    )


def _pong(message: str | bytes) -> dict[str, Any]:
    content = json.loads(message)
    return content if isinstance(content, dict) else {}


def _upstream(url: str, pong: dict[str, Any]) -> Finding:
    upstream = str(pong.get("upstream", "unknown"))
    if upstream == "ok":
        return ok(f"{url}: token believed, and what is shown is live")
    found, advice = _UPSTREAM.get(upstream, (f"it says {upstream!r}", "see the hub's log"))
    return failed(f"{url}: token believed, but {found}", advice, Exit.UNREACHABLE)


def _refused(settings: HubSettings, status: int, body: bytes | bytearray, subject: Subject) -> Finding:
    reason = _reason(body)
    found = f"the hub refuses a token of {settings.auth.secret_file} ({status}{reason})"
    if status in (401, 403):
        return failed(
            found, f"restart the hub, which reads the secret at its start: {subject.restart_hub}", Exit.AUTHENTICATION
        )
    return failed(
        f"{address(settings)}/realtime/ws answers {status}{reason}", subject.see("hub", "bedside-hub"), Exit.FAILED
    )


def _reason(body: bytes | bytearray) -> str:
    """The hub's own words; they hold nothing of the token."""
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    said = content.get("detail") or content.get("title") if isinstance(content, dict) else None
    return f": {said}" if isinstance(said, str) else ""
