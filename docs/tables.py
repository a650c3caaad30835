"""The tables of the documentation, made from the code's own: `./dev docs` writes them between their marks, a test holds them.

A mark is `<!-- table: NAME -->`, up to `<!-- end -->`; with `file:PATH` as the name it holds that file of the checkout.
"""

import re
import sys
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from bedside.annotations import enumeration_in, holds_list, struct_in
from bedside.configuration import variable
from bedside.exits import Exit
from device_drivers.driver import Driver, Option, Transport
from device_drivers.registry import DRIVERS, FORMATS
from edge_agent.connection import mermaid
from hub.auth.rights import RIGHTS, Verb
from hub.auth.settings import OURS
from hub.auth.tokens import Role
from hub.metrics.table import METRICS
from hub.realtime.clients import Close
from hub.realtime.requests import Code
from hub.settings import HubSettings
from vitals.events import EVENTS, EventData, message_type
from vitals.parameters import PARAMETERS
from vitals.rooms import RoomKind

sys.path.insert(0, str(Path(__file__).parent))  # tests load this file by its path
from command_tables import commands
from command_tables import table as _table

DOCS: Final = Path(__file__).parent
MEANINGS: Final = {
    "database_url": "The record: `postgresql+psycopg://USER:PASSWORD@HOST/DATABASE`, or `sqlite+aiosqlite:///PATH` for one hub on one machine.",
    "auth.secret_file": "A file that holds the HS256 key of tokens, at least 32 bytes. This or `[auth.jwks]` must be said.",
    "auth.jwks.url": "Where an identity provider publishes its keys (RFC 7517): `https://…`; `http://` in development only.",
    "auth.jwks.file": "The same as a file, read again every `refresh_seconds`.",
    "auth.jwks.ca_file": "Certificates that the provider's must descend from (the system's).",
    "auth.jwks.refresh_seconds": "How often the keys are read; also when a token names an unknown one, at most every 10 s.",
    "auth.jwks.keep_seconds": "How long the last keys are believed while the provider does not answer; then its tokens get 503.",
    "auth.issuer": "What `iss` of a token must be.",
    "auth.audience": "What `aud` of a token must be.",
    "auth.query_tokens": "Whether `?token=` is a credential; unsaid: yes, save in production.",
    "auth.shared_secret": "Whether tokens signed with `secret_file` are believed; unsaid: yes, save in production.",
    "auth.token_types": "What `typ` of a token may be; `at+jwt` for access tokens of RFC 9068.",
    "auth.lone_audience": "Whether `aud` must be the audience alone; with `false` it may stand in a list, as Keycloak writes it.",
    "auth.leeway_seconds": "By how much the issuer's clock may be ahead, for `iat` and `nbf`; `exp` is exact.",
    **{f"auth.claims.{name}": f"Where in a token `{name}` stands (`a.b.c`)." for name in OURS.mapping()},
    "auth.roles": 'What the issuer\'s names of roles mean: `"ward-nurse" = "clinician"`. Where one is said, other names mean nothing.',
    "auth.public_origin": "The hub's own origin as browsers see it, where a proxy changes scheme, host or port: `https://bedside.hospital.example`.",
    "auth.origins": "Other origins whose pages may talk to the hub; never with the session's cookie.",
    "host": "The address to listen on; `0.0.0.0` for all.",
    "port": "The port to listen on.",
    "tls_certificate": "The hub's own certificate with those that vouch for it (PEM); then it speaks https and wss alone. With `tls_key`.",
    "tls_key": "Its key.",
    "redis_url": "The rooms: `redis://:PASSWORD@HOST:6379/0`, or `rediss://` for TLS.",
    "redis.url": "The same as `redis_url`, which it overrides; or one of the next two.",
    "redis.sentinels": "Sentinels, `HOST:PORT` each; more than half of them must name the same master.",
    "redis.service": "What the Sentinels call it.",
    "redis.cluster": "Some nodes of a Redis Cluster, `HOST:PORT` each; the others are found.",
    "redis.username": "The user there (ACL), with `password_file`.",
    "redis.password_file": "A file that holds the password alone.",
    "redis.sentinel_password_file": "The Sentinels' own password.",
    "redis.tls": "Encrypt, and check the servers' certificates and names; `rediss://` says the same.",
    "redis.ca_file": "Certificates that the servers' must descend from (the system's); only with TLS.",
    "redis.certificate_file": "The hub's own certificate, where the servers ask for one; with `key_file`.",
    "redis.key_file": "Its key.",
    "redis.acknowledged_replicas": "How many replicas must have a publication before it counts; unsaid: 1 on Sentinels and Cluster, 0 on one server. Where fewer are up, all of them.",
    "redis.payload_keys_file": "Keys that seal what the rooms hold in Redis: `bedside secrets DIR --payload-key` makes one.",
    "mqtt.host": "The broker.",
    "mqtt.port": "8883 is usual with TLS.",
    "mqtt.username": "The hub's user there, to whom the access rules let the hub's topics; goes with `password_file`.",
    "mqtt.password_file": "A file that holds the password alone.",
    "mqtt.tls": "Encrypt, and check the broker's certificate and name.",
    "mqtt.ca_file": "Certificates that the broker's must descend from (the system's); only with `tls`.",
    "registry_file": "Who is where, applied at each start: what is missing is added, nothing is moved or removed.",
    "rules_file": "The alert rules; unsaid: those that come with the product (`hub/alerts/default_rules.toml` explains the form).",
    "production": "Refuse what only suits development: an embedded set-up's secret, tokens in addresses, test events.",
    "role": "What this process does: all, or taking in readings, or serving clients; the last two need PostgreSQL.",
    "limits.message_bytes": "A client's WebSocket message.",
    "limits.connection_rooms": "Rooms that one connection may follow.",
    "limits.user_connections": "Connections of one user, over all nodes; while Redis does not answer, on each.",
    "limits.unsent_bytes": "What may wait for a client before it is closed as too slow (4490).",
    "limits.behind_bytes": "From how much on that waits for a client its numerics are coalesced: of continuous values only the latest is kept.",
    "limits.waveform_bytes": "How much of the newest waveforms is kept for a client that has not taken a quarter as much; older ones are dropped.",
    "limits.message_errors": "Bad messages in a row before a client is closed.",
    "limits.user_messages_a_second": "Messages of one user a second, over all connections and nodes, publishing over REST among them. Acknowledging is never limited.",
    "limits.user_message_burst": "How many messages a user who was quiet may send at once.",
    "limits.rate_errors": "Messages beyond the rate, less those within it, before the connection that sends them is closed (4429).",
    "limits.head_bytes": "Address and headers of a request.",
    "limits.request_bytes": "The body of a REST request.",
    "limits.token_bytes": "A token.",
    "limits.history_seconds": "How far back a room's history reaches, and",
    "limits.history_bytes": "how much it holds: whichever ends first.",
    "limits.replay_messages": "Messages of a room's history in one answer.",
    "limits.replay_bytes": "Missed messages that one request to subscribe is given, about; rooms of which more were missed are told as a gap, with their latest state.",
    "limits.ping_seconds": "How often the hub pings a WebSocket client.",
    "limits.silence_seconds": "After how long without a sign of life a client is closed, and any whose network takes nothing (on Linux); more than `ping_seconds`.",
    "limits.comment_seconds": "How often an SSE stream gets a comment, so that proxies keep it open.",
    "limits.top_check_seconds": "How often every watched room is compared with its history, for messages that Redis lost on their way.",
    "limits.canary_seconds": "How often a canary goes through Redis's live channel, to notice that it has died.",
    "limits.retry_seconds": "How long to wait between attempts to follow the rooms again.",
    "limits.lease_margin_seconds": "How much before a lease's end the rooms refuse its owner: as much as database's and Redis's clocks may differ.",
    "limits.arrival_seconds": "How long address and headers of a request or handshake may take to arrive.",
    "limits.arriving_connections": "For how many connections address and headers are waited at a time; of more, the one that has taken longest is ended.",
    "limits.drain_seconds": "When the hub stops: over how long its clients are asked to reconnect elsewhere, one after the other.",
    "limits.presence_lease_seconds": "How long a user counts as present on a node that has died.",
    "limits.presence_refresh_seconds": "How often each node renews the presence of its users; at most half of `presence_lease_seconds`.",
    "limits.node_lease_seconds": "After how long without a word a node counts as gone: its connections count no more for `user_connections` and the statistics.",
    "limits.request_seconds": "How long a REST request waits for the record.",
    "limits.redis_connections": "Connections to each Redis server; who needs one more waits for it,",
    "limits.redis_wait_seconds": "at most so long.",
    "metrics.token_file": "A file that holds the token with which Prometheus reads `/metrics`, at least 32 bytes; unsaid: only admins may.",
    "limits.token_life_seconds": "From a token's `iat` to its `exp` at most; a revocation is kept as long.",
    "limits.ticket_seconds": "How long a ticket is good for.",
    "limits.expiring_seconds": "How long before its token's end a client is told.",
    "limits.access_seconds": "How often a node looks for revocations, break-glass, and who has moved.",
    "limits.recheck_seconds": "How often all open rooms are checked against the rights anew.",
    "limits.break_glass_seconds": "How long break-glass opens a patient.",
    "logging.level": "From which level the hub writes lines.",
    "logging.loggers": 'A level for a package or module alone: `"hub.rooms" = "DEBUG"`; as a variable `BEDSIDE_LOGGING__LOGGERS__HUB__ROOMS=DEBUG`.',
}
"""What each key of hub.toml is for."""

