"""Ingest as a whole: one connection to the broker, and an owner for every hospital and for `system`."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from hub.alerts.rules import Rule
from hub.ingest.broker import Broker, Delivery, LiveBroker
from hub.ingest.counters import Counters
from hub.ingest.entries import is_possible
from hub.ingest.owner import Arrival, Owner
from hub.ingest.waveforms import Waveforms
from hub.record.record import Record
from hub.rooms.rooms import Rooms
from hub.settings import MqttSettings
from vitals.envelope import RejectionReason, decode_batch, decode_state
from vitals.errors import InvalidEnvelope, InvalidTopic
from vitals.identifiers import SYSTEM, GatewayId, HospitalId
from vitals.topics import PREFIX, Channel, parse_topic

log = logging.getLogger(__name__)

TOPICS = tuple(f"{PREFIX}/+/{channel}" for channel in (Channel.READINGS, Channel.EVENTS, Channel.STATE))
LIVE_TOPICS = (f"{PREFIX}/+/{Channel.WAVEFORMS}",)


class Ingest:
    """Start it with `run`. `alive_at` is when the slowest owner last held its lease for certain; None: none does."""

    def __init__(
        self,
        record: Record,
        rooms: Rooms,
        mqtt: MqttSettings | None,
        rules: Sequence[Rule],
        *,
        name: str,
        new_id: Callable[[], str],
    ) -> None:
        self.counters = Counters()
        self._record = record
        self._rooms = rooms
        self._mqtt = mqtt
        self._rules = rules
        self._name = name
        self._new_id = new_id
        self._owners: dict[HospitalId, Owner] = {}
        self._hospital_of: dict[GatewayId, HospitalId] = {}
        self._broker: Broker | None = None
        self._live_broker: LiveBroker | None = None

    @property
    def alive_at(self) -> datetime | None:
        times = [owner.alive_at for owner in self._owners.values() if owner.is_owner and owner.alive_at]
        return min(times) if times and len(times) == len(self._owners) else None

    @property
    def broker_connected(self) -> bool:
        return self._broker is not None and self._broker.is_connected

    @property
    def waveforms_connected(self) -> bool:
        """They have a connection of their own, whose loss disturbs nothing else."""
        return self._live_broker is not None and self._live_broker.is_connected

    def hospital_of(self, gateway_id: GatewayId) -> HospitalId | None:
        """The gateway's hospital; None where it isn't registered."""
        return self._hospital_of.get(gateway_id)

    async def run(self) -> None:
        """Own every registered hospital until cancelled."""
        self._hospital_of = await self._record.registry.gateway_hospitals()
        for hospital_id in (*await self._record.registry.hospital_ids(), SYSTEM):
            self._owners[hospital_id] = Owner(
                hospital_id,
                self._record,
                self._rooms,
                self._rules,
                self.counters,
                name=self._name,
                new_id=self._new_id,
            )
        if self._mqtt is not None:
            self._broker = Broker(self._mqtt, TOPICS, self._received, self._connected)
            for owner in self._owners.values():
                owner.attach(self._broker)
            await self._broker.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._mqtt is not None:
                    tasks.create_task((await self._waveforms(self._mqtt)).run(), name="waveforms")
                for hospital_id, owner in self._owners.items():
                    tasks.create_task(owner.run(), name=f"owner {hospital_id}")
        finally:
            for broker in (self._broker, self._live_broker):
                if broker is not None:
                    await broker.stop()

    async def _waveforms(self, mqtt: MqttSettings) -> Waveforms:
        waveforms = Waveforms(self._rooms, self.counters, owner_of=self._owner_of, new_id=self._new_id)
        self._live_broker = LiveBroker(mqtt, LIVE_TOPICS, waveforms.received)
        await self._live_broker.start()
        return waveforms

    def _owner_of(self, gateway_id: GatewayId) -> Owner | None:
        hospital_id = self._hospital_of.get(gateway_id)
        return None if hospital_id is None else self._owners[hospital_id]

    def _connected(self) -> None:
        for owner in self._owners.values():
            owner.greet_again()

    def _received(self, delivery: Delivery) -> None:
        """Route a message to its owner, or refuse it: then it is counted and the broker may forget it."""
        gateway = "unknown"
        try:
            gateway, channel = parse_topic(delivery.topic)
            hospital = self._hospital_of.get(gateway)
            if channel is Channel.STATE:
                self._take_state(gateway, hospital, delivery)
            else:
                self._take_batch(gateway, hospital, delivery)
        except InvalidTopic:
            self._refuse(delivery, gateway, "unknown_topic")
        except InvalidEnvelope as refusal:
            self._refuse(delivery, gateway, refusal.reason)

    def _take_batch(self, gateway: GatewayId, hospital: HospitalId | None, delivery: Delivery) -> None:
        batch = decode_batch(delivery.payload)
        if batch.gateway != gateway:
            raise InvalidEnvelope("foreign_gateway")
        if hospital is None:
            raise InvalidEnvelope(RejectionReason.UNKNOWN_GATEWAY)
        if not is_possible(batch.sent, self._record.clock()):  # sent again when the gateway's clock is right
            raise InvalidEnvelope(RejectionReason.IMPOSSIBLE_TIME)
        owner = self._owners[hospital]
        owner.heard(batch)
        owner.arrived(Arrival(batch=batch, delivery=delivery))

    def _take_state(self, gateway: GatewayId, hospital: HospitalId | None, delivery: Delivery) -> None:
        state = decode_state(delivery.payload)
        if hospital is None:
            raise InvalidEnvelope(RejectionReason.UNKNOWN_GATEWAY)
        self._owners[hospital].state_arrived(gateway, state)
        if self._broker is not None:
            self._broker.acknowledge(delivery)

    def _refuse(self, delivery: Delivery, gateway: str, reason: str) -> None:
        self.counters.refuse(gateway, reason)
        if self._broker is not None:
            self._broker.acknowledge(delivery)
