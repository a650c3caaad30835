"""Logging: a level for all, one for each logger, the guide's names understood; never a token, never a patient's data.

Our own lines hold neither. Libraries' lines may hold addresses with `?token=`, so every query string is cut from every line; and
their DEBUG lines hold statements and frames, so they stay at INFO.
"""

import logging
import logging.config
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hub.settings import Level, LoggingSettings

log = logging.getLogger(__name__)

OURS: Final = "hub"
LIBRARIES_FROM: Final = Level.INFO

ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "app.services.websocket_manager": ("hub.realtime.websocket", "hub.realtime.sse", "hub.realtime.clients"),
        "app.services.realtime_events": ("hub.realtime.events", "hub.rooms"),
    }
)
"""The guide's logger names, and where in this product their subjects are."""

_QUERY = re.compile(r"\?[^\s\"']*")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


class Redacting(logging.Filter):
    """Cuts query strings and anything that looks like a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = _TOKEN.sub("[token]", _QUERY.sub("?[cut]", message) if "?" in message else message)
        if clean != message:
            record.msg, record.args = clean, None
        return True


def configure(settings: LoggingSettings) -> None:
    """Set up logging for this process: one line a record, to standard error."""
    levels = {target: level for name, level in settings.loggers.items() for target in ALIASES.get(name, (name,))}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"redacting": {"()": Redacting}},
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
            "handlers": {
                "standard_error": {
                    "class": "logging.StreamHandler",
                    "formatter": "line",
                    "filters": ["redacting"],
                }
            },
            "root": {"level": _bounded("root", settings.level), "handlers": ["standard_error"]},
            "loggers": {
                name: {"level": _bounded(name, level)} for name, level in ({OURS: settings.level} | levels).items()
            },
        }
    )
    for name, level in levels.items():
        if _bounded(name, level) != level:
            log.warning("%s stays at %s: below it, it writes patients' data", name, LIBRARIES_FROM)


def _bounded(name: str, level: Level) -> str:
    """Only our own loggers go below INFO: there a library writes whole statements, frames and headers."""
    ours = name == OURS or name.startswith(f"{OURS}.")
    return LIBRARIES_FROM.value if level is Level.DEBUG and not ours else level.value
