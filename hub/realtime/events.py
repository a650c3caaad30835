"""The guide's three publishing functions, for those who extend the hub: one event each, through the owner, to all its rooms."""

import logging

log = logging.getLogger(__name__)
