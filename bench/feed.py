"""Readings of single beds, sent through one gateway and numbered on: what causes the hub's messages in the fan-out."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from bench.gateway import Gateway
from bench.ward import bed_batch, ward_batch

WARD_WINDOW: Final = 1_000


class Feed:
    """The gateway must have been greeted. Each `publish` is one MQTT message, and one vitals message a reading."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._epoch = secrets.token_hex(8)
        self._record_epoch = gateway.greeted()
        self._began = datetime.now(UTC)
        self._sent = 0
        self._turns = 0
        gateway.begin(self._epoch)

    def publish(self, bed: int, places: range) -> None:
        """Send the bed's readings of these numbers."""
        batch = bed_batch(
            bed,
            places,
            first=self._sent + 1,
            epoch=self._epoch,
            record_epoch=self._record_epoch,
            at=self._began + timedelta(milliseconds=self._sent - places.start),
        )
        self._sent += batch.count
        self._gateway.publish(batch, window=batch.count)

    def publish_ward(self, count: int, *, at: datetime) -> None:
        """Send readings of the next `count` beds, measured at `at`; at most a thousand are unacknowledged."""
        batch = ward_batch(
            range(self._turns, self._turns + count),
            first=self._sent + 1,
            epoch=self._epoch,
            record_epoch=self._record_epoch,
            at=at,
        )
        self._turns += count
        self._sent += batch.count
        self._gateway.publish(batch, window=WARD_WINDOW)

    def settle(self) -> None:
        """Return when all is acknowledged."""
        self._gateway.finish()