_MARKED: Final = re.compile(r"(<!-- table: (?P<name>[a-z-]+(?::[\w./-]+)?) -->\n).*?(?=<!-- end -->)", re.DOTALL)
_LANGUAGES: Final = {".py": "python", ".json": "json", ".toml": "toml"}


def events() -> str:
    """Every event with its message type, rooms and the members of its data."""
    rows = (
        (f"`{event}`", f"`{message_type(event)}`", _codes(facts.rooms), _members(facts.data))
        for event, facts in EVENTS.items()
    )
    return _table(("event", "`type`", "rooms", "`data`"), rows)


def rights() -> str:
    """Role × verb: the kinds of room; an empty cell is a no."""
    rows = ((f"`{role}`", *(_kinds(RIGHTS[role].get(verb, frozenset())) for verb in Verb)) for role in Role)
    return _table(("role", *(f"`{verb}`" for verb in Verb)), rows)


def vitals() -> str:
    """Every parameter: where it stands in a message, in which unit, and under which codes."""
    rows = (
        (
            f"`{facts.vital}`" + (f" `.{facts.member}`" if facts.member else ""),
            f"`{facts.unit}`",
            facts.loinc,
            str(facts.mdc),
            f"{facts.low} to {facts.high}",
        )
        for facts in PARAMETERS.values()
    )
    return _table(("vital", "unit (UCUM)", "LOINC", "MDC", "plausible"), rows)


