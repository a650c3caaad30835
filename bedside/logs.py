"""Logging of a gateway's agent: a level for all, one for each logger named; never what a device sent.

Our own lines hold no readings. Libraries' DEBUG lines do (bleak and dbus-fast write every value that they hand on), so they stay at INFO.
"""

import logging
from typing import Final

from edge_agent.settings import Level, LoggingSettings

log = logging.getLogger(__name__)

OURS: Final = ("edge_agent", "device_drivers", "bedside")
LIBRARIES_FROM: Final = Level.INFO
_LINE: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure(settings: LoggingSettings) -> None:
    """Set up logging for this process: one line a record, to standard error."""
    logging.basicConfig(level=_bounded("root", settings.level), format=_LINE)
    for name, level in (dict.fromkeys(OURS, settings.level) | settings.loggers).items():
        logging.getLogger(name).setLevel(_bounded(name, level))
    for name, level in settings.loggers.items():
        if _bounded(name, level) != level:
            log.warning("%s stays at %s: below it, it writes what devices send", name, LIBRARIES_FROM)


def _bounded(name: str, level: Level) -> str:
    """Only our own loggers go below INFO."""
    ours = name.partition(".")[0] in OURS
    return LIBRARIES_FROM.value if level is Level.DEBUG and not ours else level.value