def close_codes() -> str:
    return _table(
        ("code", "why", "reconnect"),
        ((str(code.value), code.name.lower().replace("_", " "), "yes" if code < 4500 else "no") for code in Close),
    )


def error_codes() -> str:
    return ", ".join(f"`{code}`" for code in Code) + "\n"


def devices() -> str:
    """Every driver: what it reads, over what, how it was verified, and what is known to be missing."""
    rows = (
        (
            f"`{driver.key}`",
            driver.title,
            " ".join(f"`{key}`" for key in driver.formats),
            _line(driver),
            ", ".join(f"`{parameter}`" for parameter in driver.measures),
            ", ".join(driver.verified),
            driver.missing or "–",
        )
        for driver in sorted(DRIVERS.values(), key=lambda driver: (driver.device_type, driver.key))
    )
    return _table(("driver", "device", "formats", "transport", "measures", "verified by", "known to be missing"), rows)


def unverified() -> str:
    """What rests on nothing sure, and is used only where a device's options say so."""
    rows = ((f"`{driver.key}`", fact) for driver in DRIVERS.values() for fact in driver.unverified)
    return _table(("driver", "only with the option `unverified`"), rows)


def driver_options() -> str:
    """Every option of every driver."""
    rows = (
        (f"`{driver.key}`", f"`{option.name}`", f"`{_toml(option.default)}`", _bounded(option))
        for driver in DRIVERS.values()
        for option in driver.all_options
    )
    return _table(("driver", "option", "default", "meaning"), rows)


def formats() -> str:
    """Every format of `bedside decode`."""
    rows = ((f"`{entry.key}`", entry.title, entry.source) for entry in FORMATS.values())
    return _table(("key", "what", "source"), rows)


def _toml(value: bool | int | str) -> str:  # noqa: FBT001 - an option's value may be one
    return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')


def _bounded(option: Option) -> str:
    bounds = [str(bound) for bound in (option.low, option.high) if bound is not None]
    return f"{option.text}; {' to '.join(bounds)}" if bounds else option.text


def connection() -> str:
    return f"```mermaid\n{mermaid()}```\n"


def hub_settings() -> str:
    """Every key of hub.toml, with what it may be and what it means."""
    return _table(("key", "may be", "default", "meaning"), _settings(HubSettings))


def exit_codes() -> str:
    return _table(("code", "meaning"), ((str(code.value), code.meaning) for code in Exit))


def metrics() -> str:
    """Every metric of `/metrics`."""
    rows = (
        (f"`{each.name}`", each.kind.value, ", ".join(f"`{label}`" for label in each.labels), each.help)
        for each in METRICS.values()
    )
    return _table(("name", "kind", "labels", "meaning"), rows)


TABLES: Final[dict[str, Callable[[], str]]] = {
    "events": events,
    "rights": rights,
    "vitals": vitals,
    "close-codes": close_codes,
    "error-codes": error_codes,
    "devices": devices,
    "unverified": unverified,
    "driver-options": driver_options,
    "formats": formats,
    "connection": connection,
    "hub-settings": hub_settings,
    "commands": commands,
    "exit-codes": exit_codes,
    "metrics": metrics,
}


def filled(text: str) -> str:
    """`text` with every marked table as the code has it. Raises KeyError for a mark without a table."""
    return _MARKED.sub(lambda mark: f"{mark[1]}\n{_content(mark['name'])}\n", text)


def _content(name: str) -> str:
    """A table by its name, or after `file:` a whole file of the checkout, as a block of code."""
    kind, colon, path = name.partition(":")
    if not colon:
        return TABLES[name]()
    assert kind == "file"  # noqa: S101 - there is no other kind
    text = (DOCS.parent / path).read_text(encoding="utf-8")
    return f"```{_LANGUAGES[Path(path).suffix]}\n{text}```\n"


def documents() -> list[Path]:
    """The documents that have tables."""
    return [path for path in sorted(DOCS.rglob("*.md")) if _MARKED.search(path.read_text(encoding="utf-8"))]


def _settings(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, ...]]:
    for field in msgspec.structs.fields(kind):
        key = f"{prefix}{field.name}"
        if (inner := struct_in(field.type)) is not None:
            yield from _settings(inner, f"{key}.")
        else:
            yield f"`{key}`<br>`{variable(key)}`", _form(field.type), _default(field), MEANINGS[key]


def _form(annotation: object) -> str:
    """What a key may be, in a reader's words."""
    if (choices := enumeration_in(annotation)) is not None:
        words = ", ".join(f"`{choice.value}`" for choice in choices)
        return f"a table of {words}" if "dict" in str(annotation) else words
    if holds_list(annotation):
        return "a list of text"
    names = {"bool": "true or false", "int": "whole number", "float": "number", "Path": "path", "str": "text"}
    return next(said for name, said in names.items() if name in str(annotation)) + _bounds(annotation)


def _bounds(annotation: object) -> str:
    for meta in typing.get_args(annotation)[1:]:
        if isinstance(meta, msgspec.Meta):
            if meta.le is not None:
                return f", {meta.ge} to {meta.le}"
            return f", at least {meta.ge}" if meta.ge is not None else f", more than {meta.gt}"
    return ""


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be said"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value in (None, {}, ()):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _line(driver: Driver) -> str:
    names = {Transport.BLE: "Bluetooth LE", Transport.USB_HID: "USB HID", Transport.ONE_WIRE: "1-Wire"}
    return f"serial, {driver.serial}" if driver.serial else names[driver.transport]


def _kinds(kinds: frozenset[RoomKind]) -> str:
    """Groups by their first word; a group that is not whole is spelled out."""
    groups: dict[str, list[RoomKind]] = {}
    for kind in RoomKind:
        groups.setdefault(kind.split(":")[0], []).append(kind)
    said = []
    for name, members in groups.items():
        held = [kind for kind in members if kind in kinds]
        said.append(name if held == members else _codes(held))
    return ", ".join(filter(None, said))


def _members(data: type[EventData]) -> str:
    return ", ".join(f"`{field.name}{'' if field.required else '?'}`" for field in msgspec.structs.fields(data))


def _codes(words: Iterable[object]) -> str:
    return ", ".join(f"`{word}`" for word in words)
